// parser.h: PTX text to its tree.
#pragma once
#include "runtime/emulator/ptx/syntax.h"

namespace tenon::ptx {

/// What a module may not exceed; a text beyond one of them is an error that names it. Together they bound the
/// memory of a parse to about 1 GiB.
struct ParseLimits {
  int64_t text_bytes = 64 << 20;
  int64_t instructions = 1'000'000;  ///< and functions
  int64_t registers = 4'000'000;     ///< declared, used or not
  int64_t parts =
      4'000'000;     ///< lines, operands, modifiers, labels, variables, initial values, source places
  int nesting = 64;  ///< of { }
};

/// Parses a whole module. `name` stands for the text in messages. Both dialects of NVRTC 12.4 to 13 are
/// understood. Every name is resolved: scopes redeclare registers and labels, and labels may be used before they
/// stand. Throws Error with name, line, the line itself and a caret.
Module parse(llvm::StringRef text, llvm::StringRef name, const ParseLimits& limits = {});

}  // namespace tenon::ptx
