// async_state.h: what a warp has started and not yet waited for: copy groups and wgmma groups.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "runtime/emulator/checks/races.h"
#include "runtime/emulator/program/op.h"

namespace tenon::emulator {

/// A committed group of asynchronous work: what its wait acquires, and what is still to be done then (lazy copies).
struct AsyncGroup {
  VectorClock clock;
  std::vector<std::function<void()>> deliveries;
  int64_t operations = 0;
};
/// Groups are per thread; lanes that issue together share them, so they are kept by lane.
struct AsyncGroups {
  AsyncGroup open;                   ///< not yet committed
  std::deque<AsyncGroup> committed;  ///< oldest first
};
/// Registers of a wgmma that may still be written or read by the tensor cores.
struct RegisterInFlight {
  Slot slot = 0;
  const Op* op = nullptr;
  std::vector<uint32_t> before;  ///< of an A operand: its lanes at issue; empty for an accumulator
};
struct WgmmaGroup {
  std::vector<RegisterInFlight> registers;
  VectorClock clock;
  int64_t operations = 0;
};
struct AsyncState {
  std::array<AsyncGroups, kLanes> copies;  ///< cp.async
  std::array<AsyncGroups, kLanes> bulk;    ///< cp.async.bulk's bulk_group
  std::vector<RegisterInFlight> wgmma_open;
  std::deque<WgmmaGroup> wgmma_committed;
};

}  // namespace tenon::emulator
