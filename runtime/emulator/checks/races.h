// races.h: vector clocks over shared memory: accesses that nothing orders, and generic writes that the async proxy
// reads without a fence. (Flanagan, Freund: FastTrack, PLDI 2009, for the representation of epochs.)
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

namespace tenon::emulator {

/// Who may touch shared memory with no order among themselves, in the blocks of one cluster. For block b of the cluster
/// with `warps` warps: each warp's own loads and stores (generic proxy), each warp's copy engines (cp.async: generic; bulk
/// and tensor copies into shared memory, and those out of it: async proxy), each warpgroup's wgmma engine (async proxy).
using Agent = int32_t;
struct Agents {
  int warps = 1, blocks = 1;
  /// Lanes of a warp run one by one: what they tell each other through shared memory needs bar.warp.sync between.
  bool lanes_apart = false;
  int per_block() const { return 4 * warps + (warps + 3) / 4; }
  int count() const { return blocks * per_block(); }
  Agent warp(int block, int w) const { return block * per_block() + w; }
  Agent copies(int block, int w) const { return block * per_block() + warps + w; }  ///< cp.async
  /// Bulk and tensor copies into shared memory, by the mbarriers that count them.
  Agent loads(int block, int slot) const { return block * per_block() + 2 * warps + slot; }
  Agent stores(int block, int w) const {
    return block * per_block() + 3 * warps + w;
  }  ///< those out of it, which bulk groups count
  Agent wgmma(int block, int group) const { return block * per_block() + 4 * warps + group; }
  bool is_warp(Agent agent) const { return agent % per_block() < warps; }
};

/// By agent: up to which of its steps something has happened before.
using VectorClock = std::vector<uint32_t>;

/// What accesses: an op, as an index in the program, and the lane that issued it.
struct RaceSite {
  int op = -1, lane = -1;
};
struct Race {
  int op_before = -1;  ///< of the program: what the earlier access was
  uint32_t address = 0;
  Agent agent_before = -1, agent_now = -1;
  enum Kind : uint8_t { kWriteWrite, kReadWrite, kWriteRead, kMissingProxyFence } kind = kWriteWrite;
};

/// One for the blocks of a cluster. Bytes are told apart in granules of 4. All ordering that instructions give is told
/// to it.
class RaceDetector {
 public:
  RaceDetector(Agents agents, int64_t shared_bytes);
  ~RaceDetector();
  const Agents& agents() const { return agents_; }
  void reset();  ///< for the next blocks: memory and clocks

  /// An access to block `block`'s shared memory at `address` (relative to kSharedBase). True: no race; otherwise `race`
  /// says which. `async` : through the async proxy. Atomics are ordered among themselves and race with plain accesses.
  bool read(Agent agent, int block, uint32_t address, uint32_t bytes, bool async, RaceSite site, Race& race,
            bool strong = false);  ///< strong: .volatile, .relaxed and above: as atomics are
  bool write(Agent agent, int block, uint32_t address, uint32_t bytes, bool async, RaceSite site, Race& race);
  bool atomic(Agent agent, int block, uint32_t address, uint32_t bytes, RaceSite site, Race& race);

  /// What `agent` has done and seen, to be given to another (an mbarrier's phase, a commit group); its own clock moves on.
  VectorClock release(Agent agent);
  /// `agent` goes on after all of `clock`.
  void acquire(Agent agent, const VectorClock& clock);
  static void join(VectorClock& into, const VectorClock& clock);
  /// A barrier: all go on after all.
  void barrier(const std::vector<Agent>& agents);
  /// An engine starts work that an agent issued: the engine goes on after the issuer's program order so far.
  void issue(Agent engine, Agent issuer);
  /// Order through flags: membar or fence of any scope, strong writes (`combines`: atomics) and strong reads.
  void fence(Agent agent);
  void strong_write(Agent agent, int block, uint32_t address, bool releases, bool combines);
  void strong_read(Agent agent, int block, uint32_t address, bool acquires);
  /// Some agents are about to issue work together, and each of them may be the last or the first to come: the engine goes
  /// on after what all of them know.
  void meet(Agent engine, const std::vector<Agent>& issuers);
  /// bar.warp.sync: the lanes of a warp see what each did before.
  void join_lanes(Agent warp);
  /// fence.proxy.async: generic writes that happened before the fence are visible to the async proxy in what follows it.
  void fence_proxy(Agent agent);

 private:
  struct State;
  Agents agents_;
  std::unique_ptr<State> state_;
};

}  // namespace tenon::emulator
