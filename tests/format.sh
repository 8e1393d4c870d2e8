#!/usr/bin/env bash
# Fails where a source file is not as .clang-format says. Exit status 77 (skipped) without clang-format 14, whose taste is the house's.
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$program" ] || ! "$program" --version | grep -q 'version 14\.'; then
  echo "SKIPPED: clang-format 14 is not installed"
  exit 77
fi
folders=()
for folder in ir passes codegen runtime templates tests examples; do
  [ -d "$folder" ] && folders+=("$folder")
done
find "${folders[@]}" \( -name '*.cpp' -o -name '*.h' -o -name '*.cuh' \) -print0 | xargs -0 "$program" --dry-run -Werror
