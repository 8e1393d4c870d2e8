// engine_access.cpp: see engine_access.h.
#include "runtime/emulator/machine/engine_access.h"

#include <algorithm>
#include <cstring>

#include "runtime/emulator/machine/access_checks.h"

namespace tenon::emulator {

bool read_pieces(const Access& access, llvm::ArrayRef<uint32_t> addresses, std::byte* to,
                 llvm::MutableArrayRef<uint64_t> unwritten) {
  Block& block = access.warp.block();
  std::fill(unwritten.begin(), unwritten.end(), 0);
  const auto [least, most] = std::minmax_element(addresses.begin(), addresses.end());
  if (!check_shared(access, block, *least - kSharedBase, int64_t{*most} - *least + kPieceBytes, kPieceBytes))
    return false;
  access.warp.meter(access.op).shared += addresses.size() * kPieceBytes;
  const std::byte* memory = block.shared.bytes.data();
  const uint64_t* written = block.shared.initialised.data();
  const bool watched = watches_uninitialised(access);
  const bool races = block.residency().races(block) != nullptr;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const uint32_t offset = addresses[i] - kSharedBase;
    std::memcpy(to + i * kPieceBytes, memory + offset, kPieceBytes);
    const bool whole = (written[offset >> 6] >> (offset & 63) & 0xffff) == 0xffff;
    unwritten[i / 64] |= uint64_t{watched && !whole} << i % 64;
    if (races) check_race(access, block, offset, kPieceBytes);
  }
  return true;
}

}  // namespace tenon::emulator
