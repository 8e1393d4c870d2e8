// lane_addresses.h: [base + offset] of a memory instruction for all lanes: its first two words.
#pragma once
#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

/// Where a memory instruction's address points. Its words are the op's first two.
struct MemoryPlace {
  ptx::Space space = ptx::Space::kGeneric;
  bool wide = false;     ///< the base has 64 bits
  bool cluster = false;  ///< shared memory of other blocks too

  bool may_be_global() const { return space == ptx::Space::kGlobal || space == ptx::Space::kGeneric; }
  bool may_be_shared() const { return space == ptx::Space::kShared || space == ptx::Space::kGeneric; }
};

/// Consumes the space's modifier.
inline MemoryPlace decode_space(Decoder& decoder) {
  MemoryPlace place;
  place.space = decoder.accept_space(&place.cluster);
  if (place.space == ptx::Space::kNone) place.space = ptx::Space::kGeneric;
  if (place.space == ptx::Space::kGeneric) place.cluster = true;
  return place;
}
/// Appends the two words.
inline void decode_address(Decoder& decoder, const ptx::Operand& operand, MemoryPlace& place) {
  place.space = decoder.space_of(operand, place.space);
  decoder.address(operand, place.space, &place.wide);
}

inline void lane_addresses(const Warp& warp, const Op& op, const MemoryPlace& place,
                           LaneAddresses& addresses) {
  const int64_t offset = op.words[1];
  if (place.wide) {
    const uint64_t* base = warp.lanes<uint64_t>(op.words[0]);
    for (int i = 0; i < kLanes; ++i) addresses[i] = base[i] + static_cast<uint64_t>(offset);
  } else {
    const uint32_t* base = warp.lanes<uint32_t>(op.words[0]);
    for (int i = 0; i < kLanes; ++i) addresses[i] = base[i] + static_cast<uint32_t>(offset);
  }
}

/// The lanes of `active` whose address is known; a finding is made of the others.
inline LaneMask known_addresses(const Warp& warp, const Op& op, LaneMask active) {
  const LaneMask unknown = warp.poison(op.words[0]) & active;
  report_poison(warp, op, unknown, "an address");
  return active & ~unknown;
}

}  // namespace tenon::emulator
