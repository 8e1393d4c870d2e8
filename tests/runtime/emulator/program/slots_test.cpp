// Slots: none shared while both are live or between widths, pairs side by side, few holes.
#include "runtime/emulator/program/slots.h"

#include <doctest/doctest.h>

#include <random>

namespace tenon::emulator {
namespace {

TEST_CASE("emulator: slots: ranges of one width that do not meet share") {
  const Slots slots = assign_slots({1, 1, 1, 2, 0, 0}, {{0, 3}, {3, 5}, {4, 9}, {6, 7}, {0, 1}, {2, 3}});
  CHECK(slots.of == std::vector<int32_t>{0, 1, 0, 2, 0, 0});
  CHECK(slots.units == 4);
  CHECK(slots.most_live == 3);
  CHECK(slots.predicates == 1);
}

TEST_CASE("emulator: slots: what nothing mentions has none") {
  const Slots slots = assign_slots({1, 2}, {{4, -1}, {4, -1}});
  CHECK(slots.of == std::vector<int32_t>{-1, -1});
  CHECK(slots.units == 0);
}

TEST_CASE("emulator: slots: a thousand random ranges") {
  std::mt19937 random(7);
  std::vector<int8_t> units;
  std::vector<LiveRange> ranges;
  for (int i = 0; i < 1000; ++i) {
    const int first = static_cast<int>(random() % 5000);
    units.push_back(static_cast<int8_t>(random() % 3));
    ranges.push_back({first, first + static_cast<int>(random() % 300)});
  }
  const Slots slots = assign_slots(units, ranges);
  int meeting = 0;
  for (size_t a = 0; a < ranges.size(); ++a)
    for (size_t b = 0; b < a; ++b) {
      if ((units[a] == 0) != (units[b] == 0)) continue;
      const bool apart = ranges[a].last < ranges[b].first || ranges[b].last < ranges[a].first;
      if (apart && units[a] == units[b]) continue;
      ++meeting;
      const int a_end = slots.of[a] + std::max<int>(units[a], 1),
                b_end = slots.of[b] + std::max<int>(units[b], 1);
      REQUIRE((a_end <= slots.of[b] || b_end <= slots.of[a]));
    }
  CHECK(meeting > 10000);
  CHECK(slots.most_live > 40);
  CHECK(slots.units >= slots.most_live);
  CHECK(slots.units <= slots.most_live * 5 / 4);  // each width has its own peak
}

}  // namespace
}  // namespace tenon::emulator
