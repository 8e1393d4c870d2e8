// warp.cpp: what the lanes of a warp tell each other: shfl, vote, match, redux, activemask, elect (PTX ISA 9.0, 9.7.9.6,
// 9.7.13.9 to 9.7.13.12).
//
// Each names the lanes that take part in a member mask and waits in Warp::converge until they are together. Lanes that
// name different masks form collectives of their own.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/machine/access.h"
#include "runtime/simd.h"

namespace tenon::emulator {
namespace {

template <class Body>
void for_each_lane(LaneMask lanes, Body body) {
  for (; lanes != 0; lanes &= lanes - 1) body(std::countr_zero(lanes));
}

/// The lanes of `active` that name the same members as its lowest lane.
LaneMask same_members(const uint32_t* masks, LaneMask active) {
  uint32_t first = masks[std::countr_zero(active)], other = 0;
  for (int lane = 0; lane < kLanes; ++lane) other |= masks[lane] ^ first;
  if (other == 0) return active;
  LaneMask same = 0;
  for (int lane = 0; lane < kLanes; ++lane) same |= LaneMask{masks[lane] == first} << lane;
  return same & active;
}

void report_stranger(Warp& warp, const Op& op, LaneMask strangers) {
  report(warp, op, std::countr_zero(strangers), FindingKind::kDivergentCollective,
         "a lane executes a collective whose member mask leaves it out");
}

/// Waits for the members that `active` name, then runs body(lanes, mask) for each set of lanes that name one mask.
template <class Body>
Outcome collective(Warp& warp, const Op& op, LaneMask active, Slot members, Body body) {
  if (LaneMask bad = warp.poison(members) & active; bad != 0 && report_poison(warp, op, bad, "a member mask"))
    return Outcome::kNext;
  const uint32_t* masks = warp.lanes<uint32_t>(members);
  for (LaneMask rest = active; rest != 0;) {
    LaneMask lanes = same_members(masks, rest);
    if (!warp.converge(op, active, masks[std::countr_zero(lanes)])) return Outcome::kRetry;
    rest &= ~lanes;
  }
  for (LaneMask rest = active; rest != 0;) {
    LaneMask lanes = same_members(masks, rest);
    uint32_t mask = masks[std::countr_zero(lanes)];
    rest &= ~lanes;
    if ((lanes & ~mask) != 0) report_stranger(warp, op, lanes & ~mask);
    body(lanes, mask);
  }
  return Outcome::kNext;
}

// --- shfl.sync: words: to, whether a lane was in range, from, lane or distance, clamp and segments, members

enum class Shuffle { kUp, kDown, kButterfly, kIndex };

/// The lane that `lane` reads; `valid` says whether it lies in the segment (else the lane reads itself).
template <Shuffle kMode>
int source_lane(int lane, uint32_t b, uint32_t c, bool& valid) {
  int distance = static_cast<int>(b & 31), segment = static_cast<int>(c >> 8 & 31);
  int clamp = static_cast<int>(c & 31);
  int least = lane & segment, most = least | (clamp & ~segment);
  int from = kMode == Shuffle::kUp          ? lane - distance
             : kMode == Shuffle::kDown      ? lane + distance
             : kMode == Shuffle::kButterfly ? lane ^ distance
                                            : least | (distance & ~segment);
  valid = kMode == Shuffle::kUp ? from >= most : from <= most;
  return valid ? from : lane;
}

template <Shuffle kMode>
void shuffle_lanes(Warp& warp, const int32_t* w, LaneMask lanes) {
  std::array<uint32_t, kLanes> values;
  std::memcpy(values.data(), warp.lanes<uint32_t>(w[2]), sizeof(values));
  const uint32_t *b = warp.lanes<uint32_t>(w[3]), *c = warp.lanes<uint32_t>(w[4]);
  std::array<uint32_t, kLanes> result;
  std::array<uint32_t, kLanes> from;
  LaneMask in_range = 0;
  for (int lane = 0; lane < kLanes; ++lane) {
    bool valid;
    int source = source_lane<kMode>(lane, b[lane], c[lane], valid) & 31;
    in_range |= LaneMask{valid} << lane;
    from[lane] = static_cast<uint32_t>(source);
    result[lane] = values[source];
  }
  // What a lane outside the collective holds is not this one's to read.
  LaneMask unknown = warp.poison(w[2]) | ~lanes, poisoned = 0;
  if (unknown != 0)
    for (int lane = 0; lane < kLanes; ++lane) poisoned |= (unknown >> from[lane] & 1u) << lane;
  uint32_t* to = warp.lanes<uint32_t>(w[0]);
  if (lanes == kAllLanes)
    std::memcpy(to, result.data(), sizeof(result));
  else
    for_each_lane(lanes, [&](int lane) { to[lane] = result[lane]; });
  warp.set_poison(w[0], lanes, poisoned);
  if (w[1] >= 0) warp.set_predicate(w[1], lanes, in_range);
}

template <Shuffle kMode>
struct RunShuffle {
  static Outcome run(Warp& warp, const Op& op, LaneMask active) {
    const int32_t* w = op.words;
    LaneMask bad = (warp.poison(w[3]) | warp.poison(w[4])) & active;
    if (bad != 0) report_poison(warp, op, bad, "the lane of a shuffle");
    return collective(warp, op, active, w[5],
                      [&](LaneMask lanes, uint32_t) { shuffle_lanes<kMode>(warp, w, lanes); });
  }
};

/// d or d|p: a word for each, -1 for a predicate that is not there.
void write_with_predicate(Decoder& d, const ptx::Operand& operand, ptx::Type type) {
  bool pair = operand.kind == ptx::Operand::kPair;
  if (pair && operand.elements.size() != 2) d.fail("expected a register and a predicate");
  d.write(pair ? operand.elements[0] : operand, type);
  if (pair)
    d.write_predicate(operand.elements[1]);
  else
    d.number(-1);
}

void decode_shuffle(Decoder& d) {
  if (!d.accept("sync")) d.fail("shfl without .sync is not of this architecture");
  llvm::StringRef mode = d.expect_any({"up", "down", "bfly", "idx"});
  if (!d.accept("b32")) d.fail("shfl moves .b32");
  d.expect_operands(5, 5);
  write_with_predicate(d, d.operand(0), ptx::Type::kB32);
  d.read(1, ptx::Type::kB32);
  for (int i = 2; i < 5; ++i) d.read(i, ptx::Type::kU32);
  d.emit(mode == "up"     ? versioned<RunShuffle<Shuffle::kUp>>()
         : mode == "down" ? versioned<RunShuffle<Shuffle::kDown>>()
         : mode == "bfly" ? versioned<RunShuffle<Shuffle::kButterfly>>()
                          : versioned<RunShuffle<Shuffle::kIndex>>(),
         OpClass::kShuffle);
}

// --- vote.sync: words: to, predicate, members

enum class Vote { kAll, kAny, kUniform, kBallot };

template <Vote kMode>
Outcome run_vote(Warp& warp, const Op& op, LaneMask active) {
  const int32_t* w = op.words;
  if (LaneMask bad = warp.predicate_poison(w[1]) & active; bad != 0) report_poison(warp, op, bad, "a vote");
  return collective(warp, op, active, w[2], [&](LaneMask lanes, uint32_t) {
    LaneMask votes = warp.predicate(w[1]) & lanes;
    if constexpr (kMode == Vote::kBallot) {
      uint32_t* to = warp.lanes<uint32_t>(w[0]);
      for_each_lane(lanes, [&](int lane) { to[lane] = votes; });
      warp.set_poison(w[0], lanes, 0);
    } else {
      bool result = kMode == Vote::kAll   ? votes == lanes
                    : kMode == Vote::kAny ? votes != 0
                                          : votes == 0 || votes == lanes;
      warp.set_predicate(w[0], lanes, result ? kAllLanes : 0);
    }
  });
}

void decode_vote(Decoder& d) {
  if (!d.accept("sync")) d.fail("vote without .sync is not of this architecture");
  llvm::StringRef mode = d.expect_any({"all", "any", "uni", "ballot"});
  d.expect_operands(3, 3);
  if (mode == "ballot") {
    if (!d.accept("b32")) d.fail("vote.ballot gives .b32");
    d.write(0, ptx::Type::kB32);
  } else {
    if (!d.accept("pred")) d.fail("vote gives .pred");
    d.write_predicate(d.operand(0));
  }
  d.read_predicate(d.operand(1));
  d.read(2, ptx::Type::kU32);
  d.emit(mode == "all"   ? run_vote<Vote::kAll>
         : mode == "any" ? run_vote<Vote::kAny>
         : mode == "uni" ? run_vote<Vote::kUniform>
                         : run_vote<Vote::kBallot>,
         OpClass::kShuffle);
}

// --- match.sync: words: to, predicate (all), value, members

template <class T, bool kAll>
Outcome run_match(Warp& warp, const Op& op, LaneMask active) {
  const int32_t* w = op.words;
  if (LaneMask bad = warp.poison(w[2]) & active; bad != 0) report_poison(warp, op, bad, "a match");
  return collective(warp, op, active, w[3], [&](LaneMask lanes, uint32_t) {
    std::array<T, kLanes> values;
    std::memcpy(values.data(), warp.lanes<T>(w[2]), sizeof(values));
    uint32_t* to = warp.lanes<uint32_t>(w[0]);
    LaneMask all_equal = kAllLanes;
    for_each_lane(lanes, [&](int lane) {
      LaneMask equal = 0;
      for (int other = 0; other < kLanes; ++other) equal |= LaneMask{values[other] == values[lane]} << other;
      equal &= lanes;
      if (equal != lanes) all_equal = 0;
      if (!kAll) to[lane] = equal;
    });
    if (kAll) for_each_lane(lanes, [&](int lane) { to[lane] = lanes & all_equal; });
    warp.set_poison(w[0], lanes, 0);
    if (kAll && w[1] >= 0) warp.set_predicate(w[1], lanes, all_equal);
  });
}

void decode_match(Decoder& d) {
  bool all = d.expect_any({"any", "all"}) == "all";
  if (!d.accept("sync")) d.fail("match without .sync does not exist");
  bool wide = d.expect_any({"b32", "b64"}) == "b64";
  d.expect_operands(3, 3);
  if (!all && d.operand(0).kind == ptx::Operand::kPair) d.fail("match.any gives no predicate");
  write_with_predicate(d, d.operand(0), ptx::Type::kB32);
  d.read(1, wide ? ptx::Type::kB64 : ptx::Type::kB32);
  d.read(2, ptx::Type::kU32);
  d.emit(all ? (wide ? run_match<uint64_t, true> : run_match<uint32_t, true>)
             : (wide ? run_match<uint64_t, false> : run_match<uint32_t, false>),
         OpClass::kShuffle);
}

// --- redux.sync: words: to, from, members

struct Add {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a + b; }
};
template <class T>
struct Least {
  T operator()(T a, T b) const { return std::min(a, b); }
};
template <class T>
struct Most {
  T operator()(T a, T b) const { return std::max(a, b); }
};
struct And {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a & b; }
};
struct Or {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a | b; }
};
struct Xor {
  uint32_t operator()(uint32_t a, uint32_t b) const { return a ^ b; }
};
/// min or max of floats as the instruction min has it: a NaN gives way to a number unless kNan; -0 < +0.
template <bool kMost, bool kMagnitude, bool kNan>
struct FloatBound {
  float operator()(float a, float b) const {
    if (kMagnitude) a = std::fabs(a), b = std::fabs(b);
    if (std::isnan(a) || std::isnan(b)) {
      bool keep_nan = kNan || (std::isnan(a) && std::isnan(b));
      return keep_nan ? std::bit_cast<float>(0x7fffffffu) : std::isnan(a) ? b : a;
    }
    if (a == b) return std::signbit(a) == kMost ? b : a;
    return (a < b) == kMost ? b : a;
  }
};

template <class T, class Combine>
Outcome run_redux(Warp& warp, const Op& op, LaneMask active) {
  const int32_t* w = op.words;
  if (LaneMask bad = warp.poison(w[1]) & active; bad != 0) report_poison(warp, op, bad, "a reduction");
  return collective(warp, op, active, w[2], [&](LaneMask lanes, uint32_t) {
    const T* from = warp.lanes<T>(w[1]);
    T result = from[std::countr_zero(lanes)];
    // The first lane joins itself where that changes something: the magnitude of a lone value.
    if constexpr (std::is_same_v<T, float>) result = Combine()(result, result);
    for_each_lane(lanes & (lanes - 1), [&](int lane) { result = Combine()(result, from[lane]); });
    T* to = warp.lanes<T>(w[0]);
    for_each_lane(lanes, [&](int lane) { to[lane] = result; });
    warp.set_poison(w[0], lanes, 0);
  });
}

template <bool kMost>
Handler float_redux(bool magnitude, bool nan) {
  return magnitude ? (nan ? run_redux<float, FloatBound<kMost, true, true>>
                          : run_redux<float, FloatBound<kMost, true, false>>)
                   : (nan ? run_redux<float, FloatBound<kMost, false, true>>
                          : run_redux<float, FloatBound<kMost, false, false>>);
}

Handler redux_handler(Decoder& d, llvm::StringRef operation, ptx::Type type) {
  bool ordered = operation == "min" || operation == "max";
  switch (type) {
    case ptx::Type::kB32:
      if (operation == "and") return run_redux<uint32_t, And>;
      if (operation == "or") return run_redux<uint32_t, Or>;
      if (operation == "xor") return run_redux<uint32_t, Xor>;
      break;
    case ptx::Type::kU32:
    case ptx::Type::kS32: {
      bool is_signed = type == ptx::Type::kS32;
      if (operation == "add") return run_redux<uint32_t, Add>;
      if (operation == "min")
        return is_signed ? run_redux<int32_t, Least<int32_t>> : run_redux<uint32_t, Least<uint32_t>>;
      if (operation == "max")
        return is_signed ? run_redux<int32_t, Most<int32_t>> : run_redux<uint32_t, Most<uint32_t>>;
      break;
    }
    case ptx::Type::kF32:
      if (d.target_arch() < 100) d.fail("redux of .f32 needs sm_100 or newer");
      if (ordered) {
        bool magnitude = d.accept("abs"), nan = d.accept("NaN");
        return operation == "min" ? float_redux<false>(magnitude, nan) : float_redux<true>(magnitude, nan);
      }
      break;
    default: break;
  }
  d.fail("redux." + operation.str() + " does not take ." + ptx::name(type).str());
}

void decode_redux(Decoder& d) {
  if (!d.accept("sync")) d.fail("redux without .sync does not exist");
  llvm::StringRef operation = d.expect_any({"add", "min", "max", "and", "or", "xor"});
  ptx::Type type = d.expect_type();
  Handler handler = redux_handler(d, operation, type);
  d.expect_operands(3, 3);
  d.write(0, type);
  d.read(1, type);
  d.read(2, ptx::Type::kU32);
  d.emit(handler, OpClass::kShuffle);
}

// --- activemask: words: to

Outcome run_activemask(Warp& warp, const Op& op, LaneMask active) {
  uint32_t* to = warp.lanes<uint32_t>(op.words[0]);
  for_each_lane(active, [&](int lane) { to[lane] = active; });
  warp.set_poison(op.words[0], active, 0);
  return Outcome::kNext;
}

void decode_activemask(Decoder& d) {
  if (!d.accept("b32")) d.fail("activemask gives .b32");
  d.expect_operands(1, 1);
  d.write(0, ptx::Type::kB32);
  d.emit(run_activemask, OpClass::kShuffle);
}

// --- elect.sync: words: to, predicate, members

Outcome run_elect(Warp& warp, const Op& op, LaneMask active) {
  const int32_t* w = op.words;
  return collective(warp, op, active, w[2], [&](LaneMask lanes, uint32_t) {
    int leader = std::countr_zero(lanes);
    uint32_t* to = warp.lanes<uint32_t>(w[0]);
    for_each_lane(lanes, [&](int lane) { to[lane] = static_cast<uint32_t>(leader); });
    warp.set_poison(w[0], lanes, 0);
    warp.set_predicate(w[1], lanes, LaneMask{1} << leader);
  });
}

void decode_elect(Decoder& d) {
  if (!d.accept("sync")) d.fail("elect without .sync does not exist");
  if (d.target_arch() < 90) d.fail("elect.sync needs sm_90 or newer");
  d.expect_operands(2, 2);
  if (d.operand(0).kind != ptx::Operand::kPair) d.fail("elect.sync gives a register and a predicate: d|p");
  write_with_predicate(d, d.operand(0), ptx::Type::kB32);
  d.read(1, ptx::Type::kU32);
  d.emit(run_elect, OpClass::kShuffle);
}

constexpr OpcodeEntry kOpcodes[] = {
    {"shfl", decode_shuffle}, {"vote", decode_vote},   {"match", decode_match},
    {"redux", decode_redux},  {"elect", decode_elect}, {"activemask", decode_activemask},
};

}  // namespace

OpcodeTable warp_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
