// warp.cpp: a warp's storage, and how divergence splits it into groups and joins them again.
#include "runtime/emulator/machine/warp.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "runtime/emulator/instructions/async_state.h"
#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/machine/block.h"

namespace tenon::emulator {
namespace {

// So that what a kernel reads before it wrote is a NaN in every format.
constexpr std::byte kNothing{0xff};

std::string lanes_text(LaneMask lanes) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", lanes);
  return lanes & (lanes - 1) ? std::string("lanes ") + text : "lane " + std::to_string(__builtin_ctz(lanes));
}

}  // namespace

Warp::Warp(Block& block, int index) : block_(block), index_(index) {
  const Program& program = launch().program;
  const int lanes = std::min(kLanes, launch().threads() - index * kLanes);
  existing_ = lanes == kLanes ? kAllLanes : (LaneMask{1} << lanes) - 1;
  pool_ = launch().pool;
  const size_t units = program.register_units, predicates = program.predicates;
  storage_.resize(kUnitBytes + units * (kUnitBytes + sizeof(LaneMask)) + predicates * sizeof(Predicate));
  const auto misaligned = reinterpret_cast<uintptr_t>(storage_.data()) % kUnitBytes;
  file_ = storage_.data() + (misaligned ? kUnitBytes - misaligned : 0);
  poison_ = reinterpret_cast<LaneMask*>(file_ + units * kUnitBytes);
  predicates_ = reinterpret_cast<Predicate*>(poison_ + units);
  groups_.reserve(kLanes);
}

Warp::~Warp() = default;

void Warp::start() {
  const Program& program = launch().program;
  const LaneMask poisoned = launch().options.uninitialised ? kAllLanes : 0;
  std::memset(file_, 0, static_cast<size_t>(program.register_units) * kUnitBytes);
  std::fill_n(poison_, program.register_units, poisoned);
  std::fill_n(predicates_, program.predicates, Predicate{0, poisoned});
  std::fill_n(local_.begin(), local_.size() / 2, kNothing);
  std::fill_n(local_.begin() + local_.size() / 2, local_.size() / 2, std::byte{0});
  std::fill_n(polls, kRemembered, Poll());
  unwritten = {};
  live_ = existing_;
  groups_.clear();
  groups_.emplace_back();
  groups_[0].lanes = existing_;
  current_ = 0;
  clock_ = 0;
  carry = {0, poisoned};
  cluster = {};
  votes = {};
  registers = 0;
  wgmma = nullptr;
  wgmma_in_flight = false;
  async_.reset();
  again_ = explaining_ = false;
  seen_version_ = ~uint64_t{0};
  if (launch().options.one_lane) scatter();
}

Launch& Warp::launch() const { return block_.launch(); }
const Program& Warp::program() const { return launch().program; }
OpMeter& Warp::meter(const Op& op) { return block_.residency().meters()[&op - program().ops.data()]; }

std::byte* Warp::local(int lane, uint32_t offset, int64_t bytes) {
  const int64_t size = program().local_bytes;
  if (bytes < 0 || offset + bytes > size) return nullptr;
  if (local_.empty()) {
    local_.assign(2 * kLanes * size, std::byte{0});
    std::fill_n(local_.begin(), local_.size() / 2, kNothing);
  }
  return local_.data() + lane * size + offset;
}

AsyncState& Warp::async() {
  if (!async_) async_ = std::make_unique<AsyncState>();
  return *async_;
}

// --- groups. The lowest op goes first, those inside calls before their callers, so that lanes that went apart meet where
// their ways join again; in one-lane mode one lane goes as far as it can before the next, in an order that the seed gives.

bool Warp::runs_before(const LaneGroup& a, const LaneGroup& b) const {
  const Options& options = launch().options;
  if (options.one_lane) {
    const int order = options.seed % kLanes;
    return (__builtin_ctz(a.lanes) ^ order) < (__builtin_ctz(b.lanes) ^ order);
  }
  if (a.calls.size() != b.calls.size()) return a.calls.size() > b.calls.size();
  return a.pc < b.pc;
}

bool Warp::pick() {
  constexpr int32_t kNever = INT32_MAX;
  const bool one_lane = launch().options.one_lane;
  if (groups_.size() == 1 && !one_lane) [[likely]] {
    current_ = 0;
    join_ = kNever;
    return groups_[0].parked == Parked::kNo;
  }
  int best = -1;
  for (int i = 0; i < static_cast<int>(groups_.size()); ++i)
    if (groups_[i].parked == Parked::kNo && (best < 0 || runs_before(groups_[i], groups_[best]))) best = i;
  if (best < 0) return false;
  if (one_lane) {
    current_ = best;
    const LaneMask lanes = groups_[best].lanes;
    join_ = lanes & (lanes - 1) ? groups_[best].pc + 1 : kNever;
    return true;
  }
  LaneGroup& group = groups_[best];
  const auto joins = [&](const LaneGroup& other) {
    return &other != &group && other.ticket == 0 && group.ticket == 0 && other.calls == group.calls;
  };
  join_ = kNever;
  for (const LaneGroup& other : groups_) {
    if (!joins(other)) continue;
    if (other.pc == group.pc) group.lanes |= other.lanes;
    if (other.pc > group.pc) join_ = std::min(join_, other.pc);
  }
  const LaneMask lanes = group.lanes;
  const auto joined = [&](const LaneGroup& other) {
    return other.lanes != lanes && (other.lanes & lanes) != 0;
  };
  groups_.erase(std::remove_if(groups_.begin(), groups_.end(), joined), groups_.end());
  for (current_ = 0; groups_[current_].lanes != lanes;) ++current_;
  return true;
}

void Warp::unpark() {
  for (LaneGroup& group : groups_) group.parked = Parked::kNo;
}

void Warp::put_aside(LaneMask waiting, Parked why) {
  LaneGroup& waits = group();
  waits.parked = why;
  if (waits.lanes == waiting) return;
  LaneGroup others;
  others.pc = waits.pc + 1;
  others.lanes = waits.lanes & ~waiting;
  others.calls = waits.calls;
  waits.lanes = waiting;
  groups_.push_back(std::move(others));
}

void Warp::scatter() {
  for (size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].ticket != 0) continue;
    while (groups_[i].lanes & (groups_[i].lanes - 1)) {
      LaneGroup single = groups_[i];
      single.lanes &= -single.lanes;
      groups_[i].lanes ^= single.lanes;
      groups_.push_back(std::move(single));
    }
  }
}

Outcome Warp::split(LaneMask taken, int32_t target) {
  LaneGroup& rest = group();
  if (taken != 0) {
    LaneGroup gone = rest;
    gone.pc = target;
    gone.lanes = taken;
    rest.lanes &= ~taken;
    groups_.push_back(std::move(gone));
  }
  ++rest.pc;
  return Outcome::kMoved;
}

Outcome Warp::exit(LaneMask lanes) {
  live_ &= ~lanes;
  LaneGroup& rest = group();
  rest.lanes &= ~lanes;
  ++rest.pc;
  if (rest.lanes == 0) {
    groups_.erase(groups_.begin() + current_);
    current_ = 0;
  }
  block_.residency().progress();
  block_.residency().end_cluster_phase_when_complete(block_);
  if (live_ == 0) block_.warp_exits(*this);
  return Outcome::kMoved;
}

Outcome Warp::call(LaneMask lanes, int32_t target) {
  const int32_t back = pc() + 1;
  if (lanes == group().lanes) {
    group().pc = target;
    group().calls.push_back(back);
  } else {
    split(lanes, target);
    groups_.back().calls.push_back(back);
  }
  return Outcome::kMoved;
}

Outcome Warp::return_from_call(LaneMask lanes) {
  if (group().calls.empty()) return exit(lanes);
  const int32_t back = group().calls.back();
  const bool all = lanes == group().lanes;
  if (!all) split(lanes, back);
  LaneGroup& returned = all ? group() : groups_.back();
  returned.pc = back;
  returned.calls.pop_back();
  return Outcome::kMoved;
}

bool Warp::gather(const Op& op, LaneMask active, LaneMask members) {
  const LaneMask wanted = members & live_, gone = members & ~live_;
  LaneMask here = active;
  bool others_come = false;
  for (const LaneGroup& other : groups_) {
    if (&other == &group()) continue;
    if (other.parked != Parked::kGathering)
      others_come = true;
    else if (other.pc == group().pc && other.calls == group().calls && (other.lanes & ~wanted) == 0)
      here |= other.lanes;
  }
  const bool complete = (wanted & ~here) == 0;
  if (here != active && (complete || !others_come)) {
    const LaneMask came = here & ~active;
    group().lanes |= came;
    const LaneMask lanes = group().lanes;
    groups_.erase(std::remove_if(groups_.begin(), groups_.end(),
                                 [&](const LaneGroup& other) {
                                   return other.lanes != lanes && (other.lanes & came) != 0;
                                 }),
                  groups_.end());
    for (current_ = 0; groups_[current_].lanes != lanes;) ++current_;
    again_ = true;
    return false;
  }
  if (!complete && others_come) {
    waits_for([&] { return lanes_text(wanted & ~here) + ", which the instruction wants too"; });
    group().parked = Parked::kGathering;
    return false;
  }
  std::vector<std::string> notes;
  if (gone) notes.push_back(lanes_text(gone) + (gone & (gone - 1) ? " have" : " has") + " exited");
  for (const LaneGroup& other : groups_)
    if (&other != &group() && (other.lanes & wanted))
      note_op(notes, program(), program().ops[other.pc], lanes_text(other.lanes) + " at PTX line ");
  report(*this, op, -1, FindingKind::kDivergentCollective,
         "it is executed by " + lanes_text(active) + " but wants " + lanes_text(members), std::move(notes));
  return true;
}

}  // namespace tenon::emulator
