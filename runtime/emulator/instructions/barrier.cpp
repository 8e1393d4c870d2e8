// barrier.cpp: barriers of a block, of a warp and of a cluster, and what else waits: nanosleep, griddepcontrol, setmaxnreg
// (PTX ISA 9.0, 9.7.13.1 to 9.7.13.4, 9.7.19).
#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

// --- bar, barrier: a block's sixteen barriers. Warps arrive as wholes: lanes wait for the rest of their warp, then the warp for
// others. A group that has arrived holds the phase's generation as its ticket.

enum class Votes : uint8_t { kNone, kCount, kAll, kAny };
struct BarrierForm {
  bool waits = true;    ///< false: bar.arrive
  bool aligned = true;  ///< all lanes of the warp come together
  bool counted = false;
  Votes votes = Votes::kNone;
};
// Words: barrier, threads if counted, then for votes: the predicate, the result.
int predicate_word(const BarrierForm& form) { return 1 + form.counted; }

const BarrierForm& form_of(const Op& op) { return *static_cast<const BarrierForm*>(op.form); }

void misused(const Warp& warp, const Op& op, std::string message) {
  report(warp, op, -1, FindingKind::kBarrier, std::move(message));
}

/// The one value that all `active` lanes have; a finding where they differ or nothing wrote them.
uint32_t uniform(Warp& warp, const Op& op, LaneMask active, Slot slot, const char* what) {
  report_poison(warp, op, warp.poison(slot) & active, what);
  const uint32_t* values = warp.lanes<uint32_t>(slot);
  const uint32_t value = values[__builtin_ctz(active)];
  for (LaneMask left = active; left; left &= left - 1)
    if (values[__builtin_ctz(left)] != value) {
      misused(warp, op, std::string(what) + " differs between the lanes of a warp");
      break;
    }
  return value;
}

/// Threads that make a phase complete; 0, for the form without a count, means all that have not exited.
int threads_wanted(const Block& block, int expected) {
  return expected ? expected : __builtin_popcount(block.live_warps()) * kLanes;
}

/// Null where `threads` is a count that barrier `number` may be used with now.
std::string count_problem(const Block& block, int number, uint32_t threads, bool counted, bool waits) {
  const uint32_t all = static_cast<uint32_t>(block.warps.size()) * kLanes;
  const std::string count = std::to_string(threads);
  if (counted && threads % kLanes) return "a barrier of " + count + " threads, which is no multiple of 32";
  if (counted && threads == 0)
    return waits ? "a barrier of no threads" : "an arrival at a barrier of no threads";
  if (threads > all) return "a barrier of " + count + " threads in a block of " + std::to_string(all);
  const NamedBarrier& barrier = block.barriers[number];
  const auto full = [&](uint32_t expected) { return expected ? expected : all; };
  if (!barrier.idle() && full(barrier.expected) != full(threads))
    return "barrier " + std::to_string(number) + " is used with " + std::to_string(full(threads)) +
           " threads, but those that have arrived wait for " + std::to_string(full(barrier.expected));
  return {};
}

void vote(Warp& warp, const Op& op, LaneMask active, BarrierVotes& votes) {
  const PredicateSlot slot = op.words[predicate_word(form_of(op))];
  report_poison(warp, op, warp.predicate_poison(slot) & active, "the predicate of a barrier");
  const LaneMask yes = warp.predicate(slot) & active;
  votes.count += static_cast<uint32_t>(__builtin_popcount(yes));
  votes.all &= yes == active;
  votes.any |= yes != 0;
}

void give_votes(Warp& warp, const Op& op, LaneMask active) {
  const BarrierForm& form = form_of(op);
  const int32_t result = op.words[predicate_word(form) + 1];
  const BarrierVotes& votes = warp.votes;
  if (form.votes != Votes::kCount) {
    const bool value = form.votes == Votes::kAll ? votes.all : votes.any;
    warp.set_predicate(result, active, value ? kAllLanes : 0);
    return;
  }
  uint32_t* lanes = warp.lanes<uint32_t>(result);
  for (LaneMask left = active; left; left &= left - 1) lanes[__builtin_ctz(left)] = votes.count;
  warp.set_poison(result, active, 0);
}

/// The lanes come to the barrier; false, with a finding, where they may not.
bool come(Warp& warp, const Op& op, LaneMask active, uint32_t number) {
  const BarrierForm& form = form_of(op);
  Block& block = warp.block();
  if (number >= kBarriers) {
    misused(warp, op, "barrier " + std::to_string(number) + "; a block has 0 to 15");
    return false;
  }
  NamedBarrier& barrier = block.barriers[number];
  const uint32_t threads =
      form.counted ? uniform(warp, op, active, op.words[1], "a barrier's thread count") : 0;
  std::string problem = count_problem(block, static_cast<int>(number), threads, form.counted, form.waits);
  if (barrier.arrived >> warp.index() & 1)
    problem = "a warp arrives twice in one phase of barrier " + std::to_string(number);
  if (!problem.empty()) {
    misused(warp, op, std::move(problem));
    return false;
  }
  if (barrier.idle()) barrier.expected = static_cast<int>(threads);
  if (form.votes != Votes::kNone) vote(warp, op, active, barrier.votes);
  barrier.lanes[warp.index()] |= active;
  warp.group().ticket = barrier.generation;
  return true;
}

std::string wait_text(const Warp& warp, const NamedBarrier& barrier, uint32_t number) {
  const std::string name = "barrier " + std::to_string(number);
  if (!(barrier.arrived >> warp.index() & 1))
    return name + ", which other lanes of its warp have not reached";
  return name + ", where " + std::to_string(barrier.arrived_threads()) + " of " +
         std::to_string(threads_wanted(warp.block(), barrier.expected)) + " threads have arrived";
}

Outcome run_barrier(Warp& warp, const Op& op, LaneMask active) {
  const BarrierForm& form = form_of(op);
  if (form.aligned && warp.group().ticket == 0 && !warp.converge(op, active, warp.live()))
    return Outcome::kRetry;
  const uint32_t number = uniform(warp, op, active, op.words[0], "a barrier's number");
  if (warp.group().ticket == 0 && !come(warp, op, active, number)) return Outcome::kNext;
  Block& block = warp.block();
  NamedBarrier& barrier = block.barriers[number];
  LaneGroup& group = warp.group();
  const auto has_arrived = [&] { return (barrier.lanes[warp.index()] & active) == 0; };
  if (!has_arrived()) {
    group.ticket = barrier.generation;  // a phase that ended before the whole warp came was not this one
    if (form.aligned || (warp.live() & ~barrier.lanes[warp.index()]) == 0)
      block.arrive(static_cast<int>(number), warp, form.waits);
  }
  if (form.waits ? barrier.generation == group.ticket : !has_arrived()) {
    warp.waits_for([&] { return wait_text(warp, barrier, number); });
    return Outcome::kRetry;
  }
  group.ticket = 0;
  if (form.votes != Votes::kNone) give_votes(warp, op, active);
  return Outcome::kNext;
}

Outcome run_warp_barrier(Warp& warp, const Op& op, LaneMask active) {
  const Slot slot = op.words[0];
  report_poison(warp, op, warp.poison(slot) & active, "a member mask");
  const uint32_t* masks = warp.lanes<uint32_t>(slot);
  LaneMask members = 0, strangers = 0;
  for (LaneMask left = active; left; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    members |= masks[lane];
    strangers |= ~masks[lane] & (1u << lane);
  }
  if (!warp.converge(op, active, members)) return Outcome::kRetry;
  if (strangers)
    report(warp, op, __builtin_ctz(strangers), FindingKind::kDivergentCollective,
           "a lane executes bar.warp.sync whose member mask leaves it out");
  const Block& block = warp.block();
  if (RaceDetector* races = block.residency().races(block))
    races->join_lanes(races->agents().warp(block.rank(), warp.index()));
  return Outcome::kNext;
}

// --- barrier.cluster: counted by lanes; arriving and waiting are two instructions.

struct ClusterForm {
  bool aligned = false, relaxed = false;
};

/// To global memory's detector a cluster's barrier is a flag of the cluster's first block, at no address.
uint64_t cluster_flag(const Block& block) {
  return 1ull << 63 | static_cast<uint64_t>(block.residency().peer(block, 0)->number());
}

Outcome run_cluster_arrive(Warp& warp, const Op& op, LaneMask active) {
  const auto& form = *static_cast<const ClusterForm*>(op.form);
  if (form.aligned && !warp.converge(op, active, warp.live())) return Outcome::kRetry;
  if ((warp.cluster.arrived | warp.cluster.passed) & active) {
    misused(warp, op, "a thread arrives twice at its cluster's barrier with no wait between");
    return Outcome::kNext;
  }
  const Block& block = warp.block();
  Residency& residency = block.residency();
  RaceDetector* races = residency.races(block);
  if (races && !form.relaxed)
    RaceDetector::join(residency.cluster_barrier(block).arriving,
                       races->release(races->agents().warp(block.rank(), warp.index())));
  if (GlobalRaces* global = residency.launch().global_races.get(); global && !form.relaxed)
    global->strong_write(block.number(), cluster_flag(block), true, true);
  warp.cluster.arrived |= active;
  residency.end_cluster_phase_when_complete(block);
  return Outcome::kNext;
}

Outcome run_cluster_wait(Warp& warp, const Op& op, LaneMask active) {
  const auto& form = *static_cast<const ClusterForm*>(op.form);
  if (form.aligned && !warp.converge(op, active, warp.live())) return Outcome::kRetry;
  if (active & ~(warp.cluster.arrived | warp.cluster.passed)) {
    misused(warp, op, "a thread waits at its cluster's barrier where it has not arrived");
    return Outcome::kNext;
  }
  const Block& block = warp.block();
  Residency& residency = block.residency();
  if (active & ~warp.cluster.passed) {
    warp.waits_for([&] { return residency.cluster_wait_text(block); });
    return Outcome::kRetry;
  }
  warp.cluster.passed &= ~active;
  ++residency.barrier_waits;
  if (RaceDetector* races = residency.races(block))
    races->acquire(races->agents().warp(block.rank(), warp.index()),
                   residency.cluster_barrier(block).completed);
  if (GlobalRaces* global = residency.launch().global_races.get())
    global->strong_read(block.number(), cluster_flag(block), true);
  return Outcome::kNext;
}

// --- the rest

Outcome run_sleep(Warp&, const Op&, LaneMask) { return Outcome::kYield; }
Outcome run_nothing(Warp&, const Op&, LaneMask) { return Outcome::kNext; }

struct RegistersForm {
  bool more = false;
  int registers = 0;
};
constexpr int kRegistersOfBlock = 64 * 1024;

Outcome run_set_registers(Warp& warp, const Op& op, LaneMask active) {
  const auto& form = *static_cast<const RegistersForm*>(op.form);
  if (!warp.converge(op, active, warp.live())) return Outcome::kRetry;
  const std::string to = std::to_string(form.registers), from = std::to_string(warp.registers);
  if (warp.registers && (form.more ? form.registers < warp.registers : form.registers > warp.registers))
    misused(warp, op,
            std::string("setmaxnreg.") + (form.more ? "inc" : "dec") + " from " + from + " to " + to);
  warp.registers = form.registers;
  int all = 0;
  for (const auto& each : warp.block().warps) all += each->registers * kLanes;
  if (all > kRegistersOfBlock)
    misused(warp, op,
            "the block's warps have been given " + std::to_string(all) + " registers; there are " +
                std::to_string(kRegistersOfBlock));
  return Outcome::kNext;
}

// --- decoding

void decode_cluster(Decoder& decoder) {
  const bool arrives = decoder.expect_any({"arrive", "wait"}) == "arrive";
  auto& form = decoder.form<ClusterForm>();
  if (arrives)
    form.relaxed = decoder.accept_any({"release", "relaxed"}) == "relaxed";
  else
    decoder.accept("acquire");
  form.aligned = decoder.accept("aligned");
  decoder.expect_operands(0, 0);
  decoder.emit(arrives ? run_cluster_arrive : run_cluster_wait, OpClass::kSync);
}

/// `aligned`: of bar, which always is.
void decode_cta(Decoder& decoder, bool aligned) {
  auto& form = decoder.form<BarrierForm>();
  decoder.accept("cta");
  const llvm::StringRef action = decoder.expect_any({"sync", "arrive", "red"});
  form.aligned = decoder.accept("aligned") || aligned;
  form.waits = action != "arrive";
  int number = 0, count = 1, end = decoder.operand_count();
  if (action == "red") {
    const llvm::StringRef operation = decoder.expect_any({"popc", "and", "or"});
    form.votes = operation == "popc" ? Votes::kCount : operation == "and" ? Votes::kAll : Votes::kAny;
    decoder.expect_any({operation == "popc" ? "u32" : "pred"});
    decoder.expect_operands(3, 4);
    number = 1, count = 2, --end;
  } else {
    decoder.expect_operands(form.waits ? 1 : 2, 2);
  }
  form.counted = count < end;
  decoder.read(number, Type::kU32);
  if (form.counted) decoder.read(count, Type::kU32);
  if (form.votes != Votes::kNone) {
    decoder.read_predicate(decoder.operand(end));
    if (form.votes == Votes::kCount)
      decoder.write(0, Type::kU32);
    else
      decoder.write_predicate(decoder.operand(0));
  }
  decoder.emit(run_barrier, OpClass::kSync);
}

void decode_bar(Decoder& decoder) {
  if (!decoder.accept("warp")) return decode_cta(decoder, true);
  decoder.expect_any({"sync"});
  decoder.expect_operands(1, 1);
  decoder.read(0, Type::kU32);
  decoder.emit(run_warp_barrier, OpClass::kSync);
}

void decode_barrier(Decoder& decoder) {
  return decoder.accept("cluster") ? decode_cluster(decoder) : decode_cta(decoder, false);
}

void decode_sleep(Decoder& decoder) {
  decoder.expect_any({"u32"});
  decoder.expect_operands(1, 1);
  decoder.read(0, Type::kU32);
  decoder.emit(run_sleep, OpClass::kSync);
}

// Launches run one after the other: there is never anything to wait for.
void decode_dependents(Decoder& decoder) {
  decoder.expect_any({"launch_dependents", "wait"});
  decoder.expect_operands(0, 0);
  decoder.emit(run_nothing, OpClass::kSync);
}

void decode_set_registers(Decoder& decoder) {
  auto& form = decoder.form<RegistersForm>();
  form.more = decoder.expect_any({"inc", "dec"}) == "inc";
  decoder.expect_any({"sync"});
  decoder.expect_any({"aligned"});
  decoder.expect_any({"u32"});
  decoder.expect_operands(1, 1);
  form.registers = static_cast<int>(decoder.immediate(decoder.operand(0), 24, 256));
  if (form.registers % 8) decoder.fail("the number of registers must be a multiple of 8");
  decoder.emit(run_set_registers, OpClass::kSync);
}

constexpr OpcodeEntry kOpcodes[] = {{"bar", decode_bar},
                                    {"barrier", decode_barrier},
                                    {"nanosleep", decode_sleep},
                                    {"griddepcontrol", decode_dependents},
                                    {"setmaxnreg", decode_set_registers}};

}  // namespace

OpcodeTable barrier_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
