// memory_order.cpp: see the header.
#include "runtime/emulator/instructions/memory_order.h"

namespace tenon::emulator {
namespace {

/// Calls tell(detector, its agent, the place) for each place that lanes name and the detector that watches it.
template <class Tell>
void tell_flags(Warp& warp, const MemoryPlace& place, const LaneAddresses& addresses, LaneMask lanes,
                const MemoryOrder& order, Tell tell) {
  const Block& block = warp.block();
  RaceDetector* races = block.residency().races(block);
  GlobalRaces* global = order.device_scope ? warp.launch().global_races.get() : nullptr;
  if (!races && !global) return;
  uint64_t last = ~0ull;
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint64_t address = addresses[__builtin_ctz(lanes)];
    if (address == last) continue;
    last = address;
    const bool generic = place.space == ptx::Space::kGeneric;
    const uint64_t within = generic ? address - kSharedWindow : address;
    if (place.space == ptx::Space::kShared || (generic && within < kWindowBytes)) {
      const auto tag = static_cast<int>(within >> kClusterRankShift);
      if (races)
        tell(*races, races->agents().warp(block.rank(), warp.index()), tag == 0 ? block.rank() : tag - 1,
             static_cast<uint32_t>(within & ((1u << kClusterRankShift) - 1)));
    } else if (place.may_be_global() && address < kParamWindow) {
      if (global) tell(*global, block.number(), address);
    }
  }
}

}  // namespace

void MemoryOrder::set(llvm::StringRef semantics, llvm::StringRef scope) {
  strong = !semantics.empty() && semantics != "weak";
  acquires = semantics == "acquire" || semantics == "acq_rel";
  releases = semantics == "release" || semantics == "acq_rel";
  device_scope = scope != "cta";
}

void order_reads(Warp& warp, const MemoryPlace& place, const LaneAddresses& addresses, LaneMask lanes,
                 const MemoryOrder& order) {
  tell_flags(warp, place, addresses, lanes, order,
             [&](auto& detector, auto... where) { detector.strong_read(where..., order.acquires); });
}

void order_writes(Warp& warp, const MemoryPlace& place, const LaneAddresses& addresses, LaneMask lanes,
                  const MemoryOrder& order, bool combines) {
  tell_flags(warp, place, addresses, lanes, order, [&](auto& detector, auto... where) {
    detector.strong_write(where..., order.releases, combines);
  });
}

void order_fence(Warp& warp, bool device_scope) {
  const Block& block = warp.block();
  if (RaceDetector* races = block.residency().races(block))
    races->fence(races->agents().warp(block.rank(), warp.index()));
  if (GlobalRaces* global = warp.launch().global_races.get(); global && device_scope)
    global->fence(block.number());
}

}  // namespace tenon::emulator
