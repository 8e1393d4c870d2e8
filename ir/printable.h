// printable.h: texts that a terminal shows and does not obey.
#pragma once
#include "llvm/ADT/StringRef.h"

namespace tenon {

/// Whether no byte of the UTF-8 text is a control character: one would end the text, its line, or command the terminal.
bool is_printable(llvm::StringRef text);

}  // namespace tenon
