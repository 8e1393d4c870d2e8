// atomic_updates.h: what atomics (and reducing copies) make of an element of memory.
#pragma once
#include <cstdint>

#include "llvm/ADT/StringRef.h"
#include "runtime/emulator/ptx/type.h"

namespace tenon::emulator {

/// The new value of an element whose bits are `old`, for operands `b` and `c` (cas alone: it compares with b and stores
/// c). Narrow types are zero-extended.
using Update = uint64_t (*)(uint64_t old, uint64_t b, uint64_t c);

/// For "add", "min", "max", "and", "or", "xor", "inc", "dec", "exch", "cas" of a type; null where PTX has no such
/// operation. Floats round to nearest even. `flush`: f32 results and operands that are subnormal become zero, as global
/// memory's atom.add.f32 has it (PTX ISA 9.0, 9.7.13.5).
Update find_update(llvm::StringRef operation, ptx::Type type, bool flush);

}  // namespace tenon::emulator
