// quantity_test.cpp: numbers as people read them.
#include "passes/quantity.h"

#include <doctest/doctest.h>

using namespace tenon;

TEST_CASE("times, sizes and counts have a unit and three digits") {
  CHECK(tell_us(0) == "0.00 us");
  CHECK(tell_us(3.254) == "3.25 us");
  CHECK(tell_us(95.46) == "95.5 us");
  CHECK(tell_us(622.4) == "622 us");
  CHECK(tell_us(2793) == "2.79 ms");
  CHECK(tell_us(10788530) == "10.79 s");
  CHECK(tell_bytes(12) == "12 B");
  CHECK(tell_bytes(8192) == "8.2 kB");
  CHECK(tell_bytes(134e6) == "134 MB");
  CHECK(tell_bytes(39e9) == "39.0 GB");
  CHECK(tell_flops(50331648) == "50.3 MFLOP");
  CHECK(tell_count(1, "launch", "launches") == "1 launch");
  CHECK(tell_count(0, "launch", "launches") == "0 launches");
}
