// cp_async.cpp: cp.async, the copies of sm_80 from global to shared memory (PTX ISA 9.0, 9.7.9.25.3).
//
// Bytes move when the copy is issued, or, with Options::lazy_copies, when a wait covers them: a kernel that reads before its
// wait then reads what was there before. Checks are made at the issue in both.
#include <algorithm>
#include <cstring>

#include "runtime/emulator/instructions/address_operand.h"
#include "runtime/emulator/instructions/async_state.h"
#include "runtime/emulator/instructions/copies.h"
#include "runtime/emulator/instructions/mbarrier.h"

namespace tenon::emulator {
namespace {

using ptx::Space;
using ptx::Type;

struct CopyForm {
  AddressOperand target, source;
  int bytes = 0;
  enum Least : uint8_t { kAll, kSourceBytes, kIgnore } least = kAll;  // what the last word limits
};

Agent engine_of(const Warp& warp, const RaceDetector& races) {
  return races.agents().copies(warp.block().rank(), warp.index());
}
Agent agent_of(const Warp& warp, const RaceDetector& races) {
  return races.agents().warp(warp.block().rank(), warp.index());
}
RaceDetector* races_of(const Warp& warp) { return warp.block().residency().races(warp.block()); }

bool poisoned(const Warp& warp, const Op& op, LaneMask active, const CopyForm& form) {
  LaneMask poison = form.target.poison(warp, op) | form.source.poison(warp, op);
  if (form.least == CopyForm::kSourceBytes) poison |= warp.poison(op.words[4]);
  if (form.least == CopyForm::kIgnore) poison |= warp.predicate_poison(op.words[4]);
  return report_poison(warp, op, poison & active, "an operand of cp.async");
}

/// How many bytes each lane reads; the rest of its target becomes zero. Returns the lanes that go on: not those with a
/// finding.
LaneMask source_bytes(const Warp& warp, const Op& op, const CopyForm& form, LaneMask active,
                      uint8_t (&wanted)[kLanes]) {
  std::fill_n(wanted, kLanes, static_cast<uint8_t>(form.bytes));
  if (form.least == CopyForm::kAll) return active;
  if (form.least == CopyForm::kIgnore) {
    for (LaneMask left = warp.predicate(op.words[4]); left; left &= left - 1) wanted[__builtin_ctz(left)] = 0;
    return active;
  }
  const uint32_t* bytes = warp.lanes<uint32_t>(op.words[4]);
  LaneMask good = active;
  for (LaneMask left = active; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    wanted[lane] = static_cast<uint8_t>(bytes[lane]);
    if (bytes[lane] <= static_cast<uint32_t>(form.bytes)) continue;
    good &= ~(1u << lane);
    report(warp, op, lane, FindingKind::kOutOfBounds,
           "src-size " + std::to_string(bytes[lane]) + " exceeds cp-size " + std::to_string(form.bytes));
  }
  return good;
}

/// Lanes that read all their bytes go to memory together, those that read a part alone, and those that read nothing not
/// at all.
void access_source(Warp& warp, const Op& op, const CopyForm& form, LaneMask active,
                   const uint8_t (&wanted)[kLanes], LaneBytes& source) {
  LaneAddresses addresses;
  LaneMask whole = 0, part = 0, none = 0;
  for (LaneMask left = active; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    addresses[lane] = form.source.at(warp, op, lane);
    (wanted[lane] == form.bytes ? whole : wanted[lane] ? part : none) |= 1u << lane;
  }
  if (whole)
    access_lanes({warp, op}, whole, Space::kGlobal, addresses, form.bytes, 0, source);
  else
    source.lanes = source.uninitialised = 0;
  for (; part; part &= part - 1) {
    const int lane = __builtin_ctz(part);
    const Accessed accessed = access_global({warp, op, lane}, addresses[lane], wanted[lane], form.bytes);
    if (!accessed) continue;
    source.lanes |= 1u << lane;
    if (!accessed.initialised) source.uninitialised |= 1u << lane;
    source.at[lane] = accessed.bytes;
  }
  for (; none; none &= none - 1) {
    const int lane = __builtin_ctz(none);
    source.lanes |= 1u << lane;
    source.at[lane] = nullptr;
  }
}

template <int kBytes>
void move(LaneMask lanes, const LaneBytes& source, const LaneBytes& target, const uint8_t (&wanted)[kLanes]) {
  for (; lanes; lanes &= lanes - 1) {
    const int lane = __builtin_ctz(lanes);
    if (wanted[lane] == kBytes)
      std::memcpy(target.at[lane], source.at[lane], kBytes);
    else
      Delivery{target.at[lane], source.at[lane], 0, kBytes, wanted[lane]}.perform();
  }
}

// Words: target, source, then what `least` says.
Outcome run_copy(Warp& warp, const Op& op, LaneMask active) {
  const CopyForm& form = *static_cast<const CopyForm*>(op.form);
  if (poisoned(warp, op, active, form)) return Outcome::kNext;
  CopyGroups& groups = warp.async().copies;
  groups.issue(active);
  Access write{warp, op, 0, AccessKind::kWrite};
  write.cluster = false;
  if (RaceDetector* races = races_of(warp)) {
    write.agent = engine_of(warp, *races);
    races->issue(write.agent, agent_of(warp, *races));
  }
  uint8_t wanted[kLanes];
  LaneBytes source, target;
  access_source(warp, op, form, source_bytes(warp, op, form, active, wanted), wanted, source);
  LaneAddresses addresses;
  for (LaneMask left = source.lanes; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    addresses[lane] = form.target.at(warp, op, lane);
  }
  if (source.lanes == 0) return Outcome::kNext;
  access_lanes(write, source.lanes, Space::kShared, addresses, form.bytes, source.uninitialised, target);
  if (!warp.launch().options.lazy_copies) {
    if (form.bytes == 16) move<16>(target.lanes, source, target, wanted);
    if (form.bytes == 8) move<8>(target.lanes, source, target, wanted);
    if (form.bytes == 4) move<4>(target.lanes, source, target, wanted);
    return Outcome::kNext;
  }
  for (LaneMask left = target.lanes; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    groups.issue(Delivery{target.at[lane], source.at[lane], static_cast<uint8_t>(lane),
                          static_cast<uint8_t>(form.bytes), wanted[lane]});
  }
  return Outcome::kNext;
}

Outcome run_commit(Warp& warp, const Op&, LaneMask active) {
  RaceDetector* races = races_of(warp);
  warp.async().copies.commit(active, races ? races->release(engine_of(warp, *races)) : VectorClock{});
  return Outcome::kNext;
}

// Words: how many groups may stay.
Outcome run_wait(Warp& warp, const Op& op, LaneMask active) {
  RaceDetector* races = races_of(warp);
  warp.async().copies.wait(active, op.words[0], [&](const VectorClock& clock) {
    if (races) races->acquire(agent_of(warp, *races), clock);
  });
  return Outcome::kNext;
}

Outcome run_wait_all(Warp& warp, const Op& op, LaneMask active) {
  run_commit(warp, op, active);
  return run_wait(warp, op, active);
}

struct ArriveForm {
  AddressOperand address;
  bool foreseen = false;  // .noinc: the barrier's count includes these arrivals
};

// The copies of a lane are complete at once (lazy ones now), so its arrival follows in the same step. Words: address.
Outcome run_arrive(Warp& warp, const Op& op, LaneMask active) {
  const ArriveForm& form = *static_cast<const ArriveForm*>(op.form);
  if (report_poison(warp, op, form.address.poison(warp, op) & active, "the address of an mbarrier"))
    return Outcome::kNext;
  warp.async().copies.deliver(active);
  RaceDetector* races = races_of(warp);
  const VectorClock clock = races ? races->release(engine_of(warp, *races)) : VectorClock{};
  for (; active; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const Access access{warp, op, lane};
    const std::optional<uint32_t> address = form.address.shared(warp, op, lane);
    const MbarrierPlace place = address ? find_mbarrier(access, *address) : MbarrierPlace{};
    if (!place) continue;
    const uint32_t phase = place.state->phase;
    RaceDetector::join(place.state->arrivals, clock);
    const char* fault = form.foreseen ? nullptr : place.state->expect_arrivals(1);
    settle(access, place, fault ? fault : place.state->arrive(1), phase);
  }
  return Outcome::kNext;
}

void decode_arrive(Decoder& d) {
  d.expect_any({"arrive"});
  auto& form = d.form<ArriveForm>();
  form.foreseen = d.accept("noinc");
  const Space space = d.accept_space();
  d.expect_any({"b64"});
  d.expect_operands(1, 1);
  form.address = AddressOperand::decode(d, d.operand(0), space, 0);
  d.emit(run_arrive, OpClass::kSync);
}

bool is_predicate(const Decoder& d, const ptx::Operand& operand) {
  return operand.kind == ptx::Operand::kRegister && d.function().registers[operand.index].type == Type::kPred;
}

void decode_copy(Decoder& d) {
  const bool bypasses_l1 = d.expect_any({"ca", "cg"}) == "cg";
  const bool hint = d.accept("L2::cache_hint");
  d.accept_prefix("L2::");  // how much to prefetch
  auto& form = d.form<CopyForm>();
  d.expect_any({"shared", "shared::cta"});
  d.expect_any({"global"});
  d.expect_operands(hint ? 4 : 3, hint ? 5 : 4);
  form.bytes = static_cast<int>(d.immediate(d.operand(2), 4, 16));
  if (form.bytes != 16 && (bypasses_l1 || (form.bytes != 4 && form.bytes != 8)))
    d.fail("cp.async copies 4, 8 or 16 bytes, .cg only 16");
  form.target = AddressOperand::decode(d, d.operand(0), Space::kShared, 0);
  form.source = AddressOperand::decode(d, d.operand(1), Space::kGlobal, 2);
  const int extra = d.operand_count() - (hint ? 1 : 0);
  if (extra == 4 && is_predicate(d, d.operand(3))) {
    form.least = CopyForm::kIgnore;
    d.read_predicate(d.operand(3));
  } else if (extra == 4) {
    form.least = CopyForm::kSourceBytes;
    d.read(3, Type::kU32);
  }
  if (hint) d.read(d.operand_count() - 1, Type::kB64);
  d.emit(run_copy, OpClass::kAsyncCopy);
}

}  // namespace

void decode_cp_async(Decoder& d) {
  d.expect_any({"async"});
  if (d.accept("mbarrier")) return decode_arrive(d);
  if (d.accept("commit_group")) {
    d.expect_operands(0, 0);
    return d.emit(run_commit, OpClass::kSync);
  }
  const llvm::StringRef wait = d.accept_any({"wait_group", "wait_all"});
  if (wait.empty()) return decode_copy(d);
  const bool all = wait == "wait_all";
  d.expect_operands(all ? 0 : 1, all ? 0 : 1);
  d.number(all ? 0 : static_cast<int32_t>(d.immediate(d.operand(0), 0, INT32_MAX)));
  d.emit(all ? run_wait_all : run_wait, OpClass::kSync);
}

}  // namespace tenon::emulator
