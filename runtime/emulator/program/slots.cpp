// slots.cpp: see slots.h.
#include "runtime/emulator/program/slots.h"

#include <algorithm>
#include <queue>

namespace tenon::emulator {
namespace {

// The lowest free number first; grows without bound.
class FreeNumbers {
 public:
  int take() {
    if (free_.empty()) return end_++;
    const int number = free_.top();
    free_.pop();
    return number;
  }
  void give_back(int number) { free_.push(number); }
  int end() const { return end_; }  ///< beyond the highest ever taken

 private:
  std::priority_queue<int, std::vector<int>, std::greater<>> free_;
  int end_ = 0;
};

constexpr int kMostUnits = 2;  // of a register

}  // namespace

Slots assign_slots(const std::vector<int8_t>& units, const std::vector<LiveRange>& ranges) {
  std::vector<int> order;
  for (size_t r = 0; r < ranges.size(); ++r)
    if (ranges[r].first <= ranges[r].last) order.push_back(static_cast<int>(r));
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return ranges[a].first < ranges[b].first; });

  Slots slots;
  slots.of.assign(ranges.size(), -1);
  FreeNumbers free[kMostUnits + 1];
  using Ending = std::pair<int, int>;  // last op, register
  std::priority_queue<Ending, std::vector<Ending>, std::greater<>> live;
  int64_t live_units = 0;
  for (int r : order) {
    for (; !live.empty() && live.top().first < ranges[r].first; live.pop()) {
      const int ended = live.top().second;
      free[units[ended]].give_back(slots.of[ended]);
      live_units -= units[ended];
    }
    slots.of[r] = free[units[r]].take();
    live.push({ranges[r].last, r});
    live_units += units[r];
    slots.most_live = std::max(slots.most_live, live_units);
  }
  slots.predicates = free[0].end();
  int64_t first[kMostUnits + 1] = {};  // of the units of each width
  for (int width = 1; width <= kMostUnits; ++width) {
    first[width] = slots.units;
    slots.units += int64_t{width} * free[width].end();
  }
  for (int r : order)
    if (units[r] > 0) slots.of[r] = static_cast<int32_t>(first[units[r]] + int64_t{units[r]} * slots.of[r]);
  return slots;
}

}  // namespace tenon::emulator
