// global_races.h: vector clocks over global memory: accesses of different blocks of a launch that nothing orders, as a
// hand-made grid barrier without its fence leaves them.
#pragma once
#include <cstdint>
#include <unordered_map>

#include "llvm/ADT/SmallVector.h"
#include "runtime/emulator/checks/flag_order.h"
#include "runtime/emulator/checks/races.h"

namespace tenon::emulator {

struct GlobalRace {
  Agent before = -1;  ///< the block that came first
  int op = -1;        ///< its access
  bool before_writes = false, now_writes = false;
  uint64_t address = 0;  ///< the first byte in common
};

/// Agents are the launch's blocks, by number; what a block's threads do is one thread's work here (shared-memory races
/// are another's matter). Marks are kept by 32-byte sector and exact by byte. For grids of up to some thousand blocks:
/// clocks of blocks that synchronise are as long as the grid.
class GlobalRaces {
 public:
  /// True: no race. `strong`: atomics, and loads and stores of at least the device's scope, which race with weak accesses
  /// alone.
  bool access(Agent agent, uint64_t address, uint32_t bytes, bool writes, bool strong, int op,
              GlobalRace& race);

  void fence(Agent agent) { flags_.fence(*this, agent); }
  void strong_write(Agent agent, uint64_t location, bool releases, bool combines) {
    flags_.write(*this, agent, location, releases, combines);
  }
  void strong_read(Agent agent, uint64_t location, bool acquires) {
    flags_.read(*this, agent, location, acquires);
  }

  VectorClock release(Agent agent);
  void acquire(Agent agent, const VectorClock& clock);
  static void join(VectorClock& into, const VectorClock& clock) { RaceDetector::join(into, clock); }

 private:
  struct Epoch {
    Agent agent;
    uint32_t clock;
    uint32_t bytes;  // of the sector, a bit each
    int32_t op;
    bool strong;
  };
  using Epochs = llvm::SmallVector<Epoch, 1>;
  struct Sector {
    Epochs writes, reads;
  };
  uint32_t now(Agent agent) { return 1 + ticks_[agent]; }
  bool before(const Epoch& epoch, Agent agent) const;
  const Epoch* unordered(const Epochs& epochs, const Epoch& with) const;
  static void note(Epochs& epochs, const Epoch& epoch);

  std::unordered_map<uint64_t, Sector> sectors_;     // by address / 32
  std::unordered_map<Agent, uint32_t> ticks_;        // releases so far
  std::unordered_map<Agent, VectorClock> happened_;  // before an agent's next step; absent: only its own
  FlagOrder<GlobalRaces, Agent, VectorClock> flags_;
};

}  // namespace tenon::emulator
