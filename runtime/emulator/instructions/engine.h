// engine.h: the engine that makes a warp's bulk and tensor copies: another agent, which sees shared memory through the async
// proxy.
#pragma once
#include <optional>

#include "runtime/emulator/instructions/address_operand.h"
#include "runtime/emulator/instructions/async_state.h"
#include "runtime/emulator/instructions/mbarrier.h"
#include "runtime/emulator/instructions/reduce_bytes.h"

namespace tenon::emulator {

/// One lane's copy. To the race detector the copies that one mbarrier counts are an agent, and those of a warp that bulk
/// groups count: the hardware orders no copies but by what is waited for.
class Engine {
 public:
  /// `barrier` : the shared address of the mbarrier that counts the copy; nothing for a copy in a bulk group.
  Engine(Warp& warp, const Op& op, int lane, std::optional<uint32_t> barrier);
  /// The same copy's part that another mbarrier counts.
  Engine counted_by(uint32_t barrier) const;
  /// What access.h wants to know.
  Access access(AccessKind kind, bool poisoned = false) const;
  /// The copy belongs to the lane's open bulk group.
  void join_group() const { warp_.async().bulk.issue(LaneMask{1} << lane_); }

 private:
  Agent agent_of(uint32_t barrier) const;

  Warp& warp_;
  const Op& op_;
  int lane_;
  Agent agent_ = -1;
};

/// The operation of .add and its like.
ReduceOp expect_reduce_op(Decoder& decoder);
/// The same place in block `rank` of the cluster.
uint32_t in_block(uint32_t address, int rank);

}  // namespace tenon::emulator
