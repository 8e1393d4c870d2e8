#!/bin/bash
# conformance.sh PROGRAM [DEVICE]: ONNX's operator cases on a device (cpu), at f32; on the emulator at bf16 too.
# TENON_CONFORMANCE names the folder of the cases and of their harness (run.py, which needs Python with NumPy:
# TENON_PYTHON, else python3); without it the test is skipped. A case that the program refuses with "not there yet", or for
# which no family has a kernel, counts as unsupported; every reason is listed.
set -euo pipefail
program=$1
device=${2:-cpu}
if [ -z "${TENON_CONFORMANCE:-}" ]; then
  echo "skipped: TENON_CONFORMANCE does not name a folder of cases"
  exit 77
fi
python=${TENON_PYTHON:-python3}
if ! "$python" -c 'import numpy' 2>/dev/null; then
  echo "skipped: $python has no NumPy"
  exit 77
fi
if [ "$device" != cpu ] && ! "$program" doctor --json | grep -q '"emulator"'; then
  echo "skipped: NVRTC is not installed"
  exit 77
fi
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# PRECISION, and how many must pass at least: none may slip into the unsupported unseen.
judge() {
  "$python" "$TENON_CONFORMANCE/run.py" --tenon "$program" --device "$device" --precision "$1" --json "$report" || true
  "$python" - "$report" "$2" <<'PYTHON'
import collections
import json
import sys

cases = json.load(open(sys.argv[1]))["cases"]
status, reasons, bad = collections.Counter(), collections.Counter(), []
for case in cases:
    kind = case["status"]
    if kind == "error" and ("not there yet" in case["why"] or "no kernel family can run" in case["why"]):
        kind, case["why"] = "unsupported", case["why"].split("error: ")[-1]
    status[kind] += 1
    if kind in ("unsupported", "skipped"):
        reasons[case["why"]] += 1
    elif kind != "passed":
        bad.append(f"{case['name']}: {case['status']}: {case['why']}")
print("\njudged:", ", ".join(f"{count} {kind}" for kind, count in status.items()))
for reason, count in reasons.most_common():
    print(f"{count:5}  {reason}")
print("\n".join(bad))
if status["passed"] < int(sys.argv[2]):
    print(f"only {status['passed']} passed; {sys.argv[2]} did before")
sys.exit(1 if bad or status["passed"] < int(sys.argv[2]) else 0)
PYTHON
}

if [ "$device" = cpu ]; then
  judge f32 168
else
  judge f32 100
  judge bf16 89
fi
