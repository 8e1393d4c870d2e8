#!/bin/bash
# conformance.sh PROGRAM: ONNX's operator cases on the cpu device. TENON_CONFORMANCE names the folder of the cases and
# of their harness (run.py, which needs Python with NumPy: TENON_PYTHON, else python3); without it the test is skipped.
# A case that the program refuses with "not there yet" counts as unsupported; every reason is listed.
set -euo pipefail
program=$1
if [ -z "${TENON_CONFORMANCE:-}" ]; then
  echo "skipped: TENON_CONFORMANCE does not name a folder of cases"
  exit 77
fi
python=${TENON_PYTHON:-python3}
if ! "$python" -c 'import numpy' 2>/dev/null; then
  echo "skipped: $python has no NumPy"
  exit 77
fi
report=$(mktemp)
trap 'rm -f "$report"' EXIT
"$python" "$TENON_CONFORMANCE/run.py" --tenon "$program" --device cpu --precision f32 --json "$report" || true
"$python" - "$report" <<'PYTHON'
import collections
import json
import sys

cases = json.load(open(sys.argv[1]))["cases"]
status, reasons, bad = collections.Counter(), collections.Counter(), []
for case in cases:
    kind = case["status"]
    if kind == "error" and "not there yet" in case["why"]:
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
sys.exit(1 if bad or not status["passed"] else 0)
PYTHON
