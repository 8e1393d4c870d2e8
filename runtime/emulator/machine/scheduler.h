// scheduler.h: gives the warps of a residency their turns, finds deadlocks, and holds the run loop.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/emulator/machine/block.h"

namespace tenon::emulator {

/// Runs blocks that are resident together, one warp at a time: round robin, or, with a seed, in a random order and with
/// random quanta. One for each host thread; its storage serves one residency after the other.
class Scheduler {
 public:
  explicit Scheduler(Launch& launch);
  /// Runs residency `number` of the grid until all its warps have exited, or until the launch is stopped.
  void run(int64_t number);
  const std::vector<OpMeter>& meters() const { return meters_; }
  uint64_t barrier_waits() const { return residency_.barrier_waits; }

 private:
  /// How a warp's turn ended.
  enum class Turn : uint8_t {
    kRan,      ///< instructions were done
    kPolled,   ///< instructions were done, but as far as one can tell only to poll in vain
    kBlocked,  ///< nothing was done
    kExited,
  };
  void round(bool all);
  Turn turn(Warp& warp);
  Outcome run_group(Warp& warp, int64_t& quantum);
  LaneMask guarded(Warp& warp, const Op& op, LaneMask lanes);
  void spend(int64_t instructions, const Warp& warp);
  void report_deadlock();
  uint64_t random();

  Launch& launch_;
  std::vector<OpMeter> meters_;
  Residency residency_;
  std::vector<Warp*> live_;  // in the order of their turns
  bool active_ = false;      // the round did more than poll in vain
  bool polled_ = false;      // it polled
  uint64_t random_ = 0;
  int64_t quantum_ = 0;    // most instructions of a turn
  uint64_t executed_ = 0;  // not yet told to the launch
  uint64_t tell_ = 0;      // how many to tell at once
};

}  // namespace tenon::emulator
