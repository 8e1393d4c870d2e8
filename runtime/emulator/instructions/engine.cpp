// engine.cpp: see engine.h; and the bulk groups.
#include "runtime/emulator/instructions/engine.h"

#include "llvm/ADT/StringSwitch.h"
#include "runtime/emulator/instructions/copies.h"

namespace tenon::emulator {
namespace {

RaceDetector* races_of(const Warp& warp) { return warp.block().residency().races(warp.block()); }

Outcome run_commit(Warp& warp, const Op&, LaneMask active) {
  RaceDetector* races = races_of(warp);
  warp.async().bulk.commit(
      active,
      races ? races->release(races->agents().stores(warp.block().rank(), warp.index())) : VectorClock{});
  return Outcome::kNext;
}

// Copies are done when they are issued, so .read, which waits for no more than that their sources were read, is the same.
// Words: how many groups may stay.
Outcome run_wait(Warp& warp, const Op& op, LaneMask active) {
  RaceDetector* races = races_of(warp);
  warp.async().bulk.wait(active, op.words[0], [&](const VectorClock& clock) {
    if (races) races->acquire(races->agents().warp(warp.block().rank(), warp.index()), clock);
  });
  return Outcome::kNext;
}

}  // namespace

Engine::Engine(Warp& warp, const Op& op, int lane, std::optional<uint32_t> barrier)
    : warp_(warp), op_(op), lane_(lane) {
  if (RaceDetector* races = races_of(warp)) {
    const Agents& agents = races->agents();
    agent_ = barrier ? agent_of(*barrier) : agents.stores(warp.block().rank(), warp.index());
    races->issue(agent_, agents.warp(warp.block().rank(), warp.index()));
  }
}

Engine Engine::counted_by(uint32_t barrier) const {
  Engine other = *this;
  if (RaceDetector* races = races_of(warp_)) {
    other.agent_ = agent_of(barrier);
    if (other.agent_ != agent_) races->issue(other.agent_, agent_);
  }
  return other;
}

// A block has as many such agents as warps: mbarriers that lie side by side mostly have their own.
Agent Engine::agent_of(uint32_t barrier) const {
  const Agents& agents = races_of(warp_)->agents();
  const int tag = static_cast<int>(barrier >> kClusterRankShift), own = warp_.block().rank();
  const uint32_t slot = (barrier & ((1u << kClusterRankShift) - 1)) / sizeof(uint64_t);
  return agents.loads(tag > 0 && tag <= agents.blocks ? tag - 1 : own, static_cast<int>(slot % agents.warps));
}

Access Engine::access(AccessKind kind, bool poisoned) const {
  Access access{warp_, op_, lane_, kind, agent_, true};
  access.poisoned = poisoned;
  access.returns = false;
  return access;
}

ReduceOp expect_reduce_op(Decoder& d) {
  return llvm::StringSwitch<ReduceOp>(d.expect_any({"add", "min", "max", "inc", "dec", "and", "or", "xor"}))
      .Case("add", ReduceOp::kAdd)
      .Case("min", ReduceOp::kMin)
      .Case("max", ReduceOp::kMax)
      .Case("inc", ReduceOp::kInc)
      .Case("dec", ReduceOp::kDec)
      .Case("and", ReduceOp::kAnd)
      .Case("or", ReduceOp::kOr)
      .Default(ReduceOp::kXor);
}

uint32_t in_block(uint32_t address, int rank) {
  const uint32_t offset = address & ((1u << kClusterRankShift) - 1);
  return static_cast<uint32_t>(rank + 1) << kClusterRankShift | offset;
}

void decode_bulk_group(Decoder& d) {
  d.expect_any({"async"});
  d.expect_any({"bulk"});
  if (d.accept("commit_group")) {
    d.expect_operands(0, 0);
    return d.emit(run_commit, OpClass::kSync);
  }
  d.expect_any({"wait_group"});
  d.accept("read");
  d.expect_operands(1, 1);
  d.number(static_cast<int32_t>(d.immediate(d.operand(0), 0, INT32_MAX)));
  d.emit(run_wait, OpClass::kSync);
}

}  // namespace tenon::emulator
