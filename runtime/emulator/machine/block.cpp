// block.cpp: a block's storage and barriers, and which blocks are resident together.
#include "runtime/emulator/machine/block.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "runtime/emulator/instructions/async_state.h"
#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

constexpr std::byte kNothing{0xff};  // NaN in every format

std::string threads_text(int64_t count) {
  return std::to_string(count) + (count == 1 ? " thread" : " threads");
}

}  // namespace

Block::Block(Residency& residency, int rank, const int (&index)[3]) : residency_(residency), rank_(rank) {
  std::copy_n(index, 3, index_);
  const int count = (launch().threads() + kLanes - 1) / kLanes;
  for (int i = 0; i < count; ++i) warps.push_back(std::make_unique<Warp>(*this, i));
  shared.bytes.resize(launch().shared_bytes());
  shared.initialised.resize((shared.bytes.size() + 63) / 64);
}

Block::~Block() = default;

Launch& Block::launch() const { return residency_.launch(); }
int Block::number() const {
  const int(&grid)[3] = launch().request.grid;
  return index_[0] + grid[0] * (index_[1] + grid[1] * index_[2]);
}

int Block::threads() const { return launch().threads(); }

void Block::start(const int (&index)[3]) {
  std::copy_n(index, 3, index_);
  std::fill(shared.bytes.begin(), shared.bytes.end(), kNothing);
  std::fill(shared.initialised.begin(), shared.initialised.end(), 0);
  for (NamedBarrier& barrier : barriers)
    if (!barrier.idle() || barrier.generation != 1) barrier = NamedBarrier();
  for (Warpgroup& warpgroup : warpgroups) warpgroup.arrived = 0;
  mbarriers.clear();
  async_fences = 0;
  exited = false;
  for (auto& warp : warps) warp->start();
}

uint32_t Block::live_warps() const {
  uint32_t live = 0;
  for (const auto& warp : warps) live |= static_cast<uint32_t>(warp->live() != 0) << warp->index();
  return live;
}

void Block::arrive(int number, Warp& warp, bool waits) {
  NamedBarrier& barrier = barriers[number];
  const uint32_t bit = 1u << warp.index();
  barrier.arrived |= bit;
  barrier.lanes[warp.index()] = 0;
  if (waits) {
    barrier.waiting |= bit;
    ++residency_.barrier_waits;
  } else if (RaceDetector* races = residency_.races(*this)) {
    RaceDetector::join(barrier.clock, races->release(races->agents().warp(rank_, warp.index())));
  }
  end_phase_when_complete(barrier);
}

void Block::end_phase_when_complete(NamedBarrier& barrier) {
  const bool complete = barrier.expected == 0 ? (live_warps() & ~barrier.arrived) == 0
                                              : barrier.arrived_threads() >= barrier.expected;
  if (barrier.idle() || !complete) return;
  std::vector<Agent> agents;
  RaceDetector* races = residency_.races(*this);
  for (uint32_t left = barrier.waiting; left; left &= left - 1) {
    Warp& warp = *warps[__builtin_ctz(left)];
    warp.votes = barrier.votes;
    if (races) agents.push_back(races->agents().warp(rank_, warp.index()));
  }
  if (races) {
    races->barrier(agents);
    if (!barrier.clock.empty())
      for (Agent agent : agents) races->acquire(agent, barrier.clock);
  }
  ++barrier.generation;
  barrier.expected = 0;
  barrier.arrived = barrier.waiting = 0;
  barrier.votes = {};
  barrier.clock.clear();
  residency_.progress();
}

void Block::warp_exits(Warp& warp) {
  for (NamedBarrier& barrier : barriers) end_phase_when_complete(barrier);
  exited = live_warps() == 0;
  if (exited) check_leaks(warp);
}

// Findings about a whole block name its last warp and the kernel's first op.
void Block::check_leaks(const Warp& last) {
  const Op& op = launch().program.ops[0];
  for (size_t i = 0; i < warps.size(); ++i)
    if (warps[i]->registers != warps[i / 4 * 4]->registers)
      report(*warps[i], op, -1, FindingKind::kBarrier,
             "setmaxnreg gave the warps of a warpgroup " + std::to_string(warps[i / 4 * 4]->registers) +
                 " and " + std::to_string(warps[i]->registers) + " registers");
  for (int i = 0; i < kBarriers; ++i)
    if (!barriers[i].idle())
      report(last, op, -1, FindingKind::kLeak,
             "the block ends while " + threads_text(barriers[i].arrived_threads()) + " of " +
                 std::to_string(barriers[i].expected) + " have arrived at barrier " + std::to_string(i));
  for (const auto& [offset, barrier] : mbarriers)
    if (barrier.transactions != 0)
      report(last, op, -1, FindingKind::kLeak,
             "the block ends while the mbarrier at shared address " + std::to_string(offset + kSharedBase) +
                 " wants " + std::to_string(barrier.transactions) + " more bytes of copies");
  for (const auto& warp : warps) {
    if (!warp->async_) continue;
    if (warp->wgmma_in_flight)
      report(*warp, *warp->wgmma, -1, FindingKind::kLeak,
             "the warp ends while this is in flight: it may read shared memory when it is another block's");
    const std::string of = " of warp " + std::to_string(warp->index());
    if (warp->async_->copies.uncommitted())
      report(last, op, -1, FindingKind::kLeak,
             "the block ends with cp.async copies" + of + " that no group was committed for");
    if (warp->async_->bulk.uncommitted() | warp->async_->bulk.pending())
      report(last, op, -1, FindingKind::kLeak,
             "the block ends with bulk copies" + of +
                 " that nothing waited for: they may read shared memory when it is another block's");
  }
}

Residency::Residency(Launch& launch, std::vector<OpMeter>& meters) : launch_(launch), meters_(meters) {
  const LaunchRequest& request = launch.request;
  const int64_t blocks =
      request.cooperative ? int64_t{request.grid[0]} * request.grid[1] * request.grid[2] : launch.cluster();
  const int cluster = launch.cluster();
  const int origin[3] = {0, 0, 0};
  cluster_barriers_.resize(blocks / cluster);
  for (int64_t i = 0; i < blocks; ++i) {
    blocks_.push_back(std::make_unique<Block>(*this, static_cast<int>(i % cluster), origin));
    blocks_.back()->cluster_ = static_cast<int>(i / cluster);
  }
  if (!launch.options.shared_races || launch.shared_bytes() == 0) return;
  const int warps = static_cast<int>(blocks_[0]->warps.size());
  for (int64_t i = 0; i < blocks / cluster; ++i)
    races_.push_back(std::make_unique<RaceDetector>(Agents{warps, cluster, launch.options.one_lane},
                                                    launch.shared_bytes()));
}

Residency::~Residency() = default;

void Residency::start(int64_t number) {
  const LaunchRequest& request = launch_.request;
  const int(&shape)[3] = request.cluster;
  const int64_t across = request.grid[0] / shape[0], down = request.grid[1] / shape[1];
  const int64_t clusters = static_cast<int64_t>(cluster_barriers_.size());
  for (auto& block : blocks_) {
    const int64_t cluster = number * clusters + block->cluster_;
    const int rank = block->rank();
    block->start({static_cast<int>(cluster % across * shape[0]) + rank % shape[0],
                  static_cast<int>(cluster / across % down * shape[1]) + rank / shape[0] % shape[1],
                  static_cast<int>(cluster / (across * down) * shape[2]) + rank / (shape[0] * shape[1])});
  }
  for (auto& races : races_) races->reset();
  cluster_barriers_.assign(cluster_barriers_.size(), {});
}

Block* Residency::peer(const Block& block, int rank) {
  const int cluster = launch_.cluster();
  if (rank < 0 || rank >= cluster) return nullptr;
  return blocks_[static_cast<size_t>(block.cluster_) * cluster + rank].get();
}

RaceDetector* Residency::races(const Block& block) {
  return races_.empty() ? nullptr : races_[block.cluster_].get();
}

void Residency::end_cluster_phase_when_complete(const Block& block) {
  const int cluster = launch_.cluster();
  bool anybody = false;
  for (int rank = 0; rank < cluster; ++rank)
    for (const auto& warp : peer(block, rank)->warps) {
      if (warp->live() & ~warp->cluster.arrived) return;
      anybody |= warp->cluster.arrived != 0;
    }
  if (!anybody) return;
  for (int rank = 0; rank < cluster; ++rank)
    for (const auto& warp : peer(block, rank)->warps) {
      warp->cluster.passed |= warp->cluster.arrived;
      warp->cluster.arrived = 0;
    }
  ClusterBarrier& barrier = cluster_barrier(block);
  barrier.completed = std::move(barrier.arriving);
  barrier.arriving.clear();
  progress();
}

std::string Residency::cluster_wait_text(const Block& block) {
  int arrived = 0, live = 0;
  for (int rank = 0; rank < launch_.cluster(); ++rank)
    for (const auto& warp : peer(block, rank)->warps) {
      arrived += __builtin_popcount(warp->cluster.arrived & warp->live());
      live += __builtin_popcount(warp->live());
    }
  return "its cluster's barrier, where " + std::to_string(arrived) + " of " + threads_text(live) +
         " have arrived";
}

}  // namespace tenon::emulator
