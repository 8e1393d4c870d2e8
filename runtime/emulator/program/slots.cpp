// slots.cpp: see slots.h.
#include "runtime/emulator/program/slots.h"

#include <algorithm>
#include <queue>

#include "llvm/Support/MathExtras.h"

namespace tenon::emulator {
namespace {

// The lowest free numbers first; grows without bound.
class FreeNumbers {
 public:
  int take(int count) {
    for (size_t w = 0;; ++w) {
      if (w + 1 >= free_.size()) free_.resize(w + 2, ~uint64_t{0});
      // A pair may straddle two words.
      const uint64_t starts = count == 1 ? free_[w] : free_[w] & (free_[w] >> 1 | free_[w + 1] << 63);
      if (starts == 0) continue;
      const int number = static_cast<int>(w * 64 + llvm::countTrailingZeros(starts));
      for (int i = 0; i < count; ++i) free_[(number + i) / 64] &= ~bit(number + i);
      end_ = std::max<int64_t>(end_, number + count);
      return number;
    }
  }
  void give_back(int number, int count) {
    for (int i = 0; i < count; ++i) free_[(number + i) / 64] |= bit(number + i);
  }
  int64_t end() const { return end_; }  ///< beyond the highest ever taken

 private:
  static uint64_t bit(int number) { return uint64_t{1} << number % 64; }
  std::vector<uint64_t> free_;
  int64_t end_ = 0;
};

}  // namespace

Slots assign_slots(const std::vector<int8_t>& units, const std::vector<LiveRange>& ranges) {
  std::vector<int> order;
  for (size_t r = 0; r < ranges.size(); ++r)
    if (ranges[r].first <= ranges[r].last) order.push_back(static_cast<int>(r));
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return ranges[a].first < ranges[b].first; });

  Slots slots;
  slots.of.assign(ranges.size(), -1);
  FreeNumbers free_units, free_predicates;
  using Ending = std::pair<int, int>;  // last op, register
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> live;
  int64_t live_units = 0;
  for (int r : order) {
    for (; !live.empty() && live.top().first < ranges[r].first; live.pop()) {
      const int ended = live.top().second;
      (units[ended] == 0 ? free_predicates : free_units)
          .give_back(slots.of[ended], std::max<int>(units[ended], 1));
      live_units -= units[ended];
    }
    slots.of[r] = (units[r] == 0 ? free_predicates : free_units).take(std::max<int>(units[r], 1));
    live.push({ranges[r].last, r});
    live_units += units[r];
    slots.most_live = std::max(slots.most_live, live_units);
  }
  slots.units = free_units.end();
  slots.predicates = free_predicates.end();
  return slots;
}

}  // namespace tenon::emulator
