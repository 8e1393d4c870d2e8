#!/usr/bin/env python3
"""emulate_examples.py TENON: every kernel of every example runs on the emulator, at reduced widths and layers, with all checks on: each
within tolerance of the f64 evaluator, none with a finding. Exit status 77 (skipped) where NVRTC is not installed; TENON_TARGETS names the
architectures (sm_80 and sm_120 otherwise)."""
import glob, json, os, re, subprocess, sys, tempfile

tenon = os.path.abspath(sys.argv[1])
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
targets = os.environ.get("TENON_TARGETS", "sm_80 sm_120").split()

# Fixed dims in place of the model's own, and bindings of the dynamic ones: a tail of every tile, one token, whole tiles.
TOKENS = [{"T": 1}, {"T": 37}, {"T": 128}]
REDUCED = {
    "attention_primitives": ({"H": 2}, TOKENS),
    "ffn": ({"D": 192, "F": 320}, TOKENS),
    "gpt2": ({"L": 2, "D": 128, "H": 2, "F": 256, "V": 501}, TOKENS),
    "llama-3-8b": ({"L": 2, "D": 256, "H": 2, "Hkv": 1, "F": 512, "V": 1000, "C": 128}, TOKENS),
    "llama-3.2-1b": ({"L": 2, "D": 256, "H": 4, "Hkv": 1, "F": 512, "V": 1000, "C": 128}, TOKENS),
    "minilm": ({"L": 2, "D": 128, "H": 4, "F": 256, "V": 500}, [{"B": 1, "T": 1}, {"B": 3, "T": 37}]),
    "qwen2.5-0.5b": ({"L": 2, "D": 128, "H": 2, "Hkv": 1, "F": 256, "V": 1000, "C": 128}, TOKENS),
}

doctor = json.loads(subprocess.run([tenon, "doctor", "--json"], capture_output=True, text=True).stdout)
if not doctor.get("nvrtc", {}).get("found"):
    print("skipped: NVRTC is not installed")
    sys.exit(77)


def reduced(model, dims):
    text = open(model).read()
    for name, value in dims.items():
        text, count = re.subn(rf"(?m)^({name}\s*=\s*)\d+", rf"\g<1>{value}", text)
        assert count == 1, f"{model} has no fixed dim {name}"
    return text


def check(model, target, dims):
    command = [tenon, "check", model, "--device", f"emulator:{target}", "-q", "--json"]
    for name, value in dims.items():
        command += ["--dim", f"{name}={value}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return f"exit status {done.returncode}: {done.stderr[:4000]}", 0
    report = json.loads(done.stdout)
    silent = [k["name"] for k in report["kernels"] if not k["metered"]["unique_bytes_written"]]
    return f"wrote nothing: {silent}" if silent else "", len(report["kernels"])


failed = passed = kernels = 0
with tempfile.TemporaryDirectory() as work:
    for model in sorted(glob.glob(os.path.join(root, "examples/models/*.toml"))):
        name = os.path.basename(model).removesuffix(".toml")
        fixed, bindings = REDUCED[name]  # a new example needs its line above
        small = os.path.join(work, name + ".toml")
        open(small, "w").write(reduced(model, fixed))
        for target in targets:
            for dims in bindings:
                problem, count = check(small, target, dims)
                kernels += count
                failed += bool(problem)
                passed += not problem
                if problem:
                    print(f"{name} on {target} with {dims}: {problem}")
print(f"{kernels} kernels emulated")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
