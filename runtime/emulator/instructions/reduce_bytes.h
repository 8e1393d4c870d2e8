// reduce_bytes.h: target = target op source, over a run of elements: what the copy engine's reductions do to memory.
#pragma once
#include <cstddef>
#include <cstdint>

#include "runtime/emulator/ptx/type.h"

namespace tenon::emulator {

enum class ReduceOp : uint8_t { kAdd, kMin, kMax, kInc, kDec, kAnd, kOr, kXor };

/// Whether the copy engine has the operation for the type: u32 s32 u64 s64 for most, inc and dec u32 alone, and or xor
/// b32 b64 too, floats add, and f16 bf16 min max.
bool can_reduce(ReduceOp op, ptx::Type type);
/// `bytes` must be a multiple of the type's size; neither run need be aligned.
void reduce_bytes(ReduceOp op, ptx::Type type, std::byte* target, const std::byte* source, int64_t bytes);

}  // namespace tenon::emulator
