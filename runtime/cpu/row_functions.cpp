// row_functions.cpp: loops over one row, written so that compilers make vectors of them without reordering
// sums.
#include "runtime/cpu/row_functions.h"

#include <cmath>
#include <limits>

#include "runtime/cpu/functions.h"
#include "runtime/simd.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kLanes = 16;

TENON_INLINE float total(const float* lanes) {
  float sum = 0;
  for (int64_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

}  // namespace

TENON_SIMD float row_sum(const float* x, int64_t n) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] += x[i + j];
  for (; i < n; ++i) lanes[i % kLanes] += x[i];
  return total(lanes);
}

TENON_SIMD float row_max(const float* x, int64_t n) {
  float lanes[kLanes];
  for (float& lane : lanes) lane = -std::numeric_limits<float>::infinity();
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) lanes[j] = x[i + j] > lanes[j] ? x[i + j] : lanes[j];
  float largest = lanes[0];
  for (float lane : lanes) largest = lane > largest ? lane : largest;
  for (; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

TENON_SIMD float row_exp(float* x, int64_t n, float shift) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) {
      x[i + j] = exp_f32(x[i + j] - shift);
      lanes[j] += x[i + j];
    }
  for (; i < n; ++i) {
    x[i] = exp_f32(x[i] - shift);
    lanes[i % kLanes] += x[i];
  }
  return total(lanes);
}

TENON_SIMD void row_multiply(float* x, int64_t n, float factor) {
  for (int64_t i = 0; i < n; ++i) x[i] *= factor;
}

void row_softmax(float* x, int64_t n) {
  float sum = row_exp(x, n, row_max(x, n));
  row_multiply(x, n, 1.f / sum);
}

void row_log_softmax(float* x, int64_t n) {
  float largest = row_max(x, n), lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i % kLanes] += exp_f32(x[i] - largest);
  float shift = std::log(total(lanes));
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] - largest - shift;
}

TENON_SIMD void row_softcap(float* x, int64_t n, float cap) {
  for (int64_t i = 0; i < n; ++i) x[i] = cap * tanh_f32(x[i] / cap);
}

TENON_SIMD Moments row_moments(const float* x, int64_t n, float eps, bool rms) {
  float lanes[kLanes] = {}, mean = rms ? 0.f : row_sum(x, n) / static_cast<float>(n);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t j = 0; j < kLanes; ++j) {
      float centred = x[i + j] - mean;
      lanes[j] += centred * centred;
    }
  for (; i < n; ++i) lanes[i % kLanes] += (x[i] - mean) * (x[i] - mean);
  return {mean, 1.f / std::sqrt(total(lanes) / static_cast<float>(n) + eps)};
}

TENON_SIMD void row_scale(float* x, int64_t n, Moments moments, const float* weight, const float* bias) {
  for (int64_t i = 0; i < n; ++i) x[i] = (x[i] - moments.mean) * moments.rstd * weight[i] + bias[i];
}

}  // namespace tenon::cpu
