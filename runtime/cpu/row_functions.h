// row_functions.h: sums, maxima and softmaxes of one row of f32, as vectors.
#pragma once
#include <cstdint>

namespace tenon::cpu {

/// Sixteen running sums, added at the end: as exact as summing by pieces, the same on every machine.
float row_sum(const float* x, int64_t n);
float row_max(const float* x, int64_t n);  ///< -inf of nothing; NaN may be passed over
/// x = e^(x - shift); gives the sum.
float row_exp(float* x, int64_t n, float shift);
void row_softmax(float* x, int64_t n);
void row_log_softmax(float* x, int64_t n);
/// x = cap tanh(x / cap)
void row_softcap(float* x, int64_t n, float cap);
void row_multiply(float* x, int64_t n, float factor);

struct Moments {
  float mean, rstd;
};
/// Mean and 1 / sqrt(variance + eps) in two passes; `rms` takes the mean as 0.
Moments row_moments(const float* x, int64_t n, float eps, bool rms);
/// x = (x - mean) rstd weight + bias
void row_scale(float* x, int64_t n, Moments moments, const float* weight, const float* bias);

}  // namespace tenon::cpu
