#!/usr/bin/env python3
"""minilm.py TENON: the embeddings of examples/models/minilm.toml on the cpu device equal the reference's (tests/data/README.md).

Skipped (77) where examples/minilm/fetch_weights.py has not run.
"""
import math
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "examples" / "minilm"))
import tensors

LEAST_COSINE = 0.99999
LARGEST_DIFFERENCE = 1e-4  # the cosine is blind to length, and unit vectors differ by less than this at f32


def main(tenon):
    weights = ROOT / "examples" / "minilm" / "model.safetensors"
    if not weights.is_file():
        print("SKIPPED: MiniLM's weights are not there (examples/minilm/fetch_weights.py)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        outputs = pathlib.Path(folder) / "out.safetensors"
        subprocess.run([tenon, "run", ROOT / "examples/models/minilm.toml", "--device", "cpu", "--weights", weights, "--inputs",
                        ROOT / "examples/minilm/sentences.safetensors", "--outputs", outputs], check=True)
        dtype, shape, values = tensors.read(outputs)["embedding"]
    _, expected_shape, expected = tensors.read(ROOT / "tests/data/minilm_embeddings.safetensors")["embedding"]
    if dtype != "F32" or shape != expected_shape:
        sys.exit(f"embedding is {dtype} {shape}, not F32 {expected_shape}")
    count, width = shape
    failed = False
    for row in range(count):
        a, b = values[row * width:(row + 1) * width], expected[row * width:(row + 1) * width]
        cosine = sum(x * y for x, y in zip(a, b)) / (math.hypot(*a) * math.hypot(*b))
        difference = max(abs(x - y) for x, y in zip(a, b))
        good = cosine >= LEAST_COSINE and difference <= LARGEST_DIFFERENCE
        failed |= not good
        print(f"sentence {row}: cosine {cosine:.8f}, largest difference {difference:.2e}{'' if good else '  FAILED'}")
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
