// gemm.h: one product of f32 matrices with any strides, by BLIS, on the calling thread.
#pragma once
#include <cstdint>

namespace tenon::cpu {

/// Element (i, j) lies at i row_stride + j column_stride.
struct Panel {
  const float* data;
  int64_t row_stride, column_stride;
};

/// c[m, n] = a[m, k] b[k, n] + beta c, rows of c row_stride_c apart; beta = 0 does not read c.
void gemm(int64_t m, int64_t n, int64_t k, Panel a, Panel b, float beta, float* c, int64_t row_stride_c);

}  // namespace tenon::cpu
