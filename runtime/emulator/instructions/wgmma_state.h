// wgmma_state.h: a warp's wgmmas that no wait has covered yet, and the registers that they may still write or read.
#pragma once
#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/emulator/checks/races.h"
#include "runtime/emulator/machine/warp.h"

namespace tenon::emulator {

/// wgmma computes when it is issued, but until the wait that covers it nobody may rely on that: its accumulators count as
/// poison, so that whoever reads one early is found by what it does with it; and they and the registers of A must hold at
/// the wait what they held at the issue. Where register rules are not watched, nothing is held.
class WgmmaState {
 public:
  enum class Use : uint8_t { kAccumulator, kOperand };

  /// The lanes of a register that nothing computed, as if everything in flight had landed.
  LaneMask poison(const Warp& warp, Slot slot) const;
  /// Whether a register is an accumulator in flight.
  bool accumulates(Slot slot) const { return in_flight(slot) && flights_[slot].use == Use::kAccumulator; }
  /// A finding where a register in flight has changed since its issue.
  void check_unchanged(const Warp& warp, Slot slot) const;
  /// `op` has computed a register, or reads it; `poison`: what the register's really is.
  void hold(Warp& warp, Slot slot, Use use, const Op& op, LaneMask poison);

  void commit(VectorClock clock);
  /// Completes all groups but the newest `pending`; returns what has happened before they completed (empty for nothing).
  VectorClock wait(Warp& warp, int64_t pending);
  bool fenced = false;  ///< a wgmma.fence was executed

 private:
  struct Flight {
    uint32_t group = 0;  ///< that covers it; 0: not in flight
    Use use = Use::kAccumulator;
    LaneMask poison = 0;
    const Op* op = nullptr;
    std::array<uint32_t, kLanes> value;  ///< at the issue
  };
  bool in_flight(Slot slot) const {
    return static_cast<size_t>(slot) < flights_.size() && flights_[slot].group != 0;
  }

  uint32_t open_ = 1;  ///< the number of the group that is not committed yet
  std::deque<VectorClock> committed_;
  std::vector<Flight> flights_;  ///< by slot
  std::vector<Slot> slots_;      ///< those in flight
};

}  // namespace tenon::emulator
