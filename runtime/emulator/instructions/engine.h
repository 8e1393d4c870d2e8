// engine.h: the engine that makes a warp's bulk and tensor copies: another agent, which sees shared memory through the async
// proxy.
#pragma once
#include <optional>

#include "runtime/emulator/instructions/address_operand.h"
#include "runtime/emulator/instructions/async_state.h"
#include "runtime/emulator/instructions/mbarrier.h"
#include "runtime/emulator/instructions/reduce_bytes.h"

namespace tenon::emulator {

/// One lane's copy. Races are watched as the engine's, in the order in which the warp issued its copies; those that a bulk
/// group counts, out of shared memory, and those that an mbarrier counts have no order among themselves.
class Engine {
 public:
  Engine(Warp& warp, const Op& op, int lane, bool grouped);
  /// What access.h wants to know.
  Access access(AccessKind kind, bool poisoned = false) const;
  /// The copy belongs to the lane's open bulk group.
  void join_group() const { warp_.async().bulk.issue(LaneMask{1} << lane_); }

 private:
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
