// Rows whose result depends on the order of their elements: running sums, and the k largest. Element i of row r lies at
// (r / inner * length + i) * inner + r % inner, so that any axis can be the row's.
#pragma once
#include "templates/row.cuh"

namespace tenon {

template <class Index>
struct RowLayout {
  Index rows, length, inner;
  TENON_DEVICE Index first(Index row, Index row_length) const {
    return row / inner * row_length * inner + row % inner;
  }
};

// A warp sums a row, 32 elements at a time.
template <class T, class Index>
TENON_DEVICE void cumsum_rows(const T* x, T* y, const RowLayout<Index>& layout) {
  using C = Compute<T>;
  const Index row = (Index(blockIdx.x) * blockDim.x + threadIdx.x) / 32;
  if (row >= layout.rows) return;
  const Index lane = threadIdx.x % 32, from = layout.first(row, layout.length);
  C before = C(0);
  for (Index start = 0; start < layout.length; start += 32) {
    const Index i = start + lane;
    C sum = i < layout.length ? widen(x[from + i * layout.inner]) : C(0);
#pragma unroll
    for (int reach = 1; reach < 32; reach *= 2) {
      const C left = C(__shfl_up_sync(0xffffffffu, sum, reach));
      if (lane >= reach) sum = add(left, sum);
    }
    sum = add(before, sum);
    if (i < layout.length) y[from + i * layout.inner] = cast<T>(sum);
    before = C(__shfl_sync(0xffffffffu, sum, 31));
  }
}

// A block finds the largest element after the last found, k times: descending, NaN first, equals by place.
template <int kThreads, class T, class Index>
TENON_DEVICE void topk_rows(const T* x, T* values, i64* places, Index k, const RowLayout<Index>& layout) {
  using P = Placed<Compute<T>>;
  const Index row = blockIdx.x;
  if (row >= layout.rows) return;
  const Index from = layout.first(row, layout.length), to = layout.first(row, k);
  P last{Compute<T>(0), -1};
  for (Index j = 0; j < k; ++j) {
    P best{Compute<T>(0), -1};
    for (Index i = threadIdx.x; i < layout.length; i += kThreads) {
      const P here{widen(x[from + i * layout.inner]), i};
      const bool taken =
          j > 0 && (here.place == last.place || FirstLargest()(last, here).place != last.place);
      if (!taken) best = FirstLargest()(best, here);
    }
    last = block_reduce<kThreads>(best, FirstLargest());
    if (threadIdx.x == 0) {  // either result may be one that nobody wants
      if (values) values[to + j * layout.inner] = cast<T>(last.value);
      if (places) places[to + j * layout.inner] = last.place;
    }
  }
}

}  // namespace tenon
