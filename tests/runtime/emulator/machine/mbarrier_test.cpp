// The phases of an mbarrier by scripted sequences.
#include "runtime/emulator/machine/mbarrier.h"

#include <doctest/doctest.h>

#include <string>

using namespace tenon::emulator;

namespace {

Mbarrier made(int64_t count) {
  Mbarrier barrier;
  REQUIRE(barrier.init(count) == nullptr);
  return barrier;
}

}  // namespace

TEST_CASE("emulator: mbarrier: arrivals end a phase, and the next wants as many") {
  Mbarrier b = made(3);
  CHECK(b.passed_parity(1));  // what a producer that waits first relies on
  CHECK_FALSE(b.passed_parity(0));
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.phase == 0);
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.phase == 1);
  CHECK(b.pending == 3);
  CHECK(b.passed_parity(0));
  CHECK_FALSE(b.passed_parity(1));
  CHECK(b.arrive(3) == nullptr);
  CHECK(b.phase == 2);
}

TEST_CASE("emulator: mbarrier: bytes hold a phase open, in either order") {
  Mbarrier b = made(1);
  CHECK(b.expect_bytes(4096) == nullptr);
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.phase == 0);
  CHECK(b.text() == "phase 0: 0 of 1 arrivals pending, 4096 bytes outstanding");
  CHECK(b.complete_bytes(1024) == nullptr);
  CHECK(b.phase == 0);
  CHECK(b.complete_bytes(3072) == nullptr);
  CHECK(b.phase == 1);
  CHECK(b.complete_bytes(64) == nullptr);  // a peer's multicast that comes first
  CHECK(b.transactions == -64);
  CHECK(b.expect_bytes(64) == nullptr);
  CHECK(b.phase == 1);
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.phase == 2);
}

TEST_CASE("emulator: mbarrier: who drops out is wanted no more") {
  Mbarrier b = made(3);
  CHECK(b.arrive(1, true) == nullptr);
  CHECK(b.arrive(2) == nullptr);
  CHECK(b.phase == 1);
  CHECK(b.pending == 2);
  CHECK(b.expected == 2);
}

TEST_CASE("emulator: mbarrier: an arrival that no count foresaw changes nothing in sum") {
  Mbarrier b = made(2);
  CHECK(b.expect_arrivals(1) == nullptr);
  CHECK(b.pending == 3);
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.pending == 2);
  CHECK(b.phase == 0);
}

TEST_CASE("emulator: mbarrier: what it refuses leaves it as it was") {
  Mbarrier b;
  CHECK(std::string(b.init(0)) == "its count must be 1 to 1048575");
  CHECK(b.init(1 << 20) != nullptr);
  b = made(2);
  CHECK(std::string(b.arrive(3)) == "more arrivals than the phase expects");
  CHECK(b.arrive(0) != nullptr);
  CHECK(b.arrive(-1) != nullptr);
  CHECK(b.pending == 2);
  CHECK(b.expect_bytes((1 << 20) - 1) == nullptr);
  CHECK(std::string(b.expect_bytes(1)) == "more than 1048575 bytes outstanding");
  CHECK(b.complete_bytes((1 << 20) - 1) == nullptr);
  CHECK(b.complete_bytes((1 << 20) - 1) == nullptr);
  CHECK(std::string(b.complete_bytes(1)) == "more than 1048575 bytes came before they were expected");
  CHECK(b.transactions == -((1 << 20) - 1));
  CHECK(b.expect_bytes(int64_t{1} << 32) != nullptr);
  CHECK(b.expect_arrivals((1 << 20) - 1) != nullptr);
}

TEST_CASE("emulator: mbarrier: a state names its phase and the arrivals pending before") {
  Mbarrier b = made(5);
  CHECK(b.arrive(2) == nullptr);
  const uint64_t token = b.token();
  CHECK(Mbarrier::token_phase(token) == 0);
  CHECK(Mbarrier::token_pending(token) == 3);
  CHECK(b.arrive(3) == nullptr);
  CHECK(Mbarrier::token_phase(b.token()) == 1);
  CHECK(Mbarrier::token_pending(b.token()) == 5);
}

TEST_CASE("emulator: mbarrier: a wait acquires what had come when the phase ended") {
  Mbarrier b = made(2);
  RaceDetector::join(b.arrivals, {1, 0, 0});
  CHECK(b.arrive(1) == nullptr);
  RaceDetector::join(b.arrivals, {0, 2, 0});
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.completed == VectorClock{1, 2, 0});
  RaceDetector::join(b.arrivals, {0, 0, 7});  // of the next phase
  CHECK(b.arrive(1) == nullptr);
  CHECK(b.completed == VectorClock{1, 2, 0});
}
