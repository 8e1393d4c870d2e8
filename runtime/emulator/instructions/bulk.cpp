// bulk.cpp: cp.async.bulk and cp.reduce.async.bulk: runs of bytes between global and shared memory and the shared memory of
// the cluster's blocks (PTX ISA 9.0, 9.7.9.25.4).
#include <cstring>

#include "runtime/emulator/instructions/copies.h"
#include "runtime/emulator/instructions/engine.h"

namespace tenon::emulator {
namespace {

using ptx::Space;
using ptx::Type;

constexpr int kAlignment = 16;

struct BulkForm {
  AddressOperand target, source, barrier;
  bool to_global = false, from_global = false;
  bool reduces = false;
  ReduceOp op = ReduceOp::kAdd;
  Type type = Type::kB8;
  bool multicast = false;
};

constexpr int kTargetWord = 1, kSourceWord = 3, kBarrierWord = 5, kMaskWord = 7;  // word 0: how many bytes

bool poisoned(const Warp& warp, const Op& op, const BulkForm& form, LaneMask active) {
  LaneMask poison = form.target.poison(warp, op) | form.source.poison(warp, op) | warp.poison(op.words[0]);
  if (!form.to_global) poison |= form.barrier.poison(warp, op);
  if (form.multicast) poison |= warp.poison(op.words[kMaskWord]);
  return report_poison(warp, op, poison & active, "an operand of a bulk copy");
}

void put(const BulkForm& form, std::byte* target, const std::byte* source, int64_t bytes) {
  if (form.reduces)
    reduce_bytes(form.op, form.type, target, source, bytes);
  else
    std::memmove(target, source, bytes);
}

/// Into the shared memory of one block, with its mbarrier told.
void deliver(const Engine& copy, const BulkForm& form, uint32_t target, uint32_t barrier,
             const Accessed& source, int64_t bytes) {
  const Engine engine = copy.counted_by(barrier);
  const Access write =
      engine.access(form.reduces ? AccessKind::kAtomic : AccessKind::kWrite, !source.initialised);
  const MbarrierPlace place = find_mbarrier(write, barrier);
  uint32_t offset = 0;
  Block* owner = shared_owner(write, target, offset);
  if (place && owner && place.block != owner)
    report(write.warp, write.op, write.lane, FindingKind::kMbarrier,
           "the mbarrier of a bulk copy lies in another block than its target");
  if (bytes != 0 && owner != nullptr)
    if (const Accessed accessed = access_shared(write, target, bytes, kAlignment))
      put(form, accessed.bytes, source.bytes, bytes);
  if (place) complete_bytes(write, place, bytes);
}

void copy_to_shared(Warp& warp, const Op& op, int lane, const BulkForm& form, int64_t bytes) {
  const std::optional<uint32_t> target = form.target.shared(warp, op, lane);
  const std::optional<uint32_t> barrier = form.barrier.shared(warp, op, lane);
  if (!target || !barrier) return;
  const Engine engine(warp, op, lane, *barrier);
  const Access read = engine.access(AccessKind::kRead);
  Accessed source;
  if (bytes != 0 && form.from_global)
    source = access_global(read, form.source.at(warp, op, lane), bytes, kAlignment);
  if (bytes != 0 && !form.from_global) {
    Access own = read;
    own.cluster = false;
    const std::optional<uint32_t> address = form.source.shared(warp, op, lane);
    if (address) source = access_shared(own, *address, bytes, kAlignment);
  }
  if (bytes != 0 && !source) return;
  if (!form.multicast) return deliver(engine, form, *target, *barrier, source, bytes);
  for (uint32_t mask = warp.lanes<uint32_t>(op.words[kMaskWord])[lane] & 0xffff; mask; mask &= mask - 1) {
    const int rank = __builtin_ctz(mask);
    deliver(engine, form, in_block(*target, rank), in_block(*barrier, rank), source, bytes);
  }
}

void copy_to_global(Warp& warp, const Op& op, int lane, const BulkForm& form, int64_t bytes) {
  const std::optional<uint32_t> address = form.source.shared(warp, op, lane);
  if (!address) return;
  const Engine engine(warp, op, lane, std::nullopt);
  engine.join_group();
  if (bytes == 0) return;
  Access read = engine.access(AccessKind::kRead);
  read.cluster = false;
  const Accessed source = access_shared(read, *address, bytes, kAlignment);
  if (!source) return;
  const AccessKind kind = form.reduces ? AccessKind::kAtomic : AccessKind::kWrite;
  const Accessed target = access_global(engine.access(kind, !source.initialised),
                                        form.target.at(warp, op, lane), bytes, kAlignment);
  if (target) put(form, target.bytes, source.bytes, bytes);
}

Outcome run_bulk(Warp& warp, const Op& op, LaneMask active) {
  const BulkForm& form = *static_cast<const BulkForm*>(op.form);
  if (poisoned(warp, op, form, active)) return Outcome::kNext;
  for (; active; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const uint32_t bytes = warp.lanes<uint32_t>(op.words[0])[lane];
    if (bytes % kAlignment != 0)
      report(warp, op, lane, FindingKind::kMisaligned,
             "a bulk copy of " + std::to_string(bytes) + " bytes: no multiple of 16");
    else if (form.to_global)
      copy_to_global(warp, op, lane, form, bytes);
    else
      copy_to_shared(warp, op, lane, form, bytes);
  }
  return Outcome::kNext;
}

// Words: source, bytes. Nothing moves, but a wrong address is wrong.
Outcome run_prefetch(Warp& warp, const Op& op, LaneMask active) {
  const BulkForm& form = *static_cast<const BulkForm*>(op.form);
  report_poison(warp, op, (form.source.poison(warp, op) | warp.poison(op.words[0])) & active,
                "an operand of a bulk prefetch");
  for (; active; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const uint64_t address = form.source.at(warp, op, lane);
    const uint32_t bytes = warp.lanes<uint32_t>(op.words[0])[lane];
    if (address % kAlignment != 0 || bytes % kAlignment != 0)
      report(warp, op, lane, FindingKind::kMisaligned, "a bulk prefetch not aligned to 16 bytes");
  }
  return Outcome::kNext;
}

void decode_prefetch(Decoder& d) {
  auto& form = d.form<BulkForm>();
  d.expect_any({"L2"});
  d.expect_any({"global"});
  const bool hint = d.accept("L2::cache_hint");
  d.expect_operands(hint ? 3 : 2, hint ? 3 : 2);
  d.read(1, Type::kU32);
  form.source = AddressOperand::decode(d, d.operand(0), Space::kGlobal, 1);
  if (hint) d.read(2, Type::kB64);
  d.emit(run_prefetch, OpClass::kMove);
}

/// The type and operation of a reduction: the last modifiers.
void decode_reduction(Decoder& d, BulkForm& form) {
  form.reduces = true;
  form.op = expect_reduce_op(d);
  d.accept("noftz");
  form.type = d.expect_type();
  if (!can_reduce(form.op, form.type)) d.fail("the copy engine has no such reduction for the type");
}

}  // namespace

// [target], [source], bytes {, [mbarrier]} {, mask} {, policy}
void decode_bulk_copy(Decoder& d) {
  const bool reduces = d.accept("reduce");
  d.expect_any({"async"});
  d.expect_any({"bulk"});
  if (!reduces && d.accept("prefetch")) return decode_prefetch(d);
  auto& form = d.form<BulkForm>();
  const bool group = d.accept("bulk_group");
  if (!group) d.expect_any({"mbarrier::complete_tx::bytes"});
  form.to_global = group;
  form.multicast = d.accept("multicast::cluster");
  const bool hint = d.accept("L2::cache_hint");
  if (reduces) decode_reduction(d, form);
  form.from_global = d.accept("global") && !group;
  if (!group) d.expect_any({"shared::cluster", "shared::cta"});
  if (!form.from_global) d.expect_any({"shared::cta"});
  const int operands = 3 + !group + form.multicast + hint;
  d.expect_operands(operands, operands);
  d.read(2, Type::kU32);
  form.target =
      AddressOperand::decode(d, d.operand(0), form.to_global ? Space::kGlobal : Space::kShared, kTargetWord);
  form.source = AddressOperand::decode(d, d.operand(1), form.from_global ? Space::kGlobal : Space::kShared,
                                       kSourceWord);
  if (!group) form.barrier = AddressOperand::decode(d, d.operand(3), Space::kShared, kBarrierWord);
  if (form.multicast) d.read(4, Type::kU16);
  if (hint) d.read(operands - 1, Type::kB64);
  if (form.to_global && reduces) d.mark_global_atomics();
  d.emit(run_bulk, OpClass::kAsyncCopy);
}

}  // namespace tenon::emulator
