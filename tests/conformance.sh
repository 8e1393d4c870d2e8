#!/usr/bin/env bash
# conformance.sh TENON: runs the operator cases of $TENON_CONFORMANCE (a folder with run.py) on the cpu device.
set -euo pipefail
if [ -z "${TENON_CONFORMANCE:-}" ]; then
  echo "SKIPPED: TENON_CONFORMANCE names no folder of operator cases"
  exit 77
fi
exec "$TENON_CONFORMANCE/run.py" --tenon "$1" --device cpu
