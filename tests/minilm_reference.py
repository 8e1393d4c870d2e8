#!/usr/bin/env python3
"""all-MiniLM-L6-v2 in f64 NumPy, written from the BERT paper (Devlin et al. 2018, section 3; Vaswani et al. 2017): the judge of minilm.toml.

Usage: minilm_reference.py MODEL.safetensors INPUTS.safetensors OUT.safetensors
It shares no code with Tenon. Needs numpy; the tests do not, they read the file that it wrote (tests/data/README.md).
"""
import math
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "examples" / "minilm"))
import tensors

HEADS, LAYERS = 12, 6
erf = np.vectorize(math.erf)


def layernorm(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(-1, keepdims=True) + 1e-12) * weight + bias


def forward(weights, tokens, mask):
    def dense(x, name):
        return x @ weights[name + ".weight"].T + weights[name + ".bias"]

    def norm(x, name):
        return layernorm(x, weights[name + ".weight"], weights[name + ".bias"])

    def split_heads(x):
        return x.reshape(batch, length, HEADS, -1).transpose(0, 2, 1, 3)

    batch, length = tokens.shape
    x = weights["embeddings.word_embeddings.weight"][tokens]
    x = x + weights["embeddings.position_embeddings.weight"][:length] + weights["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}."
        q, k, v = (split_heads(dense(x, layer + "attention.self." + name)) for name in ("query", "key", "value"))
        scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
        scores = np.where(mask[:, None, None, :], scores, -np.inf)
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(0, 2, 1, 3).reshape(batch, length, -1)
        x = norm(x + dense(mixed, layer + "attention.output.dense"), layer + "attention.output.LayerNorm")
        hidden = dense(x, layer + "intermediate.dense")
        hidden = hidden * 0.5 * (1 + erf(hidden / math.sqrt(2)))
        x = norm(x + dense(hidden, layer + "output.dense"), layer + "output.LayerNorm")
    pooled = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
    return pooled / np.linalg.norm(pooled, axis=-1, keepdims=True)


def load(path):
    return {name: np.array(values).reshape(shape) for name, (_, shape, values) in tensors.read(path).items()}


def main(model, inputs, out):
    weights = {name: value.astype(np.float64) for name, value in load(model).items()}
    given = load(inputs)
    embedding = forward(weights, given["tokens"], given["mask"].astype(bool))
    tensors.write(out, {"embedding": ("F32", embedding.shape, embedding.astype(np.float32).ravel())})


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
