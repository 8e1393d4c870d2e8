// Tests of the emulated device's memory: where allocations lie, validity, words for bad addresses, sectors.
#include "runtime/emulator/machine/global_memory.h"

#include <doctest/doctest.h>

#include <vector>

#include "ir/diagnostics.h"

namespace tenon::emulator {
namespace {

std::vector<std::byte> bytes(int count, int value) { return std::vector<std::byte>(count, std::byte(value)); }

TEST_CASE("emulator: allocations are aligned, apart, and never at the same address twice") {
  GlobalMemory memory;
  const uint64_t a = memory.allocate(1, "a"), b = memory.allocate(513, "b");
  CHECK(a % 512 == 0);
  CHECK(b % 512 == 0);
  CHECK(b - (a + 1) >= 256);
  CHECK(memory.bytes_live() == 514);
  memory.release(a);
  CHECK(memory.bytes_live() == 513);
  CHECK(memory.allocate(1, "c") > b);
  GlobalMemory other;
  CHECK(other.allocate(1, "a") == a);
}

TEST_CASE("emulator: an address is found in the allocation that holds all of the access") {
  GlobalMemory memory;
  const uint64_t a = memory.allocate(100, "a");
  CHECK(memory.find(a, 100)->name == "a");
  CHECK(memory.find(a + 99, 1) != nullptr);
  CHECK(memory.find(a + 99, 2) == nullptr);
  CHECK(memory.find(a, 101) == nullptr);
  CHECK(memory.find(a - 1, 1) == nullptr);
  CHECK(memory.find(a + 50, -1) == nullptr);
  CHECK(memory.find(~0ull, 8) == nullptr);
}

TEST_CASE("emulator: addresses are described by what lies nearest") {
  GlobalMemory memory;
  const uint64_t a = memory.allocate(4096, "w1"), b = memory.allocate(64, "x");
  CHECK(memory.describe(a + 64, 4) == "at byte 64 of `w1`");
  CHECK(memory.describe(a + 4094, 4) == "at byte 4094 of `w1`, which has 4096 bytes");
  CHECK(memory.describe(a + 4096, 16) == "at byte 4096 of `w1`, which has 4096 bytes");
  CHECK(memory.describe(b - 8, 4) == "8 bytes before `x`");
  CHECK(memory.describe(a - 1, 4) == "1 byte before `w1`");
  CHECK(memory.describe(16, 4) == "at address 0x10, a null pointer");
  CHECK(memory.describe(1ull << 40, 4) == "at address 0x10000000000, where nothing is allocated");
  memory.release(b);
  CHECK(memory.describe(b + 4, 4) == "at byte 4 of `x`, which was freed");
  CHECK(memory.was_freed(b + 4));
  CHECK(!memory.was_freed(a));
}

TEST_CASE("emulator: copies by the host initialise, and carry validity along") {
  GlobalMemory memory;
  const uint64_t a = memory.allocate(64, "a"), b = memory.allocate(64, "b");
  memory.write(a + 8, bytes(8, 7));
  const Allocation& from = *memory.find(a, 1);
  const Allocation& to = *memory.find(b, 1);
  CHECK(from.initialised.all(8, 8));
  CHECK(!from.initialised.any(0, 8));
  CHECK(!from.initialised.any(16, 48));
  memory.fill(b, std::byte{1}, 64);
  memory.copy(b + 1, a + 7, 10);
  CHECK(!to.initialised.any(1, 1));
  CHECK(to.initialised.all(2, 8));
  CHECK(!to.initialised.any(10, 1));
  CHECK(to.initialised.all(11, 53));
  std::vector<std::byte> out(10);
  memory.read(b + 1, out);
  CHECK(out[1] == std::byte{7});
  CHECK(out[0] != std::byte{1});
}

TEST_CASE("emulator: the host's own mistakes are errors") {
  GlobalMemory memory;
  const uint64_t a = memory.allocate(64, "a");
  std::vector<std::byte> out(65);
  CHECK_THROWS_WITH_AS(memory.read(a, out),
                       "error: copy from device memory of 65 bytes at byte 0 of `a`, which has 64 bytes\n",
                       Error);
  CHECK_THROWS_WITH_AS(memory.write(a + 64, bytes(1, 0)),
                       "error: copy to device memory of 1 byte at byte 64 of `a`, which has 64 bytes\n",
                       Error);
  CHECK_THROWS_WITH_AS(memory.allocate(0, "none"),
                       "error: cannot allocate 0 bytes of emulated device memory\n", Error);
  CHECK_THROWS_AS(memory.allocate(INT64_MAX, "all"), Error);
  CHECK_THROWS_AS(memory.release(a + 1), Error);
  memory.release(a);
  CHECK_THROWS_AS(memory.release(a), Error);
  CHECK_THROWS_WITH_AS(memory.fill(a, std::byte{0}, 1),
                       "error: fill of device memory of 1 byte at byte 0 of `a`, which was freed\n", Error);
}

TEST_CASE("emulator: ranges of bits over words") {
  Bitmap bits(300);
  bits.set(60, 140);
  CHECK(bits.all(60, 140));
  CHECK(!bits.all(59, 2));
  CHECK(!bits.any(0, 60));
  CHECK(!bits.any(200, 100));
  bits.clear(64, 64);
  CHECK(!bits.any(64, 64));
  CHECK(bits.all(60, 4));
  CHECK(bits.all(128, 72));
  CHECK(bits.all(5, 0));
  CHECK(!bits.any(70, 0));
}

}  // namespace
}  // namespace tenon::emulator
