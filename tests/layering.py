#!/usr/bin/env python3
"""Fails where an #include goes against the arrow ir <- passes <- codegen <- runtime <- runtime/cli.

Usage: layering.py SOURCE_DIR. Reads the source text, so it also sees headers that nothing compiles.
"""
import pathlib
import re
import sys

ROOMS = ["ir", "passes", "codegen", "runtime", "runtime/cli"]
# Third parties, and the first room that may know them.
THIRD_PARTIES = {"llvm/": "ir", "llvm-c/": "ir", "toml++/": "ir", "blis": "runtime", "cblas": "runtime",
                 "dlfcn.h": "runtime", "CLI/": "runtime/cli"}
CUDA = re.compile(r"^(cuda|nvrtc|cublas|curand|cudnn|driver_types|vector_types|mma\.h)")
TOOLKIT = "/usr/local/cuda/include/"
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^">]+)[>"]')
# Applications compile these two outside the tree: the standard library and each other, nothing else.
PUBLIC = {"runtime/tenon.h", "runtime/tenon_c.h"}


def room_of(path):
    """The room of a path relative to the source folder, tests/<room>/ counting as <room>; None outside the rooms."""
    path = path.removeprefix("tests/")
    return next((room for room in reversed(ROOMS) if path.startswith(room + "/")), None)


def violation(path, quote, included):
    """Why `path` may not have this #include line, or None."""
    if path.startswith("tests/runtime/cuda/") and included.startswith(TOOLKIT):
        return None  # where a toolkit is installed, these compare our declarations with its own
    if CUDA.match(included) or included.startswith(TOOLKIT):
        return "CUDA's headers are not needed to build: declare what is loaded at run time"
    if path.startswith("templates/"):
        if included.startswith("templates/") or (path == "templates/config.cuh" and quote == "<"):
            return None
        return "device headers include device headers alone (config.cuh, shared with the host, may include standard headers)"
    if path in PUBLIC:
        return None if quote == "<" and "/" not in included or included == "tenon_c.h" else \
            "an application's header includes the standard library and tenon_c.h alone"
    room = room_of(path)
    if room is None:
        return None
    if included == "llvm/Support/JSON.h":
        return "it does not compile as C++20 under clang 14: use ir/json.h"
    rank = ROOMS.index(room)
    for prefix, first in THIRD_PARTIES.items():
        if included.startswith(prefix) and rank < ROOMS.index(first):
            return f"{prefix} is known from {first} on"
    if included.startswith("templates/") and included != "templates/config.cuh":
        return "hosts include templates/config.cuh alone"
    target = room_of(included) if not included.startswith("tests/") or not path.startswith("tests/") else None
    if target is not None and ROOMS.index(target) > rank:
        return f"{room} may not know {target}"
    if quote == '"' and target is None and not included.startswith(("llvm/", "templates/", "tests/")):
        return "includes are written from the root"
    if included.startswith("tests/") and not path.startswith("tests/"):
        return "only tests include tests"
    return None


def self_test():
    """The rules themselves: one line that must pass or fail for each."""
    forbidden = [("ir/a.h", '"', "passes/match.h"), ("passes/a.cpp", '"', "codegen/plan.h"), ("codegen/families/a.cpp", '"', "runtime/session.h"),
                 ("runtime/a.cpp", '"', "runtime/cli/command.h"), ("ir/a.cpp", '"', "graph.h"), ("ir/a.cpp", "<", "cuda.h"),
                 ("codegen/a.cpp", '"', "templates/gemm.cuh"), ("templates/row.cuh", '"', "ir/dtype.h"), ("templates/row.cuh", "<", "cuda_bf16.h"),
                 ("passes/a.cpp", "<", "CLI/CLI.hpp"), ("runtime/tenon.h", '"', "ir/graph.h"), ("tests/ir/a_test.cpp", '"', "passes/passes.h"),
                 ("ir/a.cpp", '"', "tests/ir/graphs.h"), ("runtime/cuda/a.cpp", '"', TOOLKIT + "cuda.h")]
    allowed = [("passes/a.cpp", '"', "ir/graph.h"), ("runtime/cli/a.cpp", '"', "runtime/session.h"), ("ir/a.cpp", "<", "vector"),
               ("codegen/a.cpp", '"', "templates/config.cuh"), ("ir/a.h", '"', "llvm/ADT/ArrayRef.h"), ("runtime/tenon.h", '"', "tenon_c.h"),
               ("templates/row.cuh", '"', "templates/memory.cuh"), ("tests/passes/a_test.cpp", '"', "tests/passes/check.h")]
    for case in forbidden:
        assert violation(*case), f"not refused: {case}"
    for case in allowed:
        assert not violation(*case), f"refused: {case}"


def main(root):
    self_test()
    failures, lines = [], 0
    for folder in ("ir", "passes", "codegen", "runtime", "templates", "tests"):
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in {".h", ".cpp", ".cuh", ".def"}:
                continue
            path = file.relative_to(root).as_posix()
            for number, line in enumerate(file.read_text().splitlines(), 1):
                if match := INCLUDE.match(line):
                    lines += 1
                    if reason := violation(path, *match.groups()):
                        failures.append(f"{path}:{number}: {line.strip()}: {reason}")
                if path.startswith("templates/") and not path.startswith("templates/ptx/") and re.search(r"\basm\b\s*(volatile)?\s*\(", line):
                    failures.append(f"{path}:{number}: asm appears in templates/ptx alone")
    print("\n".join(failures) or f"{lines} #include lines follow the arrow")
    return 1 if failures or not lines else 0


sys.exit(main(pathlib.Path(sys.argv[1])))
