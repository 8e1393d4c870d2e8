// matvec.h: products of few rows, which read a matrix once and do little with it: weights stream in their own type.
#pragma once
#include <cstdint>

#include "ir/dtype.h"

namespace tenon::cpu {

constexpr int64_t kMatvecRows = 4;  ///< from more on, BLIS and widened blocks win

/// One operand's elements, of f32 or bf16: element (p, j) of [k, n] lies at p * row_stride + j * column_stride, one of
/// which is 1.
struct StreamedMatrix {
  const std::byte* data;
  DType dtype;
  int64_t row_stride, column_stride;
};
bool can_stream(const StreamedMatrix& b);

/// c[i, j] = sum over p of a[i * k + p] * b[p, j] for i < m <= kMatvecRows and columns j in [begin, end); c has a row stride
/// of end - begin. Sums are of f32 in 32 lanes, or in the order of p where columns are neighbours: the same for every
/// division of the columns.
void matvec(int64_t m, int64_t k, const float* a, const StreamedMatrix& b, int64_t begin, int64_t end,
            float* c);

}  // namespace tenon::cpu
