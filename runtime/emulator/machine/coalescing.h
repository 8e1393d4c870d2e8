// coalescing.h: what the lanes of one access share: sectors of global memory, passes over the banks of shared memory.
#pragma once
#include <cstdint>

#include "runtime/emulator/program/op.h"

namespace tenon::emulator {

/// The 32-byte sectors that lanes touch, each once. At most one a lane: accesses of up to 32 bytes are naturally aligned.
struct Sectors {
  int count = 0;
  int64_t at[kLanes];  ///< number of the sector: offset / 32
};
/// `offsets` by lane; those of lanes that are not in `lanes` mean nothing.
void distinct_sectors(const int64_t (&offsets)[kLanes], LaneMask lanes, Sectors& sectors);

/// No two of `lanes`, of `bytes` each, have one address. Addresses are multiples of `bytes`; false may be told of others.
bool all_distinct(const uint64_t (&addresses)[kLanes], LaneMask lanes, int bytes);

struct Passes {
  int passes = 0;
  int least = 0;  ///< of the same lanes without conflicts
  int conflicts() const { return passes - least; }
};
/// Passes over 32 banks of 4 bytes that an access of `bytes` a lane needs: lanes go in phases of 32 (up to 4 bytes), 16 (8
/// bytes) or 8 (16 bytes); a phase takes as many passes as the most different words that it wants of one bank. Lanes that
/// want one word share it, but not where they change it (`serial`: atomics).
Passes bank_passes(const int64_t (&offsets)[kLanes], LaneMask lanes, int bytes, bool serial);

}  // namespace tenon::emulator
