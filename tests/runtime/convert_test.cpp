#include "runtime/convert.h"

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "runtime/tensor.h"

namespace tenon {
namespace {

TEST_CASE("every f16 and bf16 becomes the f32 that the IR's definition gives, and comes back") {
  for (DType dtype : {DType::kF16, DType::kBF16}) {
    std::vector<uint16_t> bits(65536), back(65536);
    for (int i = 0; i < 65536; ++i) bits[i] = static_cast<uint16_t>(i);
    std::vector<float> values(65536);
    to_f32(dtype, reinterpret_cast<const std::byte*>(bits.data()), 65536, values.data());
    from_f32(values.data(), 65536, dtype, reinterpret_cast<std::byte*>(back.data()));
    int wrong = 0;
    for (int i = 0; i < 65536; ++i) {
      float expected = dtype == DType::kF16 ? f16_to_f32(bits[i]) : bf16_to_f32(bits[i]);
      if (std::isnan(expected))
        wrong += !std::isnan(values[i]);
      else
        wrong +=
            std::bit_cast<uint32_t>(values[i]) != std::bit_cast<uint32_t>(expected) || back[i] != bits[i];
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("rounding to 16 bits is to nearest even, between all neighbours") {
  for (DType dtype : {DType::kF16, DType::kBF16}) {
    int wrong = 0;
    std::vector<float> values;
    for (uint32_t bits = 0; bits < 0x7f800000u; bits += 0x6151) values.push_back(std::bit_cast<float>(bits));
    for (float tie :
         {65519.f, 65520.f, 65521.f, 0x1p-25f, 0x1.8p-24f, 2049.f, 2051.f, 1.00390625f, 3.4028235e38f})
      values.push_back(tie);
    std::vector<uint16_t> bits(values.size());
    from_f32(values.data(), values.size(), dtype, reinterpret_cast<std::byte*>(bits.data()));
    for (size_t i = 0; i < values.size(); ++i)
      wrong += bits[i] != (dtype == DType::kF16 ? f64_to_f16(values[i]) : f64_to_bf16(values[i]));
    CHECK(wrong == 0);
  }
}

TEST_CASE("8-bit floats round trip and saturate as the format says") {
  Tensor e4m3 = Tensor::of({DType::kF8E4M3, {6}}, {1.0, -0.3, 448.0, 0.001953125, 1e9, 17.0});
  CHECK(e4m3.at(0) == 1.0);
  CHECK(e4m3.at(1) == -0.3125);
  CHECK(e4m3.at(2) == 448.0);
  CHECK(e4m3.at(3) == 0.001953125);  // the least subnormal
  CHECK(e4m3.at(4) == 448.0);
  CHECK(e4m3.at(5) == 16.0);  // a tie, to even
  Tensor e5m2 = Tensor::of({DType::kF8E5M2, {3}}, {57344.0, 1e9, -1.1});
  CHECK(e5m2.at(0) == 57344.0);
  CHECK(e5m2.at(1) == 57344.0);
  CHECK(e5m2.at(2) == -1.0);
}

TEST_CASE("integers wrap into narrower storage") {
  std::vector<int64_t> values{-1, 256 + 7, (int64_t{1} << 32) + 5}, back(3);
  std::vector<std::byte> storage(24);
  from_i64(values.data(), 3, DType::kU8, storage.data());
  to_i64(DType::kU8, storage.data(), 3, back.data());
  CHECK(back == std::vector<int64_t>{255, 7, 5});
  from_i64(values.data(), 3, DType::kI32, storage.data());
  to_i64(DType::kI32, storage.data(), 3, back.data());
  CHECK(back == std::vector<int64_t>{-1, 263, 5});
}

}  // namespace
}  // namespace tenon
