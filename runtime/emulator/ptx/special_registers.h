// special_registers.h: the names of PTX's special registers (PTX ISA 9.0, 10).
#pragma once
#include "llvm/ADT/StringRef.h"

namespace tenon::ptx {

/// Whether `name` stands for one: "%laneid", "%tid.x". Vectors without a component are not.
bool is_special_register(llvm::StringRef name);

}  // namespace tenon::ptx
