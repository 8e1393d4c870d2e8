#!/usr/bin/env bash
# Device tests and timings on a machine that has a GPU and nothing else.
#   gpu.sh --pack DIR    here: builds Release and packs programs, device tests, models and NVRTC (where found) into DIR (at most 60 MB)
#   gpu.sh --run DIR     there (bash, tar, gzip and glibc): runs DIR's tests, then checks and times its models; writes DIR/gpu.json
#   gpu.sh --record DIR  there: runs the micro-kernels of tests/golden/gpu; their outputs, for that folder, are left in DIR/golden
# Exit status 1 when a test, a check or a timing fails, 3 when the machine has no GPU that works.
set -euo pipefail

fail() { printf 'gpu.sh: %s\n' "$*" >&2; exit 1; }

# What is checked kernel by kernel, at lengths that the f64 evaluator takes seconds for, and what is timed.
checked=(
  "ffn T=512 auto" "ffn T=512 fused" "ffn T=512 library" "attention_primitives T=300 fused" "minilm T=12 fused"
  "gpt2 T=48 auto" "gpt2 T=48 fused" "qwen2.5-0.5b T=5 fused" "llama-3.2-1b T=5 auto" "llama-3.2-1b T=5 fused"
  "gpt2 T=1 fused" "qwen2.5-0.5b T=1 fused" "llama-3.2-1b T=1 fused" "seeds/mlp M=1 fused" "seeds/o_proj M=1 fused"
)
timed=(
  "ffn T=4096 auto" "ffn T=4096 fused" "attention_primitives T=2048 fused" "attention_primitives T=4096 fused"
  "gpt2 T=512 auto" "gpt2 T=512 fused" "llama-3.2-1b T=512 auto" "llama-3.2-1b T=512 fused"
  "gpt2 T=1 fused" "gpt2 T=1 library" "seeds/mlp M=1 fused" "seeds/mlp M=1 library" "seeds/o_proj M=1 fused"
  "seeds/o_proj M=1 library" "seeds/attention B=16 fused" "turns/mlp M=1 fused" "turns/mlp M=1 library"
  "turns/o_proj M=1 fused" "turns/o_proj M=1 library"
)
# Answers of so many tokens to a prompt of 1000, and what is timed again with launches that do not overlap.
generated=(
  "llama-3.2-1b 64 auto" "llama-3.2-1b 64 fused" "llama-3.2-1b 64 library" "qwen2.5-0.5b 64 auto" "qwen2.5-0.5b 64 fused"
  "qwen2.5-0.5b 64 library"
)
timed_apart=("ffn T=4096 fused" "gpt2 T=512 fused" "llama-3.2-1b T=512 fused" "gpt2 T=1 fused" "seeds/mlp M=1 fused")
generated_apart=("llama-3.2-1b 64 fused" "qwen2.5-0.5b 64 fused")
limit_mb=60

# The folder of the newest NVRTC that stands in a usual place; nothing where there is none.
find_nvrtc() {
  local folder
  for folder in ${CUDA_PATH:+"$CUDA_PATH/lib64"} /usr/local/cuda/lib64 /usr/lib/x86_64-linux-gnu; do
    if compgen -G "$folder/libnvrtc.so.*" >/dev/null; then
      echo "$folder"
      return
    fi
  done
}

pack() {
  local root target=$1 nvrtc file
  root=$(cd "$(dirname "$0")/.." && pwd)
  mkdir -p "$target"
  target=$(cd "$target" && pwd)
  cd "$root"
  examples/quickstart.sh --packages
  cmake --preset release >/dev/null
  cmake --build --preset release --parallel "$(nproc)" --target tenon device_tests record_golden
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/bin" "$work/lib" "$work/examples" "$work/tests"
  cp build/release/tenon build/release/tests/device_tests build/release/tests/record_golden "$work/bin/"
  cp -r examples/models "$work/examples/"
  cp -r tests/data tests/golden "$work/tests/"
  nvrtc=$(find_nvrtc)
  if [ -n "$nvrtc" ]; then
    for file in "$nvrtc"/libnvrtc.so.?? "$nvrtc"/libnvrtc-builtins.so.??.?; do
      cp -L "$file" "$work/lib/"
    done
  else
    echo "gpu.sh: no NVRTC here; the machine that runs the pack must have it" >&2
  fi
  tar -C "$work" -cf - . | gzip -9 >"$target/payload.tar.gz"
  cp "$root/tests/gpu.sh" "$target/"
  [ "$(du -sm "$target" | cut -f1)" -le "$limit_mb" ] || fail "$target is larger than $limit_mb MB: $(du -sm "$target")"
  echo "$target: $(du -sm "$target" | cut -f1) MB; run there: bash $(basename "$target")/gpu.sh --run $(basename "$target")"
}

# models/turns: products of one row many times over with weights of their own, more than L2 holds: a run over its layers is what
# one costs in a graph.
write_turns() {
  local folder=$1/turns head='tenon = 1\n[model]\nname = "%s-in-turn"\ndtype = "bf16"\n[dims]\nM = 1\nN = 896\nK = 4864\nL = %s\n'
  local block='[inputs]\nx = { shape = ["M", "N"] }\n[block.layer]\nargs = ["x"]\nreturns = ["x"]\nbody = [%s]\n[block.layer.weights]\n'
  local graph="[graph]\nbody = ['y = repeat(layer, L, x)']\noutputs = [\"y\"]\n"
  mkdir -p "$folder"
  {
    printf "$head$block" mlp 20 \
      "'h = rmsnorm(x, norm, eps=1e-6)', 'x = x + linear(silu(linear(h, gate)) * linear(h, up), down)'"
    printf 'norm = { shape = ["N"] }\ngate = { shape = ["K", "N"] }\nup = { shape = ["K", "N"] }\ndown = { shape = ["N", "K"] }\n'"$graph"
  } >"$folder/mlp.toml"
  {
    printf "$head$block" o_proj 100 "'x = x + linear(x, wo)'"
    printf 'wo = { shape = ["N", "N"] }\n'"$graph"
  } >"$folder/o_proj.toml"
}

# The JSON that a command prints, or null; its errors stay on standard error, a failure is remembered.
json_of() {
  local output status=0
  output=$("$@" --json -) || status=$?
  if [ "$status" -ne 0 ]; then
    echo "gpu.sh: exit status $status: $*" >&2
    touch "$work/failed"
  fi
  printf '%s' "${output:-null}"
}

# The JSON of a command for each "MODEL DIM POLICY".
each() {
  local command=$1 entry model dim policy separator=""
  shift
  for entry in "$@"; do
    read -r model dim policy <<<"$entry"
    echo "$command $entry" >&2
    printf '%s\n  {"model": "%s", "dim": "%s", "policy": "%s", "%s": %s}' "$separator" "$model" "$dim" "$policy" "$command" \
      "$(json_of bin/tenon "$command" "examples/models/$model.toml" --dim "$dim" --policy "$policy" --device cuda)"
    separator=,
  done
}

# The JSON of an answer for each "MODEL STEPS POLICY".
each_generated() {
  local entry model steps policy separator=""
  for entry in "$@"; do
    read -r model steps policy <<<"$entry"
    echo "generate $entry" >&2
    printf '%s\n  {"model": "%s", "policy": "%s", "generate": %s}' "$separator" "$model" "$policy" \
      "$(json_of bin/tenon generate "examples/models/$model.toml" --tokens "$(seq -s , 1 1000)" --steps "$steps" --policy "$policy" --device cuda)"
    separator=,
  done
}

# Unpacks DIR into a folder of its own and goes there.
unpack() {
  [ -f "$1/payload.tar.gz" ] || fail "$1 is no folder that gpu.sh --pack made"
  target=$(cd "$1" && pwd)
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  tar -xzf "$target/payload.tar.gz" -C "$work"
  cd "$work"
  export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$work/lib" TENON_CACHE_DIR=$work/cache
}

record() {
  local target
  unpack "$1"
  mkdir -p "$target/golden"
  bin/record_golden tests/golden/gpu "$target/golden"
  echo "$target/golden: copy it over tests/golden/gpu"
}

run() {
  local target tests_failed=0 summary
  unpack "$1"
  write_turns examples/models
  bin/tenon doctor
  bin/tenon run examples/models/ffn.toml --dim T=16 --device cuda -q || exit 3

  bin/device_tests --no-colors | tee tests.log || tests_failed=1
  [ "$tests_failed" -eq 0 ] || touch "$work/failed"
  summary=$(sed -n 's/.*test cases: *\([0-9]*\) | *\([0-9]*\) passed | *\([0-9]*\) failed.*/{"passed": \2, "failed": \3}/p' tests.log)
  {
    printf '{"doctor": %s,\n "tests": %s,\n "checks": [' "$(json_of bin/tenon doctor)" "${summary:-null}"
    each check "${checked[@]}"
    printf '\n ],\n "timings": ['
    each bench "${timed[@]}"
    printf '\n ],\n "generated": ['
    each_generated "${generated[@]}"
    printf '\n ],\n "timings_apart": ['
    TENON_OVERLAP=0 each bench "${timed_apart[@]}"
    printf '\n ],\n "generated_apart": ['
    TENON_OVERLAP=0 each_generated "${generated_apart[@]}"
    printf '\n ]}\n'
  } >"$target/gpu.json"
  echo "$target/gpu.json"
  [ ! -e "$work/failed" ] || fail "not all went well; see above"
}

case "${1:-}" in
  --pack) [ $# -eq 2 ] || fail "usage: gpu.sh --pack DIR"; pack "$2" ;;
  --run) [ $# -eq 2 ] || fail "usage: gpu.sh --run DIR"; run "$2" ;;
  --record) [ $# -eq 2 ] || fail "usage: gpu.sh --record DIR"; record "$2" ;;
  *) fail "usage: gpu.sh --pack DIR | --run DIR | --record DIR" ;;
esac
