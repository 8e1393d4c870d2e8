// engine_access.h: a tile of shared memory that an engine reads at once: bounds once, validity and races by piece.
#pragma once
#include <cstdint>

#include "llvm/ADT/ArrayRef.h"
#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {

constexpr int kPieceBytes = 16;

/// Reads pieces of 16 bytes of the block's own shared memory to `to`, one after the other. `addresses` are shared addresses,
/// multiples of 16. Bit i of `unwritten` (one word for each 64 pieces, cleared
/// first): piece i has bytes that nothing wrote. False, with a finding, where the pieces leave the block's memory; `to` is then unchanged.
bool read_pieces(const Access& access, llvm::ArrayRef<uint32_t> addresses, std::byte* to,
                 llvm::MutableArrayRef<uint64_t> unwritten);

}  // namespace tenon::emulator
