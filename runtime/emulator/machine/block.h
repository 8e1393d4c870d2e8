// block.h: a thread block at work: warps, shared memory, barriers; and the blocks that are resident together.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/emulator/checks/races.h"
#include "runtime/emulator/machine/launch.h"
#include "runtime/emulator/machine/mbarrier.h"
#include "runtime/emulator/machine/warp.h"

namespace tenon::emulator {

/// What all blocks of a launch share. Immutable while blocks run, but for what says so.
struct Launch {
  const LaunchRequest& request;
  const Program& program;
  const Options& options;
  GlobalMemory& memory;
  Findings findings;                 ///< safe from many threads
  std::vector<std::byte> constants;  ///< Program::constants, aligned for Warp::pool_
  std::atomic<bool> stopped{false};  ///< a trap, a deadlock, the budget: everything ends
};

/// A block's shared memory: its variables, then dynamic memory. Offsets count from kSharedBase.
struct SharedMemory {
  std::vector<std::byte> bytes;
  std::vector<uint64_t> initialised;  ///< one bit a byte
};

/// bar.sync and its kin, by number.
struct NamedBarrier {
  int expected = 0;  ///< threads; 0: nobody is here
  int arrived = 0;
  uint64_t generation = 1;
  std::vector<int> warps;                                     ///< that arrived, for reports and clocks
  uint32_t votes_all = ~0u, votes_any = 0, votes_count = 0;   ///< bar.red: of the running phase
  uint32_t result_all = 0, result_any = 0, result_count = 0;  ///< of the phase before
};

class Residency;

class Block {
 public:
  Block(Residency& residency, int rank, const int (&index)[3]);
  ~Block();
  Launch& launch() const;
  Residency& residency() const { return residency_; }
  int index(int axis) const { return index_[axis]; }
  int rank() const { return rank_; }  ///< in its cluster
  int threads() const;
  std::vector<std::unique_ptr<Warp>> warps;
  SharedMemory shared;
  NamedBarrier barriers[16];
  std::map<uint32_t, Mbarrier> mbarriers;  ///< by offset from kSharedBase: those that were initialised
  bool exited = false;

 private:
  Residency& residency_;
  int rank_;
  int index_[3];
};

/// Blocks that run together and may wait for each other: one block, one cluster, or a cooperative launch's whole grid. Races are
/// watched in each cluster.
class Residency {
 public:
  Residency(Launch& launch, std::vector<OpMeter>& meters);
  ~Residency();
  Launch& launch() const { return launch_; }
  std::vector<OpMeter>& meters() { return meters_; }
  /// Block `rank` of the cluster that `block` is in; null where there is none.
  Block* peer(const Block& block, int rank);
  /// The cluster's detector; null where races are not watched.
  RaceDetector* races(const Block& block);
  /// Something that others may wait for has changed (a barrier, an mbarrier's phase, a store, an exit).
  void progress() { ++version_; }
  uint64_t version() const { return version_; }

 private:
  friend class Scheduler;
  Launch& launch_;
  std::vector<OpMeter>& meters_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::unique_ptr<RaceDetector>> races_;  // by cluster
  uint64_t version_ = 0;
};

}  // namespace tenon::emulator
