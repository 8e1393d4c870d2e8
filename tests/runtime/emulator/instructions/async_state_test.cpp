// Copy groups belong to threads, whether lanes commit together or apart.
#include "runtime/emulator/instructions/async_state.h"

#include <doctest/doctest.h>

#include <cstring>
#include <vector>

using namespace tenon::emulator;

namespace {

/// The clocks that a wait acquires, by the number in their first place, in the order in which they came.
std::vector<uint32_t> acquired(CopyGroups& groups, LaneMask lanes, int64_t keep) {
  std::vector<uint32_t> numbers;
  groups.wait(lanes, keep, [&](const VectorClock& clock) { numbers.push_back(clock.at(0)); });
  return numbers;
}

}  // namespace

TEST_CASE("emulator: copy groups: a wait keeps the newest") {
  CopyGroups groups;
  groups.issue(kAllLanes);
  for (uint32_t i = 1; i <= 3; ++i) groups.commit(kAllLanes, {i});
  CHECK(groups.pending() == kAllLanes);
  groups.issue(6);
  groups.commit(kAllLanes, {4});
  CHECK(acquired(groups, kAllLanes, 3) == std::vector<uint32_t>{1});
  CHECK(acquired(groups, kAllLanes, 3).empty());
  CHECK(groups.pending() == 6);  // the others' group is empty
  groups.commit(kAllLanes, {5});
  CHECK(acquired(groups, kAllLanes, 1) == std::vector<uint32_t>{4, 3, 2});
  CHECK(acquired(groups, kAllLanes, 0) == std::vector<uint32_t>{5});
  CHECK(groups.pending() == 0);
}

TEST_CASE("emulator: copy groups: lanes that commit apart count apart") {
  CopyGroups groups;
  groups.issue(kAllLanes);
  groups.commit(0x0000ffff, {1});
  groups.commit(0xffff0000, {2});
  groups.issue(kAllLanes);
  groups.commit(0x0000ffff, {3});
  // Each upper lane has one group, each lower lane two.
  CHECK(acquired(groups, kAllLanes, 1) == std::vector<uint32_t>{1});
  CHECK(groups.pending() == kAllLanes);
  CHECK(acquired(groups, 0xff000000, 0) == std::vector<uint32_t>{2});
  CHECK(groups.pending() == 0x00ffffff);
  CHECK(acquired(groups, kAllLanes, 0) == std::vector<uint32_t>{3, 2});
}

TEST_CASE("emulator: copy groups: late bytes move with their own group and their own lane") {
  char from[4] = {'a', 'b', 'c', 'd'}, to[4] = {};
  auto delivery = [&](int i, int lane) {
    return Delivery{reinterpret_cast<std::byte*>(to + i), reinterpret_cast<const std::byte*>(from + i),
                    static_cast<uint8_t>(lane), 1, 1};
  };
  CopyGroups groups;
  groups.issue(3);
  groups.issue(delivery(0, 0));
  groups.issue(delivery(1, 1));
  groups.commit(1, {1});  // lane 0 alone
  CHECK(groups.uncommitted() == 2);
  groups.issue(delivery(2, 0));
  groups.issue(3);
  groups.commit(kAllLanes, {2});
  CHECK(std::memcmp(to, "\0\0\0\0", 4) == 0);
  acquired(groups, kAllLanes, 1);
  CHECK(std::memcmp(to, "a\0\0\0", 4) == 0);
  acquired(groups, 1, 0);
  CHECK(std::memcmp(to, "a\0c\0", 4) == 0);
  groups.issue(delivery(3, 5));
  groups.deliver(1u << 5 | 1u << 1);
  CHECK(std::memcmp(to, "abcd", 4) == 0);
}

TEST_CASE("emulator: copy groups: what is not copied becomes zero") {
  unsigned char from[4] = {1, 2, 3, 4}, to[6] = {9, 9, 9, 9, 9, 9};
  Delivery{reinterpret_cast<std::byte*>(to), reinterpret_cast<const std::byte*>(from), 0, 4, 2}.perform();
  const unsigned char wanted[6] = {1, 2, 0, 0, 9, 9};
  CHECK(std::memcmp(to, wanted, 6) == 0);
}

TEST_CASE("emulator: copy groups: a kernel that never waits keeps a bounded number") {
  CopyGroups groups;
  for (uint32_t i = 0; i < 3000; ++i) groups.commit(kAllLanes, {i});
  const std::vector<uint32_t> numbers = acquired(groups, kAllLanes, 0);
  CHECK(numbers.size() == 1024);
  CHECK(numbers.front() == 2999);
}
