// block.h: a thread block at work: warps, shared memory, barriers; and the blocks that are resident together.
#pragma once
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/emulator/checks/global_races.h"
#include "runtime/emulator/checks/races.h"
#include "runtime/emulator/machine/launch.h"
#include "runtime/emulator/machine/mbarrier.h"
#include "runtime/emulator/machine/warp.h"

namespace tenon::emulator {

/// What all blocks of a launch share. Immutable while blocks run, but for what says so.
struct Launch {
  Launch(const LaunchRequest& request, const Options& options, GlobalMemory& memory);
  const LaunchRequest& request;
  const Program& program;
  const Options& options;
  GlobalMemory& memory;
  Findings findings;                 ///< safe from many threads
  std::vector<std::byte> constants;  ///< what `pool` points into
  const std::byte* pool = nullptr;   ///< Program::constants, aligned to 128 bytes
  std::unique_ptr<GlobalRaces>
      global_races;                   ///< null where they are not watched; then blocks run in one host thread
  std::atomic<bool> stopped{false};   ///< a trap, a deadlock, the budget: everything ends
  std::atomic<uint64_t> executed{0};  ///< warp instructions, as far as host threads have told
  int threads() const { return request.block[0] * request.block[1] * request.block[2]; }  ///< of a block
  int cluster() const {
    return request.cluster[0] * request.cluster[1] * request.cluster[2];
  }                              ///< its blocks
  int64_t shared_bytes() const;  ///< of a block
};

/// A block's shared memory: its variables, then dynamic memory. Offsets count from kSharedBase.
struct SharedMemory {
  std::vector<std::byte> bytes;
  std::vector<uint64_t> initialised;  ///< one bit a byte
};

constexpr int kBarriers = 16;  ///< of a block

/// bar.sync and its kin, by number. Warps arrive as wholes, once all their live lanes have come; a phase ends when
/// enough warps have arrived, and `generation` counts the phases.
struct NamedBarrier {
  uint64_t generation = 1;
  int expected = 0;         ///< threads of the running phase; 0: those of all warps that have not exited
  uint32_t arrived = 0;     ///< warps, one bit each
  uint32_t waiting = 0;     ///< of them, those that do not go on before the phase ends
  BarrierVotes votes;       ///< of the running phase
  VectorClock clock;        ///< what bar.arrive released in it
  LaneMask lanes[32] = {};  ///< by warp that has not arrived: lanes that wait for the rest
  bool idle() const { return arrived == 0; }
  int arrived_threads() const { return __builtin_popcount(arrived) * kLanes; }
};

/// Four aligned warps at a wgmma.mma_async: the last to come multiplies for all, then all go on.
struct Warpgroup {
  uint64_t generation = 1;  ///< counts the meetings
  uint32_t arrived = 0;     ///< warps, one bit each
  const Op* op = nullptr;   ///< what they arrived at
};
constexpr int kWarpgroupWarps = 4, kWarpgroups = 8;  ///< of a block

/// barrier.cluster's clocks; who has arrived is in Warp::cluster.
struct ClusterBarrier {
  VectorClock arriving, completed;
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
  int number() const;                 ///< in the grid, x first
  int threads() const;
  std::vector<std::unique_ptr<Warp>> warps;
  SharedMemory shared;
  NamedBarrier barriers[kBarriers];
  Warpgroup warpgroups[kWarpgroups];
  uint64_t async_fences = 0;  ///< fences that let the async proxy see an mbarrier.init before them
  std::map<uint32_t, Mbarrier> mbarriers;  ///< by offset from kSharedBase: those that were initialised
  bool exited = false;
  uint32_t live_warps() const;  ///< one bit each

  /// `warp` arrives at a barrier; `waits`: it goes on when the phase ends (which may be now).
  void arrive(int barrier, Warp& warp, bool waits);

 private:
  friend class Residency;
  friend class Scheduler;
  friend class Warp;
  void start(const int (&index)[3]);  // another block of the grid in the same storage
  void warp_exits(Warp& warp);
  void end_phase_when_complete(NamedBarrier& barrier);
  void check_leaks(const Warp& last);

  Residency& residency_;
  int rank_;
  int index_[3];
  int cluster_ = 0;  // of the residency's
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
  /// barrier.cluster: the phase of `block`'s cluster ends where all its live lanes have arrived (Warp::cluster).
  void end_cluster_phase_when_complete(const Block& block);
  std::string cluster_wait_text(
      const Block& block);  ///< "its cluster's barrier, where 64 of 128 threads have arrived"
  ClusterBarrier& cluster_barrier(const Block& block) { return cluster_barriers_[block.cluster_]; }
  uint64_t barrier_waits = 0;  ///< for Meter

 private:
  friend class Scheduler;
  void start(int64_t number);  // the number-th of the grid in the same storage
  Launch& launch_;
  std::vector<OpMeter>& meters_;
  std::vector<std::unique_ptr<Block>> blocks_;
  std::vector<std::unique_ptr<RaceDetector>> races_;  // by cluster
  std::vector<ClusterBarrier> cluster_barriers_;      // by cluster
  uint64_t version_ = 0;
};

}  // namespace tenon::emulator
