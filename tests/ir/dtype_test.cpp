// dtype_test.cpp: rounding to bf16 takes every value of bf16 as it is and others to the nearest, ties to even.
#include "ir/dtype.h"

#include <doctest/doctest.h>

#include <cmath>

using namespace tenon;

TEST_CASE("every bf16 is its own rounding") {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    double value = bf16_to_f32(static_cast<uint16_t>(bits));
    double rounded = round_to(DType::kBF16, value);
    bool same = std::isnan(value) ? std::isnan(rounded)
                                  : rounded == value && std::signbit(rounded) == std::signbit(value);
    if (!same) FAIL("bits ", bits, ": ", value, " became ", rounded);
  }
}

TEST_CASE("between two bf16 the nearer wins, at the middle the even one") {
  double step = 0.0078125;  // between 1 and 2
  CHECK(round_to(DType::kBF16, 1 + 0.49 * step) == 1);
  CHECK(round_to(DType::kBF16, 1 + 0.51 * step) == 1 + step);
  CHECK(round_to(DType::kBF16, 1 + 0.5 * step) == 1);
  CHECK(round_to(DType::kBF16, 1 + 1.5 * step) == 1 + 2 * step);
  CHECK(round_to(DType::kBF16, 1 + 0.5 * step + 1e-12) ==
        1 + step);  // one rounding from f64, not two by way of f32
  CHECK(round_to(DType::kBF16, 3.4e38) == INFINITY);
  CHECK(round_to(DType::kBF16, -1e300) == -INFINITY);
}

TEST_CASE("8-bit floats round to nearest even and saturate, from infinity too") {
  for (double sign : {1.0, -1.0}) {
    CHECK(round_to(DType::kF8E4M3, sign * 447) == sign * 448);
    CHECK(round_to(DType::kF8E4M3, sign * 464) == sign * 448);  // where 480 would be as near, were there one
    CHECK(round_to(DType::kF8E4M3, sign * INFINITY) == sign * 448);
    CHECK(round_to(DType::kF8E4M3, sign * 1.0625) == sign * 1);
    CHECK(round_to(DType::kF8E4M3, sign * 1.1875) == sign * 1.25);
    CHECK(round_to(DType::kF8E4M3, sign * 0x1p-9) == sign * 0x1p-9);
    CHECK(round_to(DType::kF8E4M3, sign * 0x1p-10) == 0);
    CHECK(round_to(DType::kF8E5M2, sign * 1e9) == sign * 57344);
    CHECK(round_to(DType::kF8E5M2, sign * INFINITY) == sign * 57344);
    CHECK(round_to(DType::kF8E5M2, sign * 1.125) == sign * 1);
    CHECK(round_to(DType::kF8E5M2, sign * 0x1.8p-16) == sign * 0x1p-15);
  }
  CHECK(std::isnan(round_to(DType::kF8E4M3, NAN)));
  CHECK(std::isnan(round_to(DType::kF8E5M2, NAN)));
}
