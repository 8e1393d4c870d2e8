#!/usr/bin/env python3
"""compile_examples.py TENON: every kernel of every example compiles for every architecture under both policies, spills nothing, and
comes out the same twice; of those models whose kernels are others' with other numbers, one architecture. Exit status 77 (skipped) where NVRTC is not installed; TENON_TARGETS narrows the architectures."""
import glob, json, os, subprocess, sys, tempfile

tenon = os.path.abspath(sys.argv[1])
root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
targets = os.environ.get("TENON_TARGETS", "sm_80 sm_89 sm_90a sm_100a sm_120").split()

# A reduced model of each is emulated as well: here these tell nothing that others do not.
alike = {"gpt-175b", "llama-3-70b", "mistral-7b", "qwen2.5-0.5b-step"}

doctor = json.loads(subprocess.run([tenon, "doctor", "--json"], capture_output=True, text=True).stdout)
if not doctor.get("nvrtc", {}).get("found"):
    print("skipped: NVRTC is not installed")
    sys.exit(77)


def compile_model(model, target, policy, folder, cached):
    command = [tenon, "compile", model, "--target", target, "--policy", policy, "-o", folder, "-q"]
    environment = os.environ if cached else {**os.environ, "TENON_CACHE_MAX_BYTES": "0"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        return f"exit status {done.returncode}: {done.stderr[:2000]}", 0
    plan = json.load(open(os.path.join(folder, "plan.json")))
    for kernel in plan["kernels"]:
        if kernel["spill_bytes"]:
            return f"{kernel['name']} spills {kernel['spill_bytes']} bytes", 0
    return "", sum(kernel["implementation"] == "generated" for kernel in plan["kernels"])


def contents(folder):
    return {name: open(os.path.join(folder, name), "rb").read() for name in sorted(os.listdir(folder))}


failed = passed = kernels = 0
with tempfile.TemporaryDirectory() as work:
    for model in sorted(glob.glob(os.path.join(root, "examples/models/**/*.toml"), recursive=True)):
        for target in targets[:1] if os.path.basename(model)[:-5] in alike else targets:
            for policy in ("auto", "fused"):
                folder = os.path.join(work, f"{os.path.basename(model)}-{target}-{policy}")
                twice = target == targets[0] and policy == "fused"
                problem, count = compile_model(model, target, policy, folder, cached=not twice)
                if not problem and twice:
                    again = folder + "-again"
                    problem, _ = compile_model(model, target, policy, again, cached=False)
                    if not problem and contents(folder) != contents(again):
                        problem = "two runs differ"
                kernels += count
                failed += bool(problem)
                passed += not problem
                if problem:
                    print(f"{os.path.basename(model)} for {target}, policy {policy}: {problem}")
print(f"{kernels} kernels compiled")
print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
