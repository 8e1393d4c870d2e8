// mbarrier.cpp: mbarrier.* (PTX ISA 9.0, 9.7.13.15). Lanes act one after the other.
#include "runtime/emulator/instructions/mbarrier.h"

#include <cstring>

#include "llvm/ADT/StringExtras.h"
#include "runtime/emulator/instructions/address_operand.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

constexpr int kMbarrierBytes = 8;

std::string named(uint32_t address) { return "mbarrier 0x" + llvm::utohexstr(address, /*LowerCase=*/true); }

struct MbarrierForm {
  AddressOperand address;
  bool drop = false, no_complete = false, expects_bytes = false;  // arrivals
  bool completes = false;                                         // complete_tx
  bool parity = false;                                            // waits
  bool ordered = true;                                            // not .relaxed
};

const MbarrierForm& form_of(const Op& op) { return *static_cast<const MbarrierForm*>(op.form); }

/// The warp's clock, released at most once an instruction.
class Release {
 public:
  explicit Release(Warp& warp) : warp_(warp), races_(warp.block().residency().races(warp.block())) {}
  void into(Mbarrier& barrier) {
    if (races_ == nullptr) return;
    if (clock_.empty()) clock_ = races_->release(races_->agents().warp(warp_.block().rank(), warp_.index()));
    if (&barrier != last_) RaceDetector::join(barrier.arrivals, clock_);
    last_ = &barrier;
  }

 private:
  Warp& warp_;
  RaceDetector* races_;
  VectorClock clock_;
  const Mbarrier* last_ = nullptr;
};

/// The barrier of one lane; null after a finding.
MbarrierPlace place_of(Warp& warp, const Op& op, const AddressOperand& operand, int lane) {
  const std::optional<uint32_t> address = operand.shared(warp, op, lane);
  return address ? find_mbarrier({warp, op, lane}, *address) : MbarrierPlace{};
}

bool poisoned(const Warp& warp, const Op& op, LaneMask active, int words) {
  LaneMask poison = form_of(op).address.poison(warp, op);
  for (int i = 0; i < words; ++i) poison |= warp.poison(op.words[i]);
  return report_poison(warp, op, poison & active, "an operand of an mbarrier instruction");
}

// Words: count, address.
Outcome run_init(Warp& warp, const Op& op, LaneMask active) {
  if (poisoned(warp, op, active, 1)) return Outcome::kNext;
  for (; active; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const std::optional<uint32_t> address = form_of(op).address.shared(warp, op, lane);
    if (!address) continue;
    const Access access{warp, op, lane, AccessKind::kWrite};
    uint32_t offset = 0;
    Block* block = shared_owner(access, *address, offset);
    const Accessed bytes = access_shared(access, *address, kMbarrierBytes, kMbarrierBytes);
    if (block == nullptr || !bytes) continue;
    if (block->mbarriers.count(offset) != 0)
      report(warp, op, lane, FindingKind::kMbarrier,
             named(*address) + ": initialised while it lives; mbarrier.inval must come between");
    Mbarrier barrier;
    if (const char* fault = barrier.init(warp.lanes<uint32_t>(op.words[0])[lane])) {
      report(warp, op, lane, FindingKind::kMbarrier, named(*address) + ": " + fault);
      continue;
    }
    barrier.fences = block->async_fences;
    const uint64_t mark = Mbarrier::mark(offset);
    std::memcpy(bytes.bytes, &mark, sizeof mark);
    block->mbarriers[offset] = std::move(barrier);
  }
  return Outcome::kNext;
}

// Words: address.
Outcome run_inval(Warp& warp, const Op& op, LaneMask active) {
  if (poisoned(warp, op, active, 0)) return Outcome::kNext;
  for (; active; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const MbarrierPlace place = place_of(warp, op, form_of(op).address, lane);
    if (!place) continue;
    uint32_t offset = 0;
    const Access access{warp, op, lane, AccessKind::kWrite, -1, false, true};
    shared_owner(access, place.address, offset);
    const Accessed bytes = access_shared(access, place.address, kMbarrierBytes, kMbarrierBytes);
    if (bytes) std::memset(bytes.bytes, 0, kMbarrierBytes);
    place.block->mbarriers.erase(offset);
  }
  return Outcome::kNext;
}

// expect_tx and complete_tx. Words: bytes, address.
Outcome run_transactions(Warp& warp, const Op& op, LaneMask active) {
  const MbarrierForm& form = form_of(op);
  if (poisoned(warp, op, active, 1)) return Outcome::kNext;
  for (; active; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const MbarrierPlace place = place_of(warp, op, form.address, lane);
    if (!place) continue;
    const uint32_t phase = place.state->phase, bytes = warp.lanes<uint32_t>(op.words[0])[lane];
    settle({warp, op, lane}, place,
           form.completes ? place.state->complete_bytes(bytes) : place.state->expect_bytes(bytes), phase);
  }
  return Outcome::kNext;
}

void arrive(Warp& warp, const Op& op, int lane, const MbarrierPlace& place, int64_t count) {
  const MbarrierForm& form = form_of(op);
  Mbarrier& barrier = *place.state;
  const uint32_t phase = barrier.phase;
  const char* fault = nullptr;
  if (form.expects_bytes) {  // count is of bytes
    if (barrier.pending < 1) fault = "more arrivals than the phase expects";
    if (!fault) fault = barrier.expect_bytes(count);
    if (!fault) fault = barrier.arrive(1, form.drop);
  } else {
    fault = barrier.arrive(count, form.drop);
    if (!fault && form.no_complete && barrier.phase != phase) fault = "a .noComplete arrival ended the phase";
  }
  settle({warp, op, lane}, place, fault, phase);
}

// Words: state, count (of arrivals or bytes; a constant 1 where none is written), address.
Outcome run_arrive(Warp& warp, const Op& op, LaneMask active) {
  const MbarrierForm& form = form_of(op);
  if (report_poison(warp, op, (form.address.poison(warp, op) | warp.poison(op.words[1])) & active,
                    "an operand of an mbarrier instruction"))
    return Outcome::kNext;
  warp.set_poison(op.words[0], active, 0);
  Release release(warp);
  for (; active; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const MbarrierPlace place = place_of(warp, op, form.address, lane);
    if (!place) continue;
    warp.lanes<uint64_t>(op.words[0])[lane] = place.state->token();
    if (form.ordered) release.into(*place.state);
    arrive(warp, op, lane, place, warp.lanes<uint32_t>(op.words[1])[lane]);
  }
  return Outcome::kNext;
}

bool waits_no_longer(Warp& warp, const Op& op, int lane, const MbarrierPlace& place) {
  const Mbarrier& barrier = *place.state;
  if (form_of(op).parity) return barrier.passed_parity(warp.lanes<uint32_t>(op.words[1])[lane]);
  const uint32_t phase = Mbarrier::token_phase(warp.lanes<uint64_t>(op.words[1])[lane]);
  if (phase != barrier.phase && phase + 1 != barrier.phase)
    report(warp, op, lane, FindingKind::kMbarrier,
           named(place.address) +
               ": waits with a state that is neither of the running phase nor of the one before");
  return phase != barrier.phase;
}

void acquire(Warp& warp, const Mbarrier& barrier) {
  if (RaceDetector* races = warp.block().residency().races(warp.block()))
    races->acquire(races->agents().warp(warp.block().rank(), warp.index()), barrier.completed);
}

// test_wait and try_wait. Words: predicate, state or parity, address. A wait that must go on gives the others their turn.
Outcome run_wait(Warp& warp, const Op& op, LaneMask active) {
  const MbarrierForm& form = form_of(op);
  if (poisoned(warp, op, active, 0) ||
      report_poison(warp, op, warp.poison(op.words[1]) & active, "the phase of an mbarrier's wait")) {
    warp.set_predicate(op.words[0], active, active);
    return Outcome::kNext;
  }
  LaneMask done = 0;
  MbarrierPlace last, blocked;
  for (LaneMask left = active; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const std::optional<uint32_t> address = form.address.shared(warp, op, lane);
    MbarrierPlace place = last;
    if (address && (!last || last.address != *address)) {
      place = find_mbarrier({warp, op, lane}, *address);
      if (place && place.block != &warp.block()) {
        report(warp, op, lane, FindingKind::kMbarrier,
               named(*address) + ": only the threads of its own block may wait for it");
        place = {};
      }
    }
    if (!address || !place) {  // after a finding: go on
      done |= 1u << lane;
      continue;
    }
    const bool passed = waits_no_longer(warp, op, lane, place);
    if (passed) done |= 1u << lane;
    if (!passed) blocked = place;
    if (passed && form.ordered && place.state != last.state) acquire(warp, *place.state);
    last = place;
  }
  warp.set_predicate(op.words[0], active, done);
  if (done == active) return Outcome::kNext;
  warp.waits_for([&] {
    const uint32_t offset = (blocked.address & ((1u << kClusterRankShift) - 1)) - kSharedBase;
    const std::string name = warp.program().name_of_shared(offset);
    return named(blocked.address) + " " + blocked.state->text() + (name.empty() ? "" : ": " + name);
  });
  return Outcome::kYield;
}

// Words: count, state.
Outcome run_pending_count(Warp& warp, const Op& op, LaneMask active) {
  warp.set_poison(op.words[0], active, warp.poison(op.words[1]));
  for (LaneMask left = active; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    warp.lanes<uint32_t>(op.words[0])[lane] =
        Mbarrier::token_pending(warp.lanes<uint64_t>(op.words[1])[lane]);
  }
  return Outcome::kNext;
}

/// .sem and .scope, then the space and .b64. Only .relaxed matters: scopes are not told apart.
ptx::Space accept_semantics(Decoder& d, MbarrierForm& form, bool* cluster = nullptr) {
  form.ordered = d.accept_any({"release", "acquire", "relaxed"}) != "relaxed";
  d.accept_any({"cta", "cluster"});
  ptx::Space space = d.accept_space(cluster);
  if (space != ptx::Space::kGeneric && space != ptx::Space::kShared)
    d.fail("an mbarrier lies in shared memory");
  d.expect_any({"b64"});
  return space;
}

void decode_init(Decoder& d) {
  auto& form = d.form<MbarrierForm>();
  const ptx::Space space = accept_semantics(d, form);
  d.expect_operands(2, 2);
  d.read(1, Type::kU32);
  form.address = AddressOperand::decode(d, d.operand(0), space, 1);
  d.emit(run_init, OpClass::kSync);
}

void decode_inval(Decoder& d) {
  auto& form = d.form<MbarrierForm>();
  const ptx::Space space = accept_semantics(d, form);
  d.expect_operands(1, 1);
  form.address = AddressOperand::decode(d, d.operand(0), space, 0);
  d.emit(run_inval, OpClass::kSync);
}

void decode_transactions(Decoder& d, bool completes) {
  auto& form = d.form<MbarrierForm>();
  form.completes = completes;
  const ptx::Space space = accept_semantics(d, form);
  d.expect_operands(2, 2);
  d.read(1, Type::kU32);
  form.address = AddressOperand::decode(d, d.operand(0), space, 1);
  d.emit(run_transactions, OpClass::kSync);
}

void decode_arrive(Decoder& d, bool drop) {
  auto& form = d.form<MbarrierForm>();
  form.drop = drop;
  form.expects_bytes = d.accept("expect_tx");
  form.no_complete = d.accept("noComplete");
  bool cluster = false;
  const ptx::Space space = accept_semantics(d, form, &cluster);
  const bool counted = form.expects_bytes || form.no_complete;
  d.expect_operands(counted ? 3 : 2, 3);
  if (cluster && d.operand(0).kind != ptx::Operand::kSink)
    d.fail("an arrival on .shared::cluster gives no state", "write _ in its place");
  d.write(0, Type::kB64);
  if (d.operand_count() == 3) {
    d.read(2, Type::kU32);
  } else {
    ptx::Operand one;
    one.kind = ptx::Operand::kNumber;
    one.bits = 1;
    d.read(one, Type::kU32);
  }
  form.address = AddressOperand::decode(d, d.operand(1), space, 2);
  d.emit(run_arrive, OpClass::kSync);
}

void decode_wait(Decoder& d, bool try_wait) {
  auto& form = d.form<MbarrierForm>();
  form.parity = d.accept("parity");
  const ptx::Space space = accept_semantics(d, form);
  d.expect_operands(3, try_wait ? 4 : 3);
  d.write_predicate(d.operand(0));
  d.read(2, form.parity ? Type::kU32 : Type::kB64);
  form.address = AddressOperand::decode(d, d.operand(1), space, 2);
  if (d.operand_count() == 4)
    d.read(3, Type::kU32);  // how long the hardware may suspend the thread: no matter here
  d.emit(run_wait, OpClass::kSync);
}

void decode_pending_count(Decoder& d) {
  d.expect_any({"b64"});
  d.expect_operands(2, 2);
  d.write(0, Type::kU32);
  d.read(1, Type::kB64);
  d.emit(run_pending_count, OpClass::kInteger);
}

}  // namespace

MbarrierPlace find_mbarrier(const Access& access, uint32_t address) {
  auto refuse = [&](const char* why) {
    report(access.warp, access.op, access.lane, FindingKind::kMbarrier, named(address) + ": " + why);
    return MbarrierPlace{};
  };
  uint32_t offset = 0;
  Block* block = shared_owner(access, address, offset);
  if (block == nullptr) return {};
  auto found = block->mbarriers.find(offset);
  if (found == block->mbarriers.end() && offset % kMbarrierBytes == 0)
    return refuse("used, but no mbarrier.init made it");
  // To the race detector a use is a read: uses are ordered by what the barrier is, but none with its init and inval.
  Access use = access;
  use.kind = AccessKind::kRead;
  use.async = use.poisoned = false;
  const Accessed bytes = access_shared(use, address, kMbarrierBytes, kMbarrierBytes);
  if (!bytes) return {};
  uint64_t mark = 0;
  std::memcpy(&mark, bytes.bytes, sizeof mark);
  if (mark != Mbarrier::mark(offset)) return refuse("something else was written over it");
  return {&found->second, block, address};
}

void settle(const Access& access, const MbarrierPlace& place, const char* fault, uint32_t phase_before) {
  if (fault != nullptr)
    report(access.warp, access.op, access.lane, FindingKind::kMbarrier, named(place.address) + ": " + fault,
           {place.state->text()});
  if (place.state->phase != phase_before) place.block->residency().progress();
}

void complete_bytes(const Access& access, const MbarrierPlace& place, int64_t bytes) {
  if (RaceDetector* races = place.block->residency().races(*place.block)) {
    RaceDetector::join(place.state->arrivals, races->release(access.agent));
    if (place.state->fences == place.block->async_fences)
      report(
          access.warp, access.op, access.lane, FindingKind::kProxyFence,
          named(place.address) +
              ": a bulk copy completes on it, but no fence.mbarrier_init or fence.proxy.async followed its "
              "mbarrier.init");
  }
  const uint32_t phase = place.state->phase;
  settle(access, place, place.state->complete_bytes(bytes), phase);
}

void decode_mbarrier(Decoder& d) {
  // arrive first: arrive.expect_tx is an arrival.
  if (d.accept("arrive")) return decode_arrive(d, false);
  if (d.accept("arrive_drop")) return decode_arrive(d, true);
  const llvm::StringRef what =
      d.expect_any({"init", "inval", "expect_tx", "complete_tx", "test_wait", "try_wait", "pending_count"});
  if (what == "init") return decode_init(d);
  if (what == "inval") return decode_inval(d);
  if (what == "pending_count") return decode_pending_count(d);
  if (what == "expect_tx" || what == "complete_tx") return decode_transactions(d, what == "complete_tx");
  decode_wait(d, what == "try_wait");
}

}  // namespace tenon::emulator
