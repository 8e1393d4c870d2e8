// drawn_tensor.h: operands for tests of device headers, drawn so that their type holds them exactly.
#pragma once
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/host_cuda/host_kernel.h"
#include "tests/host_cuda/templates/ptx/convert.cuh"

namespace tenon::host_cuda {

inline float bf16_value(uint16_t bits) { return __builtin_bit_cast(float, uint32_t(bits) << 16); }
inline uint16_t bf16_bits(float x) {
  const uint32_t bits = __builtin_bit_cast(uint32_t, x);
  return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// Values that a T holds exactly, as the buffer of T and as doubles.
struct Tensor {
  DeviceBuffer buffer;
  std::vector<double> values;
};

inline Tensor draw(const std::string& type, size_t count, unsigned seed, double offset = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Tensor tensor{DeviceBuffer(count * (type == "float" ? 4 : 2), "drawn"), {}};
  for (size_t i = 0; i < count; ++i) {
    const uint16_t bits = bf16_bits(normal(random) + float(offset));
    const float value = bf16_value(bits);
    tensor.values.push_back(value);
    if (type == "float") tensor.buffer.as<float>()[i] = value;
    if (type == "bf16") tensor.buffer.as<uint16_t>()[i] = bits;
    if (type == "f16") {  // bf16 values near 1 are f16 values too
      const uint16_t half = ptx::f16_from_float(value);
      tensor.buffer.as<uint16_t>()[i] = half;
      tensor.values.back() = ptx::float_from_f16(half);
    }
  }
  return tensor;
}

inline bool no_compiler() {
  if (host_compiler_available()) return false;
  MESSAGE("SKIPPED: no C++ compiler");
  return true;
}

}  // namespace tenon::host_cuda
