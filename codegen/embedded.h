// The device headers of templates/, as they stood when the program was built; NVRTC receives them by their
// path.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include "passes/embedded_file.h"

namespace tenon {

llvm::ArrayRef<EmbeddedFile> embedded_templates();  // sorted by path

}  // namespace tenon
