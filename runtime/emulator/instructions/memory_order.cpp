// memory_order.cpp: see the header.
#include "runtime/emulator/instructions/memory_order.h"

namespace tenon::emulator {
namespace {

/// Calls shared(block, address) or global(address) for each place that lanes name.
template <class Shared, class Global>
void visit_flags(const Warp& warp, const MemoryPlace& place, const LaneAddresses& addresses, LaneMask lanes,
                 Shared shared, Global global) {
  uint64_t last = ~0ull;
  for (; lanes != 0; lanes &= lanes - 1) {
    const uint64_t address = addresses[__builtin_ctz(lanes)];
    if (address == last) continue;
    last = address;
    const bool generic = place.space == ptx::Space::kGeneric;
    const uint64_t within = generic ? address - kSharedWindow : address;
    if (place.space == ptx::Space::kShared || (generic && within < kWindowBytes)) {
      const auto tag = static_cast<int>(within >> kClusterRankShift);
      shared(tag == 0 ? warp.block().rank() : tag - 1,
             static_cast<uint32_t>(within & ((1u << kClusterRankShift) - 1)));
    } else if (place.may_be_global() && address < kParamWindow) {
      global(address);
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
  const Block& block = warp.block();
  RaceDetector* races = block.residency().races(block);
  GlobalRaces* global = order.device_scope ? warp.launch().global_races.get() : nullptr;
  if (!races && !global) return;
  visit_flags(
      warp, place, addresses, lanes,
      [&](int rank, uint32_t address) {
        if (races)
          races->strong_read(races->agents().warp(block.rank(), warp.index()), rank, address, order.acquires);
      },
      [&](uint64_t address) {
        if (global) global->strong_read(block.number(), address, order.acquires);
      });
}

void order_writes(Warp& warp, const MemoryPlace& place, const LaneAddresses& addresses, LaneMask lanes,
                  const MemoryOrder& order, bool combines) {
  const Block& block = warp.block();
  RaceDetector* races = block.residency().races(block);
  GlobalRaces* global = order.device_scope ? warp.launch().global_races.get() : nullptr;
  if (!races && !global) return;
  visit_flags(
      warp, place, addresses, lanes,
      [&](int rank, uint32_t address) {
        if (races)
          races->strong_write(races->agents().warp(block.rank(), warp.index()), rank, address, order.releases,
                              combines);
      },
      [&](uint64_t address) {
        if (global) global->strong_write(block.number(), address, order.releases, combines);
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
