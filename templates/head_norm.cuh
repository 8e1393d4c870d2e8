// RMS norms of heads in a product's epilogue: before the epilogue runs, a warp a head takes the mean square of its
// elements, whose sums lie in shared memory.
#pragma once
#include "templates/gemm_tile.cuh"
#include "templates/reduce.cuh"

namespace tenon {

// Mean squares of `rows` x kConfig.heads() heads, row by row. `sums_at(row, column)` is what an epilogue call sees
// there, counted in the block; `epilogue.before_norm` of it, the elements to be normalised (zeros in columns that are
// not). Every thread of the block calls it.
template <auto kConfig, class SumsAt, class Epilogue>
TENON_DEVICE void square_heads(const GemmShape& shape, int rows, float* mean_squares, const SumsAt& sums_at,
                               const Epilogue& epilogue) {
  constexpr int kHead = kConfig.head, kHeads = kConfig.heads(), kVector = kConfig.vector;
  static_assert(kHead % kVector == 0 && kConfig.threads() % 32 == 0);
#pragma unroll 1
  for (int head = threadIdx.x / 32; head < rows * kHeads; head += kConfig.threads() / 32) {
    float squares = 0.0f;
    for (int run = threadIdx.x % 32; run < kHead / kVector; run += 32) {
      const auto at = sums_at(head / kHeads, head % kHeads * kHead + run * kVector);
      if (at.row >= shape.m || at.col >= shape.n) continue;
      const auto x = epilogue.before_norm(at);
#pragma unroll
      for (int i = 0; i < kVector; ++i) squares = fmaf(x[i], x[i], squares);
    }
    squares = warp_reduce<32>(squares, Sum{});
    if (threadIdx.x % 32 == 0) mean_squares[head] = squares * (1.0f / float(kHead));
  }
  __syncthreads();
}

}  // namespace tenon
