// functions.h: exp, tanh, erf and their kin in f32 without branches, so that loops over them become vectors.
// Polynomials are Chebyshev fits of our own; errors are those of the whole function (elementwise_test.cpp).
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace tenon::cpu {

#define TENON_INLINE inline __attribute__((always_inline))

/// e^x within 2 ulp; below -87 it is 0, above 88.72 infinity; NaN stays.
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r = 1 + r + r^2 p(r); 2^n is made in the exponent's bits.
TENON_INLINE float exp_f32(float x) {
  constexpr float kRound = 12582912.f;  // 1.5 * 2^23: adding it leaves the nearest integer in the low bits
  float clamped = x > 89.f ? 89.f : x;
  float shifted = clamped * 1.44269504f + kRound;
  float n = shifted - kRound;
  float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts
  float p = 0.00139336506f;
  p = p * r + 0.00836318012f;
  p = p * r + 0.0416664649f;
  p = p * r + 0.16666577f;
  p = p * r + 0.5f;
  p = (p * r * r + r) + 1.f;
  // 2^(n-1), then twice: n = 128 has no exponent of its own.
  uint32_t exponent = (std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRound) + 126u) << 23;
  float result = p * std::bit_cast<float>(exponent) * 2.f;
  return x < -87.f ? 0.f : result;
}

TENON_INLINE float sigmoid_f32(float x) { return 1.f / (1.f + exp_f32(-x)); }

/// Relative error below 4e-7. Small x by an odd polynomial, large by e^2x.
TENON_INLINE float tanh_f32(float x) {
  float a = std::fabs(x), u = x * x;
  float p = -0.00585642786f;
  p = p * u + 0.0207574754f;
  p = p * u - 0.0537699218f;
  p = p * u + 0.133317047f;
  p = p * u - 0.33333284f;
  float small = x + x * u * p;
  float large = std::copysign(1.f - 2.f / (exp_f32(2.f * a) + 1.f), x);
  return a < 0.6f ? small : large;  // NaN takes the second, and stays
}

/// erfc(a) for a >= 0: e^(-a^2) times a polynomial in 1 / (1 + a/2).
TENON_INLINE float erfc_positive_f32(float a) {
  float t = 1.f / (1.f + 0.5f * a);
  float p = -0.0467614849f;
  p = p * t + 0.221274909f;
  p = p * t - 0.347274566f;
  p = p * t + 0.104151723f;
  p = p * t + 0.106859464f;
  p = p * t + 0.137307267f;
  p = p * t + 0.263468558f;
  p = p * t + 0.278497017f;
  p = p * t + 0.282495261f;
  p = p * t - 1.81582514e-5f;
  return exp_f32(-a * a) * p;
}

/// Relative error below 1e-6.
TENON_INLINE float erf_f32(float x) {
  float a = std::fabs(x), u = x * x;
  float p = 8.53412061e-05f;
  p = p * u - 0.000818078088f;
  p = p * u + 0.00520433158f;
  p = p * u - 0.026860709f;
  p = p * u + 0.112837189f;
  p = p * u - 0.376126353f;
  p = p * u + 1.12837917f;
  float large = std::copysign(1.f - erfc_positive_f32(a), x);
  return a < 0.9f ? x * p : large;
}

/// x/2 erfc(-x / sqrt 2): the form that does not cancel for negative x. Infinities give their limits'
/// products.
TENON_INLINE float gelu_f32(float x) {
  float half = 0.5f * x * erfc_positive_f32(std::fabs(x) * 0.707106781f);
  return x < 0.f ? half : x - half;
}

TENON_INLINE float gelu_tanh_f32(float x) {
  float inner = 0.797884561f * (x + 0.044715f * x * x * x);
  return x / (1.f + exp_f32(-2.f * inner));  // (1 + tanh y) / 2 is sigmoid(2y)
}

}  // namespace tenon::cpu
