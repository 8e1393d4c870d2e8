#!/usr/bin/env bash
# Builds the fuzzers and runs each for a while, five for each core at a time, from the corpus in the tree.
#   run.sh [SECONDS [TARGET...]]    SECONDS of wall time each: 60 without; TARGET: a folder of corpus/, all without
# What they learn stays in build/fuzz/corpus/ and is where the next run begins. A find is printed and lies in build/fuzz/found/:
# put it into tests/fuzz/corpus/TARGET/ under a name that says what it is, where the test `fuzz` replays it, and fix its cause.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
shift || true
[ $# -gt 0 ] || set -- $(ls tests/fuzz/corpus)
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --parallel "$(nproc)"

fuzz() {
  local target=$1 seconds=$2 learnt=build/fuzz/corpus/$1 log=build/fuzz/$1.log
  mkdir -p "$learnt" build/fuzz/found
  if build/fuzz/tests/fuzz_"$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -malloc_limit_mb=1024 \
    -dict=tests/fuzz/dictionaries/"$target".dict -artifact_prefix=build/fuzz/found/"$target"- -print_final_stats=1 \
    "$learnt" tests/fuzz/corpus/"$target" >"$log" 2>&1; then
    printf '%-18s %s\n' "$target" "$(grep -a -m1 '^Done' "$log")"
  else
    printf '%-18s FOUND:\n' "$target"
    tail -n 60 "$log"
    return 1
  fi
}
export -f fuzz
printf '%s\n' "$@" | xargs -P $((5 * $(nproc))) -I TARGET bash -c 'fuzz TARGET "$0"' "$seconds"
