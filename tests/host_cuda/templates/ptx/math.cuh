// Host versions of templates/ptx/math.cuh, with the instructions' worst relative errors added, so that a test
// sees them.
#pragma once

namespace tenon::ptx {

inline float ex2_approx(float x) {
  const float r = exp2f(x) * (1 + 0x1p-22f);
  return r < 0x1p-126f ? 0.0f : r;
}
inline float lg2_approx(float x) { return log2f(x); }
inline float rcp_approx(float x) { return 1.0f / x * (1 - 0x1p-23f); }
inline float sqrt_approx(float x) { return sqrtf(x) * (1 + 0x1p-23f); }
inline float rsqrt_approx(float x) { return 1.0f / sqrtf(x) * (1 - 0x1p-22f); }
inline float tanh_approx(float x) { return tanhf(x) * (1 - 0x1p-11f); }
inline float sin_approx(float x) { return sinf(x) + 0x1p-21f; }
inline float cos_approx(float x) { return cosf(x) - 0x1p-21f; }

}  // namespace tenon::ptx
