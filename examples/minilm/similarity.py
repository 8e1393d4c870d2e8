#!/usr/bin/env python3
"""Prints how similar sentences are: the cosines of their embeddings.

Usage: similarity.py SENTENCES.txt OUTPUTS.safetensors, where the second holds `embedding` [B, D], one unit vector a sentence.
"""
import pathlib
import sys

import tensors


def main(sentences, outputs):
    lines = [line for line in pathlib.Path(sentences).read_text(encoding="utf-8").splitlines() if line.strip()]
    _, (count, width), values = tensors.read(outputs)["embedding"]
    if count != len(lines):
        sys.exit(f"similarity.py: {len(lines)} sentences, but {count} embeddings")
    rows = [values[i * width:(i + 1) * width] for i in range(count)]
    print("Cosine of each pair (1 = the same meaning, 0 = unrelated); * marks each sentence's nearest.\n")
    print(" " * 4 + "".join(f"{i + 1:8}" for i in range(count)))
    for i, row in enumerate(rows):
        cosines = [sum(a * b for a, b in zip(row, other)) for other in rows]
        nearest = max((j for j in range(count) if j != i), key=cosines.__getitem__, default=None)
        cells = "".join(f"{cosine:7.3f}{'*' if j == nearest else ' '}" for j, cosine in enumerate(cosines))
        print(f"{i + 1:3} {cells}  {lines[i]}")


if len(sys.argv) != 3:
    sys.exit(__doc__)
main(*sys.argv[1:])
