// memory_order.h: what memory instructions order: semantics and scope, told to the detectors of races.
#pragma once
#include "runtime/emulator/instructions/lane_addresses.h"

namespace tenon::emulator {

/// Of ld, st, atom and red.
struct MemoryOrder {
  bool strong = false;  ///< .volatile, .relaxed, .acquire, .release, .acq_rel
  bool acquires = false, releases = false;
  bool device_scope = true;  ///< not .cta: other blocks are meant too

  /// Sets what "acquire", "acq_rel", "cta", "" and so on say.
  void set(llvm::StringRef semantics, llvm::StringRef scope);
};

/// A strong instruction has read from, or written to, the lanes' addresses. `combines`: an atomic's write.
void order_reads(Warp& warp, const MemoryPlace& place, const LaneAddresses& addresses, LaneMask lanes,
                 const MemoryOrder& order);
void order_writes(Warp& warp, const MemoryPlace& place, const LaneAddresses& addresses, LaneMask lanes,
                  const MemoryOrder& order, bool combines);
/// A fence of the block's scope, or of the device's.
void order_fence(Warp& warp, bool device_scope);

}  // namespace tenon::emulator
