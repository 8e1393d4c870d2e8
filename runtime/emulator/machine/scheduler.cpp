// scheduler.cpp: the run loop, turns and rounds.
//
// A turn runs a warp until all its groups wait or yield, or its quantum is used up. Waits are pure functions of the state: a
// round of all warps in which no instruction is done is a deadlock. Where warps poll (instructions are done, and the poll
// says no), nobody can know; a residency in which nothing changes for many rounds counts as one.
#include "runtime/emulator/machine/scheduler.h"

#include <algorithm>
#include <utility>

#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

// Of a turn, in instructions: long enough that loops of many iterations end in it, since a group that is put aside in the
// middle of one joins the others late; short enough that lanes which spin without a poll are soon overtaken.
constexpr int64_t kQuantum = 1 << 16;
// With a seed: short, so that warps meet in many ways.
constexpr int64_t kRandomQuantum = 64;
constexpr int kIdleRounds = 10'000;
constexpr uint64_t kTell = 1 << 20;

int count(LaneMask lanes) { return lanes == kAllLanes ? kLanes : __builtin_popcount(lanes); }

}  // namespace

Scheduler::Scheduler(Launch& launch)
    : launch_(launch), meters_(launch.program.ops.size()), residency_(launch, meters_) {
  tell_ = std::min(kTell, launch.options.instruction_budget / 16 + 1);
  quantum_ = std::min<int64_t>(kQuantum, tell_);
}

void Scheduler::run(int64_t number) {
  residency_.start(number);
  random_ = launch_.options.seed + static_cast<uint64_t>(number);
  live_.clear();
  for (auto& block : residency_.blocks_)
    for (auto& warp : block->warps) live_.push_back(warp.get());
  for (int idle = 0; !live_.empty() && !launch_.stopped;) {
    round(idle > 0);
    if (active_)
      idle = 0;
    else if (++idle >= (polled_ ? kIdleRounds : 2))
      return report_deadlock();
  }
}

// `all`: also warps that wait and have seen the present state.
void Scheduler::round(bool all) {
  active_ = polled_ = false;
  const uint64_t version = residency_.version();
  if (launch_.options.seed)
    for (size_t i = live_.size(); i > 1; --i) std::swap(live_[i - 1], live_[random() % i]);
  for (Warp*& warp : live_) {
    if (!all && warp->seen_version_ == residency_.version()) continue;
    const Turn ended = turn(*warp);
    active_ |= ended == Turn::kRan || ended == Turn::kExited;
    polled_ |= ended == Turn::kPolled;
    if (ended == Turn::kExited) warp = nullptr;
    if (launch_.stopped) return;
  }
  live_.erase(std::remove(live_.begin(), live_.end(), nullptr), live_.end());
  active_ |= residency_.version() != version;
}

Scheduler::Turn Scheduler::turn(Warp& warp) {
  const bool seeded = launch_.options.seed != 0;
  const int64_t quantum = seeded ? 1 + static_cast<int64_t>(random() % kRandomQuantum) : quantum_;
  int64_t left = quantum, done = 0;
  bool waits = false, yields = false, expired = false;
  uint64_t version = 0;  // when the first group began to wait
  warp.unpark();
  while (!launch_.stopped && warp.pick()) {
    const int64_t before = left;
    const Outcome outcome = run_group(warp, left);
    done += before - left;
    if (outcome == Outcome::kRetry && !std::exchange(warp.again_, false) && !std::exchange(waits, true))
      version = residency_.version();
    yields |= outcome == Outcome::kYield;
    if (launch_.options.one_lane && outcome != Outcome::kRetry) warp.scatter();
    if (left > 0) continue;
    expired = true;
    if (seeded && random() % 8 != 0) break;  // or the warp's other groups have a turn too
    if (!warp.groups_.empty()) warp.group().parked = Parked::kYielded;
    left = quantum;
  }
  spend(done, warp);
  if (warp.groups_.empty()) return Turn::kExited;
  warp.seen_version_ = waits && !yields && !expired ? version : ~uint64_t{0};
  if (done == 0) return Turn::kBlocked;
  return yields && !expired ? Turn::kPolled : Turn::kRan;
}

// The hot loop: the group that pick() chose runs until it meets another, waits, yields or moves to where there is a choice.
// Takes from `quantum` what it did.
Outcome Scheduler::run_group(Warp& warp, int64_t& quantum) {
  const Op* const ops = launch_.program.ops.data();
  OpMeter* const meters = meters_.data();
  const int32_t join = warp.join_;
  LaneGroup* group = &warp.group();
  LaneMask lanes = group->lanes;
  int lane_count = count(lanes);
  int32_t pc = group->pc;
  int64_t left = quantum;
  Outcome outcome = Outcome::kNext;
  do {
    const Op& op = ops[pc];
    LaneMask active = lanes;
    int active_count = lane_count;
    if (op.guard >= 0) {
      active = guarded(warp, op, lanes);
      active_count = count(active);
    }
    OpMeter& meter = meters[pc];
    ++meter.issues;
    meter.lanes += active_count;
    --left;
    if (active == 0) {
      ++pc;
      continue;
    }
    group->pc = pc;
    outcome = op.run(warp, op, active);
    if (outcome == Outcome::kNext) [[likely]] {
      ++pc;
      continue;
    }
    if (outcome == Outcome::kMoved) {
      group = warp.groups_.data();
      if (warp.groups_.size() != 1 || launch_.stopped.load(std::memory_order_relaxed)) break;
      if (group->lanes != lanes) lane_count = count(lanes = group->lanes);
      pc = group->pc;
      outcome = Outcome::kNext;
      continue;
    }
    if (outcome == Outcome::kRetry) {  // it does not count
      --meter.issues;
      meter.lanes -= active_count;
      ++left;
      const Parked why = warp.group().parked;
      if (!warp.again_) warp.put_aside(active, why == Parked::kNo ? Parked::kWaiting : why);
      break;
    }
    ++pc;
    group->parked = Parked::kYielded;
    break;
  } while (pc != join && left > 0);
  if (outcome == Outcome::kNext || outcome == Outcome::kYield) group->pc = pc;
  quantum = left;
  return outcome;
}

LaneMask Scheduler::guarded(Warp& warp, const Op& op, LaneMask lanes) {
  if (const LaneMask poisoned = warp.predicate_poison(op.guard) & lanes) [[unlikely]]
    report_poison(warp, op, poisoned, "a guard");
  return lanes & warp.predicate(op.guard);
}

void Scheduler::spend(int64_t instructions, const Warp& warp) {
  executed_ += static_cast<uint64_t>(instructions);
  if (executed_ < tell_) return;
  const uint64_t budget = launch_.options.instruction_budget;
  const uint64_t all = launch_.executed.fetch_add(executed_) + executed_;
  executed_ = 0;
  if (all <= budget || warp.groups_.empty() || launch_.stopped.exchange(true)) return;
  report(
      warp, launch_.program.ops[warp.pc()], -1, FindingKind::kBudget,
      "the launch has run more than " + std::to_string(budget) + " warp instructions: does a loop not end?");
}

uint64_t Scheduler::random() {  // splitmix64
  uint64_t z = random_ += 0x9e3779b97f4a7c15ull;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ z >> 27) * 0x94d049bb133111ebull;
  return z ^ z >> 31;
}

}  // namespace tenon::emulator
