// matvec.cpp: dot products where a column's elements are neighbours, sums of scaled rows where a row's are.
#include "runtime/cpu/matvec.h"

#include <algorithm>
#include <bit>

#include "runtime/simd.h"

namespace tenon::cpu {
namespace {

constexpr int kLanes = 32;            // partial sums of a dot product: two registers of 512 bits, four of 256
constexpr int64_t kNeighbours = 256;  // columns whose sums stay in the first cache

#define TENON_INLINE inline __attribute__((always_inline))

TENON_INLINE float widened(float x) { return x; }
TENON_INLINE float widened(uint16_t bf16) { return std::bit_cast<float>(static_cast<uint32_t>(bf16) << 16); }

/// Dot products of a with kColumns columns, `stride` apart.
template <int kColumns, class T>
TENON_INLINE void dots(const float* a, const T* b, int64_t stride, int64_t k, float* out) {
  float sums[kColumns][kLanes] = {};
  int64_t p = 0;
  for (; p + kLanes <= k; p += kLanes)
    for (int column = 0; column < kColumns; ++column)
      for (int lane = 0; lane < kLanes; ++lane)
        sums[column][lane] += a[p + lane] * widened(b[column * stride + p + lane]);
  for (int column = 0; column < kColumns; ++column) {
    for (int64_t rest = p; rest < k; ++rest)
      sums[column][rest - p] += a[rest] * widened(b[column * stride + rest]);
    for (int reach = kLanes / 2; reach > 0; reach /= 2)
      for (int lane = 0; lane < reach; ++lane) sums[column][lane] += sums[column][lane + reach];
    out[column] = sums[column][0];
  }
}

template <class T>
TENON_INLINE void columns_of(int64_t m, int64_t k, const float* a, const T* b, int64_t stride, int64_t count,
                             float* c) {
  constexpr int kTogether = 4;
  int64_t j = 0;
  for (; j + kTogether <= count; j += kTogether)
    for (int64_t i = 0; i < m; ++i) dots<kTogether>(a + i * k, b + j * stride, stride, k, c + i * count + j);
  for (; j < count; ++j)
    for (int64_t i = 0; i < m; ++i) dots<1>(a + i * k, b + j * stride, stride, k, c + i * count + j);
}

template <class T>
TENON_INLINE void rows_of(int64_t m, int64_t k, const float* a, const T* b, int64_t stride, int64_t count,
                          float* c) {
  for (int64_t j = 0; j < count; j += kNeighbours) {
    const int64_t width = std::min(kNeighbours, count - j);
    for (int64_t i = 0; i < m; ++i) {
      float sums[kNeighbours] = {};
      for (int64_t p = 0; p < k; ++p) {
        const float scale = a[i * k + p];
        const T* row = b + p * stride + j;
        for (int64_t lane = 0; lane < width; ++lane) sums[lane] += scale * widened(row[lane]);
      }
      std::copy_n(sums, width, c + i * count + j);
    }
  }
}

TENON_SIMD_FLAT void columns_bf16(int64_t m, int64_t k, const float* a, const uint16_t* b, int64_t stride,
                                  int64_t count, float* c) {
  columns_of(m, k, a, b, stride, count, c);
}
TENON_SIMD_FLAT void columns_f32(int64_t m, int64_t k, const float* a, const float* b, int64_t stride,
                                 int64_t count, float* c) {
  columns_of(m, k, a, b, stride, count, c);
}
TENON_SIMD_FLAT void rows_bf16(int64_t m, int64_t k, const float* a, const uint16_t* b, int64_t stride,
                               int64_t count, float* c) {
  rows_of(m, k, a, b, stride, count, c);
}
TENON_SIMD_FLAT void rows_f32(int64_t m, int64_t k, const float* a, const float* b, int64_t stride,
                              int64_t count, float* c) {
  rows_of(m, k, a, b, stride, count, c);
}

}  // namespace

bool can_stream(const StreamedMatrix& b) {
  return (b.dtype == DType::kBF16 || b.dtype == DType::kF32) && (b.row_stride == 1 || b.column_stride == 1);
}

void matvec(int64_t m, int64_t k, const float* a, const StreamedMatrix& b, int64_t begin, int64_t end,
            float* c) {
  const std::byte* data = b.data + begin * b.column_stride * size_of(b.dtype);
  const int64_t count = end - begin;
  const auto* halves = reinterpret_cast<const uint16_t*>(data);
  const auto* floats = reinterpret_cast<const float*>(data);
  const bool wide = b.dtype == DType::kF32;
  if (b.row_stride == 1)
    wide ? columns_f32(m, k, a, floats, b.column_stride, count, c)
         : columns_bf16(m, k, a, halves, b.column_stride, count, c);
  else
    wide ? rows_f32(m, k, a, floats, b.row_stride, count, c)
         : rows_bf16(m, k, a, halves, b.row_stride, count, c);
}

}  // namespace tenon::cpu
