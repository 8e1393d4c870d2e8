#!/usr/bin/env bash
# Builds and passes all tests; the last line is `N passed, N failed`.
#   run.sh [PRESET] [-- CTEST_ARGUMENTS...]    PRESET: release (default), dev, asan, tsan
# TENON_CONFORMANCE=DIR adds the operator cases that DIR/run.py runs.
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
if [ $# -gt 0 ] && [ "$1" != "--" ]; then
  preset=$1
  shift
fi
[ "${1:-}" = "--" ] && shift

examples/quickstart.sh --packages
if [ ! -e "build/$preset/CMakeCache.txt" ] && [ -z "${CMAKE_GENERATOR:-}" ]; then
  command -v ninja >/dev/null && export CMAKE_GENERATOR=Ninja
fi
started=$SECONDS
cmake --preset "$preset" >/dev/null
cmake --build --preset "$preset" --parallel "$(nproc)"
built=$SECONDS

status=0
report=$PWD/build/$preset/tests.xml
rm -f "$report"
ctest --test-dir "build/$preset" --parallel "$(nproc)" --output-on-failure \
  --test-output-size-passed 1000000 --test-output-size-failed 1000000 --output-junit "$report" "$@" || status=$?
printf '\nbuild %d s, tests %d s\n' $((built - started)) $((SECONDS - built))
python3 tests/tally.py "$report" || status=1
exit "$status"
