// coalescing.cpp: see the header.
#include "runtime/emulator/machine/coalescing.h"

#include <algorithm>

#include "runtime/emulator/machine/global_memory.h"
#include "runtime/simd.h"

namespace tenon::emulator {
namespace {

constexpr int kBanks = 32, kBankBytes = 4;

/// Sets of at most kLanes numbers, by open addressing.
class SmallSet {
 public:
  /// False where it was there.
  bool insert(int64_t value) {
    auto at = static_cast<uint32_t>(static_cast<uint64_t>(value) * 0x9e3779b97f4a7c15ull >> (64 - kBits));
    for (; used_ >> at & 1; at = (at + 1) % kSize)
      if (values_[at] == value) return false;
    used_ |= 1ull << at;
    values_[at] = value;
    return true;
  }

 private:
  static constexpr int kBits = 6, kSize = 1 << kBits;
  uint64_t used_ = 0;
  int64_t values_[kSize];
};

/// The most different units that one phase wants of a bank. A unit is what a lane wants: a word, or two or four side by
/// side, aligned, so that units conflict as their words do.
int phase_passes(const int64_t* units, LaneMask lanes, int banks, bool serial) {
  uint32_t taken = 0;  // banks
  for (LaneMask left = lanes; left != 0; left &= left - 1)
    taken |= 1u << (units[__builtin_ctz(left)] & (banks - 1));
  if (__builtin_popcount(taken) == __builtin_popcount(lanes)) return 1;
  int counts[kBanks] = {}, most = 1;
  SmallSet seen;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const int64_t unit = units[__builtin_ctz(left)];
    if (serial || seen.insert(unit)) most = std::max(most, ++counts[unit & (banks - 1)]);
  }
  return most;
}

}  // namespace

void distinct_sectors(const int64_t (&offsets)[kLanes], LaneMask lanes, Sectors& sectors) {
  int64_t last = -1;
  bool rising = true;
  int count = 0;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const int64_t sector = offsets[__builtin_ctz(left)] >> 5;  // / kSectorBytes
    if (sector == last) continue;
    rising &= sector > last;
    last = sectors.at[count++] = sector;
  }
  if (rising) {
    sectors.count = count;
    return;
  }
  SmallSet seen;
  sectors.count = 0;
  for (int i = 0; i < count; ++i)
    if (seen.insert(sectors.at[i])) sectors.at[sectors.count++] = sectors.at[i];
}

TENON_SIMD bool all_distinct(const uint64_t (&addresses)[kLanes], LaneMask lanes, int bytes) {
  if (lanes == kAllLanes) {  // mostly they lie within 64 places: a bit for each
    uint64_t low = addresses[0], far = 0, places = 0;
    for (int i = 1; i < kLanes; ++i) low = std::min(low, addresses[i]);
    const int shift = __builtin_ctz(bytes);
    for (int i = 0; i < kLanes; ++i) {
      const uint64_t place = (addresses[i] - low) >> shift;
      far |= place;
      places |= 1ull << (place & 63);
    }
    if (far < 64) return __builtin_popcountll(places) == kLanes;
  }
  uint64_t last = 0;
  bool rising = true, first = true;
  for (LaneMask left = lanes; left != 0; left &= left - 1) {
    const uint64_t address = addresses[__builtin_ctz(left)];
    rising &= first || address > last;
    first = false;
    last = address;
  }
  if (rising) return true;
  SmallSet seen;
  for (LaneMask left = lanes; left != 0; left &= left - 1)
    if (!seen.insert(static_cast<int64_t>(addresses[__builtin_ctz(left)]))) return false;
  return true;
}

TENON_SIMD Passes bank_passes(const int64_t (&offsets)[kLanes], LaneMask lanes, int bytes, bool serial) {
  const int unit = std::max(bytes, kBankBytes), words = unit / kBankBytes, width = kLanes / words;
  const int shift = __builtin_ctz(unit);
  int64_t units[kLanes];
  for (int i = 0; i < kLanes; ++i) units[i] = offsets[i] >> shift;
  int64_t not_one = 0, not_in_a_row = 0;
  for (int i = 0; i < kLanes; ++i) {
    not_one |= units[i] ^ units[0];
    not_in_a_row |= units[i] ^ (units[0] + i);
  }
  Passes result;
  if (lanes == kAllLanes && !serial && (not_one == 0 || not_in_a_row == 0)) {  // most accesses
    result.passes = result.least = words;
    return result;
  }
  for (int phase = 0; phase < words; ++phase) {
    const LaneMask in = lanes & (((1ull << width) - 1) << (phase * width));
    if (in == 0) continue;
    ++result.least;
    result.passes += phase_passes(units, in, kBanks / words, serial);
  }
  return result;
}

}  // namespace tenon::emulator
