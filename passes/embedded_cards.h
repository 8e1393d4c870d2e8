// The cards of passes/cards/, as they stood when the program was built.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "passes/embedded_file.h"

namespace tenon {

llvm::ArrayRef<EmbeddedFile> embedded_cards();  // sorted by path

}  // namespace tenon
