// lane_access.cpp: the lanes of a warp's access, resolved, checked, marked and metered together.
#include <algorithm>

#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/machine/access_checks.h"
#include "runtime/emulator/machine/coalescing.h"
#include "runtime/simd.h"

namespace tenon::emulator {
namespace {

using Offsets = int64_t[kLanes];

/// A warp's access while it is resolved. Lanes are taken in groups that one piece of memory holds: mostly there is one.
struct Together {
  Access access;
  int bytes;
  LaneMask poisoned;
  LaneBytes& result;
  bool metered = true;  ///< constant memory has a cache of its own, which moves no sectors

  Access of(int lane) const {
    Access one = access;
    one.lane = lane;
    one.poisoned = poisoned >> lane & 1;
    return one;
  }
  bool reads() const { return access.kind != AccessKind::kWrite; }
  int used_bytes() const { return access.used_bytes > 0 ? std::min(access.used_bytes, bytes) : bytes; }
  bool writes() const { return access.kind != AccessKind::kRead; }
};

template <class Each>
void for_lanes(LaneMask lanes, Each each) {
  if (lanes == kAllLanes) {  // a constant count: for the CPU's vectors
    for (int i = 0; i < kLanes; ++i) each(i);
    return;
  }
  for (; lanes != 0; lanes &= lanes - 1) each(__builtin_ctz(lanes));
}

/// All 32 lanes side by side?
bool side_by_side(const LaneAddresses& addresses, int bytes) {
  uint64_t different = 0;
  const int shift = __builtin_ctz(bytes);
  for (int i = 0; i < kLanes; ++i)
    different |= addresses[i] ^ (addresses[0] + (static_cast<uint64_t>(i) << shift));
  return different == 0;
}

/// Of a group: the bytes from its lowest to its highest.
struct Span {
  int64_t low, high;
};
Span span_of(const Offsets& offsets, LaneMask lanes, int bytes) {
  Span span{INT64_MAX, INT64_MIN};
  for_lanes(lanes, [&](int i) {
    span.low = std::min(span.low, offsets[i]);
    span.high = std::max(span.high, offsets[i] + bytes);
  });
  return span;
}

/// Calls each(first, begin, end) for every run of lanes side by side: its first lane, its bytes.
template <class Each>
void for_runs(const Offsets& offsets, LaneMask lanes, int bytes, Each each) {
  int64_t begin = 0, end = -1;
  int first = 0;
  for_lanes(lanes, [&](int i) {
    if (offsets[i] >= begin && offsets[i] + bytes <= end) return;
    if (offsets[i] == end) {
      end += bytes;
      return;
    }
    if (end > begin) each(first, begin, end);
    begin = offsets[i];
    end = begin + bytes;
    first = i;
  });
  if (end > begin) each(first, begin, end);
}

/// A short span of which every byte is valid: what most accesses find.
bool all_valid(const uint64_t* valid, Span span) {
  constexpr int64_t kShort = 2048;
  return span.high - span.low <= kShort && all_bits(valid, span.low, span.high - span.low);
}

/// Lanes of a group with bytes that nothing wrote.
LaneMask unwritten(const uint64_t* valid, const Offsets& offsets, LaneMask lanes, int bytes, Span span) {
  if (all_valid(valid, span)) return 0;
  LaneMask missing = 0;
  for_lanes(lanes, [&](int i) {
    if (!all_bits(valid, offsets[i], bytes)) missing |= 1u << i;
  });
  return missing;
}

void mark_lanes(uint64_t* valid, const Offsets& offsets, LaneMask lanes, const Together& t, Span span) {
  if (t.poisoned == 0 && all_valid(valid, span)) return;
  if (t.poisoned == 0 && t.result.contiguous) return set_bits(valid, span.low, span.high - span.low);
  if (t.poisoned == 0)
    return for_runs(offsets, lanes, t.bytes,
                    [&](int, int64_t begin, int64_t end) { set_bits(valid, begin, end - begin); });
  for_lanes(lanes, [&](int i) { mark_validity(valid, offsets[i], t.bytes, t.poisoned >> i & 1); });
}

// --- Global memory

void mark_sectors(Allocation& allocation, const Offsets& offsets, LaneMask lanes, const Together& t,
                  Span span) {
  if (t.result.contiguous) {
    mark_global(t.access, allocation, span.low, span.high - span.low);
    meter_global(t.access, static_cast<uint64_t>(t.bytes) * kLanes,
                 (span.high - 1) / kSectorBytes - span.low / kSectorBytes + 1);
    return;
  }
  Sectors sectors;
  distinct_sectors(offsets, lanes, sectors);
  for_runs(offsets, lanes, t.bytes,
           [&](int, int64_t begin, int64_t end) { mark_global(t.access, allocation, begin, end - begin); });
  meter_global(t.access, static_cast<uint64_t>(t.bytes) * __builtin_popcount(lanes), sectors.count);
}

/// What watches the contents: validity, the constant path, poison that goes out.
void check_contents(Allocation& allocation, const Offsets& offsets, LaneMask lanes, const Together& t,
                    Span span) {
  uint64_t* valid = allocation.initialised.words();
  if (t.reads() && watches_uninitialised(t.access)) {
    const LaneMask missing = unwritten(valid, offsets, lanes, t.used_bytes(), span);
    t.result.uninitialised |= missing;
    if (missing != 0 && t.access.kind == AccessKind::kAtomic && t.access.combines) {
      const int lane = __builtin_ctz(missing);
      report_unwritten_atomic(
          t.of(lane), t.access.warp.launch().memory.describe(allocation.address + offsets[lane], t.bytes),
          t.bytes);
    }
  }
  if (t.access.constant_path && allocation.touched.load(std::memory_order_relaxed) &&
      allocation.written.any(span.low, span.high - span.low))
    for_lanes(lanes, [&](int i) { check_constant_path(t.of(i), allocation, offsets[i], t.bytes); });
  if (!t.writes()) return;
  if (LaneMask bad = t.poisoned & lanes)
    report_poisoned_store(t.of(__builtin_ctz(bad)), allocation.address + offsets[__builtin_ctz(bad)],
                          t.bytes);
  mark_lanes(valid, offsets, lanes, t, span);
}

/// Tells the detector of races between blocks.
void check_global_races(const LaneAddresses& addresses, LaneMask lanes, const Together& t) {
  if (!t.access.warp.launch().global_races) return;
  if (t.result.contiguous) return check_global_race(t.of(0), addresses[0], int64_t{t.bytes} * kLanes);
  for_lanes(lanes, [&](int i) { check_global_race(t.of(i), addresses[i], t.bytes); });
}

void take_global(Allocation& allocation, const LaneAddresses& addresses, LaneMask lanes, const Together& t) {
  Offsets offsets;
  for (int i = 0; i < kLanes; ++i) offsets[i] = static_cast<int64_t>(addresses[i] - allocation.address);
  std::byte* base = allocation.storage.get();
  for_lanes(lanes, [&](int i) { t.result.at[i] = base + offsets[i]; });
  const Span span = t.result.contiguous ? Span{offsets[0], offsets[0] + int64_t{t.bytes} * kLanes}
                                        : span_of(offsets, lanes, t.bytes);
  check_contents(allocation, offsets, lanes, t, span);
  check_global_races(addresses, lanes, t);
  if (t.metered) mark_sectors(allocation, offsets, lanes, t, span);
  t.result.lanes |= lanes;
}

/// The lanes of `pending` whose bytes `allocation` holds, aligned.
LaneMask held_by(const Allocation& allocation, const LaneAddresses& addresses, LaneMask pending,
                 const Together& t) {
  const uint64_t last = static_cast<uint64_t>(allocation.bytes) - t.bytes, low_bits = t.bytes - 1;
  if (allocation.bytes < t.bytes) return 0;
  if (t.result.contiguous && addresses[0] - allocation.address <= last &&
      addresses[kLanes - 1] - allocation.address <= last && (addresses[0] & low_bits) == 0)
    return pending;
  LaneMask held = 0;
  for_lanes(pending, [&](int i) {
    held |= static_cast<LaneMask>(addresses[i] - allocation.address <= last && (addresses[i] & low_bits) == 0)
            << i;
  });
  return held;
}

void access_global_lanes(const LaneAddresses& addresses, LaneMask active, const Together& t) {
  Allocation*& hit = t.access.warp.last_hit[t.access.op.line % Warp::kRemembered];
  const bool writes = t.writes();
  for (LaneMask pending = active; pending != 0;) {
    LaneMask group = hit && !(writes && hit->read_only) ? held_by(*hit, addresses, pending, t) : 0;
    if (group == 0) {
      const int first = __builtin_ctz(pending);
      Allocation* found = check_global(t.of(first), addresses[first], t.bytes, t.bytes);
      if (!found) {
        pending &= pending - 1;
        t.result.contiguous = false;
        continue;
      }
      hit = found;
      group = held_by(*hit, addresses, pending, t);
    }
    t.result.contiguous &= group == kAllLanes;
    take_global(*hit, addresses, group, t);
    pending &= ~group;
  }
  if (t.access.kind == AccessKind::kWrite) t.access.warp.block().residency().progress();
}

// --- Shared memory

/// Tells the race detector, a call for each run of lanes side by side.
void check_races(const Block& owner, const Offsets& offsets, LaneMask lanes, const Together& t) {
  const Block& own = t.access.warp.block();
  if (!own.residency().races(own)) return;
  for_runs(offsets, lanes, t.used_bytes(), [&](int first, int64_t begin, int64_t end) {
    check_race(t.of(first), owner, static_cast<uint32_t>(begin), static_cast<uint32_t>(end - begin));
  });
}

void take_shared(Block& owner, const Offsets& offsets, LaneMask lanes, const Together& t) {
  std::byte* base = owner.shared.bytes.data();
  for_lanes(lanes, [&](int i) { t.result.at[i] = base + offsets[i]; });
  check_races(owner, offsets, lanes, t);
  uint64_t* valid = owner.shared.initialised.data();
  const Span span = span_of(offsets, lanes, t.bytes);
  if (t.reads() && watches_uninitialised(t.access)) {
    const LaneMask missing = unwritten(valid, offsets, lanes, t.used_bytes(), span);
    t.result.uninitialised |= missing;
    if (missing != 0 && t.access.kind == AccessKind::kAtomic && t.access.combines) {
      const int lane = __builtin_ctz(missing);
      report_unwritten_atomic(t.of(lane), "at byte " + std::to_string(offsets[lane]) + " of shared memory",
                              t.bytes);
    }
  }
  if (t.writes()) mark_lanes(valid, offsets, lanes, t, span);
  const Passes passes = bank_passes(offsets, lanes, t.bytes, t.access.kind == AccessKind::kAtomic);
  OpMeter& meter = t.access.warp.meter(t.access.op);
  meter.shared += static_cast<uint64_t>(t.bytes) * __builtin_popcount(lanes);
  meter.shared_passes += passes.passes;
  meter.shared_conflicts += passes.conflicts();
  t.result.lanes |= lanes;
}

/// The lanes of `pending` whose bytes lie in the window with `tag`, inside and aligned.
LaneMask held_by(const Block& owner, uint64_t tag, const LaneAddresses& addresses, LaneMask pending,
                 int bytes) {
  const uint64_t window = (tag << kClusterRankShift) + kSharedBase, low_bits = bytes - 1;
  const auto size = static_cast<int64_t>(owner.shared.bytes.size());
  if (size < bytes) return 0;
  const uint64_t last = size - bytes;
  // The top bit of an offset, or of what lies behind it, tells that it is outside: a loop of additions for the CPU's vectors.
  uint64_t outside = 0, low = 0;
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t offset = addresses[i] - window;
    outside |= offset | (last - offset);
    low |= addresses[i];
  }
  if (outside >> 63 == 0 && (low & low_bits) == 0) return pending;
  LaneMask held = 0;
  for (int i = 0; i < kLanes; ++i)
    held |= static_cast<LaneMask>(addresses[i] - window <= last && (addresses[i] & low_bits) == 0) << i;
  return held & pending;
}

void access_shared_lanes(const LaneAddresses& addresses, LaneMask active, const Together& t) {
  for (LaneMask pending = active; pending != 0;) {
    const int first = __builtin_ctz(pending);
    const Access one = t.of(first);
    uint32_t offset = 0;
    Block* owner = addresses[first] < kWindowBytes
                       ? shared_owner(one, static_cast<uint32_t>(addresses[first]), offset)
                       : &one.warp.block();
    if (addresses[first] >= kWindowBytes) offset = ~0u;  // beyond 32 bits: no shared address at all
    if (!owner || !check_shared(one, *owner, offset, t.bytes, t.bytes)) {
      pending &= pending - 1;
      continue;
    }
    const uint64_t tag = addresses[first] >> kClusterRankShift;
    const LaneMask group = held_by(*owner, tag, addresses, pending, t.bytes);
    t.result.contiguous &= group == kAllLanes;
    Offsets offsets;
    const uint64_t window = (tag << kClusterRankShift) + kSharedBase;
    for (int i = 0; i < kLanes; ++i) offsets[i] = static_cast<int64_t>(addresses[i] - window);
    take_shared(*owner, offsets, group, t);
    pending &= ~group;
  }
  t.result.contiguous &= t.result.lanes == kAllLanes;
  if (t.access.kind == AccessKind::kWrite) t.access.warp.block().residency().progress();
}

// --- Memory of a thread, and parameters

void access_local_lanes(const LaneAddresses& addresses, LaneMask active, const Together& t) {
  t.result.contiguous = false;
  t.result.distinct = true;  // every lane has its own
  for_lanes(active, [&](int i) {
    const Access one = t.of(i);
    std::byte* at = check_local(one, addresses[i], t.bytes, t.bytes);
    if (!at) return;
    t.result.at[i] = at;
    t.result.lanes |= 1u << i;
    std::byte* marks = one.warp.local_marks(i, static_cast<uint32_t>(addresses[i]), t.bytes);
    if (t.reads() && watches_uninitialised(one) &&
        std::any_of(marks, marks + t.bytes, [](std::byte mark) { return mark == std::byte{0}; }))
      t.result.uninitialised |= 1u << i;
    if (t.writes()) std::fill_n(marks, t.bytes, std::byte{!one.poisoned});
  });
}

void access_parameter_lanes(const LaneAddresses& addresses, LaneMask active, const Together& t) {
  t.result.contiguous = false;
  for (LaneMask pending = active; pending != 0;) {
    const int first = __builtin_ctz(pending);
    std::byte* at = check_parameter(t.of(first), addresses[first], t.bytes, t.bytes);
    LaneMask alike = 0;  // mostly all
    for_lanes(pending, [&](int i) { alike |= static_cast<LaneMask>(addresses[i] == addresses[first]) << i; });
    for_lanes(alike, [&](int i) { t.result.at[i] = at; });
    if (at) t.result.lanes |= alike;
    pending &= ~alike;
  }
}

// --- Generic addresses

struct Window {
  ptx::Space space;
  uint64_t first;
};
constexpr Window kWindows[] = {{ptx::Space::kShared, kSharedWindow},
                               {ptx::Space::kLocal, kLocalWindow},
                               {ptx::Space::kParam, kParamWindow},
                               {ptx::Space::kGlobal, 0}};

void access_space(ptx::Space space, const LaneAddresses& addresses, LaneMask active, const Together& t);

void access_generic_lanes(const LaneAddresses& addresses, LaneMask active, const Together& t) {
  LaneMask pending = active;
  for (const Window& window : kWindows) {
    LaneMask inside = 0;
    for_lanes(pending, [&](int i) {
      const bool in = window.first == 0 || addresses[i] - window.first < kWindowBytes;
      inside |= static_cast<LaneMask>(in) << i;
    });
    if (inside == 0) continue;
    LaneAddresses within;
    for (int i = 0; i < kLanes; ++i) within[i] = addresses[i] - window.first;
    t.result.contiguous &= inside == active;
    access_space(window.space, within, inside, t);
    t.result.contiguous &= inside == active;
    pending &= ~inside;
  }
}

void access_space(ptx::Space space, const LaneAddresses& addresses, LaneMask active, const Together& t) {
  switch (space) {
    case ptx::Space::kGlobal: return access_global_lanes(addresses, active, t);
    case ptx::Space::kConst:
      return access_global_lanes(addresses, active, {t.access, t.bytes, t.poisoned, t.result, false});
    case ptx::Space::kShared: return access_shared_lanes(addresses, active, t);
    case ptx::Space::kLocal: return access_local_lanes(addresses, active, t);
    case ptx::Space::kParam: return access_parameter_lanes(addresses, active, t);
    case ptx::Space::kGeneric:
    case ptx::Space::kNone: return access_generic_lanes(addresses, active, t);
  }
}

}  // namespace

// Flat, so that the loops over lanes of all that it calls are compiled for the machine's vectors.
TENON_SIMD_FLAT void access_lanes(const Access& access, LaneMask active, ptx::Space space,
                                  const LaneAddresses& addresses, int bytes, LaneMask poisoned,
                                  LaneBytes& result) {
  result.lanes = result.uninitialised = 0;
  result.contiguous = active == kAllLanes && side_by_side(addresses, bytes);
  result.distinct =
      result.contiguous || access.kind == AccessKind::kRead || all_distinct(addresses, active, bytes);
  access_space(space, addresses, active, {access, bytes, poisoned & active, result});
  if (result.uninitialised != 0)
    access.warp.unwritten = {&access.op, space, addresses[__builtin_ctz(result.uninitialised)]};
}

}  // namespace tenon::emulator
