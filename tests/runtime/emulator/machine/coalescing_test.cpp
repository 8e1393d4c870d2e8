// Tests of sectors and bank passes, and of the model of L2, with numbers worked out by hand.
#include "runtime/emulator/machine/coalescing.h"

#include <doctest/doctest.h>

#include <functional>

#include "runtime/emulator/machine/l2_cache.h"

namespace tenon::emulator {
namespace {

struct Offsets {
  int64_t at[kLanes];
  explicit Offsets(const std::function<int64_t(int)>& of) {
    for (int i = 0; i < kLanes; ++i) at[i] = of(i);
  }
};

int sectors(const std::function<int64_t(int)>& of, LaneMask lanes = kAllLanes) {
  Sectors found;
  distinct_sectors(Offsets(of).at, lanes, found);
  return found.count;
}

Passes passes(int bytes, const std::function<int64_t(int)>& of, LaneMask lanes = kAllLanes,
              bool serial = false) {
  return bank_passes(Offsets(of).at, lanes, bytes, serial);
}

TEST_CASE("emulator: sectors that lanes share count once") {
  CHECK(sectors([](int i) { return 4 * i; }) == 4);
  CHECK(sectors([](int i) { return 16 * i; }) == 16);
  CHECK(sectors([](int i) { return 4 * i + 4; }) == 5);  // off by one element: a fifth sector
  CHECK(sectors([](int i) { return 32 * i; }) == 32);
  CHECK(sectors([](int i) { return 4 * (31 - i); }) == 4);   // falling
  CHECK(sectors([](int i) { return 128 * (i % 2); }) == 2);  // to and fro
  CHECK(sectors([](int) { return 64; }) == 1);
  CHECK(sectors([](int i) { return 4 * i; }, 0xff) == 1);
}

TEST_CASE("emulator: banks take a pass for each different word that a phase wants of one") {
  auto check = [](Passes found, int least, int conflicts) {
    CHECK(found.least == least);
    CHECK(found.conflicts() == conflicts);
  };
  check(passes(4, [](int i) { return 4 * i; }), 1, 0);
  check(passes(4, [](int) { return 8; }), 1, 0);                 // one word for all
  check(passes(4, [](int i) { return 8 * i; }), 1, 1);           // two lanes a bank
  check(passes(4, [](int i) { return 128 * i; }), 1, 31);        // all in one bank
  check(passes(4, [](int i) { return 132 * i; }), 1, 0);         // rows padded by a word
  check(passes(4, [](int i) { return 128 * (i / 2); }), 1, 15);  // pairs share their words
  check(passes(2, [](int i) { return 2 * i; }), 1, 0);           // halves of words
  check(passes(1, [](int i) { return i; }), 1, 0);
  check(passes(2, [](int i) { return 128 * i; }), 1, 31);
  check(passes(8, [](int i) { return 8 * i; }), 2, 0);  // two half-warps
  check(passes(8, [](int i) { return 16 * i; }), 2, 2);
  check(passes(16, [](int i) { return 16 * i; }), 4, 0);                  // four quarter-warps
  check(passes(16, [](int i) { return 128 * i; }), 4, 28);                // rows of 128 bytes, a column
  check(passes(16, [](int i) { return 128 * i + 16 * (i % 8); }), 4, 0);  // swizzled
  check(passes(
            16, [](int i) { return 16 * i; }, 0xff),
        1, 0);  // one quarter-warp alone
  check(passes(
            4, [](int) { return 8; }, kAllLanes, true),
        1, 31);  // atomics on one word
}

TEST_CASE("emulator: addresses of lanes may be told apart") {
  uint64_t addresses[kLanes];
  for (int i = 0; i < kLanes; ++i) addresses[i] = 1000 - 4 * i;
  CHECK(all_distinct(addresses, kAllLanes, 4));
  addresses[20] = addresses[3];
  CHECK(!all_distinct(addresses, kAllLanes, 4));
  CHECK(all_distinct(addresses, ~(1u << 20), 4));
  for (int i = 0; i < kLanes; ++i) addresses[i] = 0x7f0000000000 + 4096 * (i ^ 5);  // far apart, in no order
  CHECK(all_distinct(addresses, kAllLanes, 16));
  addresses[31] = addresses[0];
  CHECK(!all_distinct(addresses, kAllLanes, 16));
  for (int i = 0; i < kLanes; ++i) addresses[i] = 0x7f0000000000 + 16 * (i ^ 5) + (i < 16 ? 0 : 512);
  CHECK(all_distinct(addresses, kAllLanes, 16));
  addresses[17] = addresses[16];
  CHECK(!all_distinct(addresses, kAllLanes, 16));
}

TEST_CASE("emulator: the L2 reads what it lacks and writes back what goes") {
  constexpr int kWays = 16, kLine = 128;
  L2Cache l2(kWays * kLine);  // one set
  l2.access(0, false);
  l2.access(31, false);
  CHECK(l2.bytes_read() == 32);
  l2.access(32, true);  // another sector of the line: written whole, not read
  CHECK(l2.bytes_read() == 32);
  for (int i = 1; i < kWays; ++i) l2.access(i * kLine, false);
  CHECK(l2.bytes_read() == 32 * kWays);
  CHECK(l2.bytes_written() == 0);
  l2.access(0, false);              // still there, and now the youngest
  l2.access(kWays * kLine, false);  // drives line 1 out, which is clean
  CHECK(l2.bytes_read() == 32 * (kWays + 1));
  CHECK(l2.bytes_written() == 0);
  for (int i = 0; i < kWays; ++i) l2.access((100 + i) * kLine, false);
  CHECK(l2.bytes_written() == 32);  // line 0 went
  l2.access(0, true);
  l2.flush();
  l2.flush();
  CHECK(l2.bytes_written() == 64);
}

}  // namespace
}  // namespace tenon::emulator
