// Rows: what a kernel says between reading and writing one row. ResidentRow holds the row in registers,
// StreamedRow passes over it once for each reduction, StreamedColumn reduces along an axis that is not the
// last, neighbouring results side by side. Reductions give every thread of the row the result, in a fixed
// order. A body is a functor over the row:
//   const auto x = row.load(x_in + c0 * 4096);
//   const auto m = row.max(x);
#pragma once
#include "templates/config.cuh"
#include "templates/memory.cuh"
#include "templates/reduce.cuh"
#include "templates/split_sum.cuh"

namespace tenon {

// What reductions start from.
template <class T>
TENON_DEVICE T lowest_of() {
  if constexpr (kSame<T, float>)
    return -kInfinity;
  else if constexpr (kSame<T, bool>)
    return false;
  else
    return smallest<T>();
}
template <class T>
TENON_DEVICE T highest_of() {
  if constexpr (kSame<T, float>)
    return kInfinity;
  else if constexpr (kSame<T, bool>)
    return true;
  else
    return largest<T>();
}

// A value and where it stands; NaN is the largest, of equals the first wins.
template <class T>
struct Placed {
  T value;
  i64 place;
};
struct FirstLargest {
  template <class T>
  TENON_DEVICE Placed<T> operator()(const Placed<T>& a, const Placed<T>& b) const {
    const bool a_nan = a.value != a.value, b_nan = b.value != b.value;
    const bool b_wins =
        a.place < 0 || (b.place >= 0 && ((b_nan && !a_nan) || (!a_nan && b.value > a.value) ||
                                         ((b.value == a.value || (a_nan && b_nan)) && b.place < a.place)));
    return b_wins ? b : a;
  }
};

// The type in which the mean of T's is summed: integers would wrap.
template <class T>
struct MeanSumOf {
  using Type = i64;
};
template <>
struct MeanSumOf<float> {
  using Type = float;
};
template <class T>
using MeanSum = typename MeanSumOf<T>::Type;
template <class T, class Index>
TENON_DEVICE T mean_of(MeanSum<T> sum, Index count) {
  if constexpr (kSame<T, float>)
    return sum / float(count);
  else
    return T(div(sum, i64(count)));
}

// A row of `columns` elements in the registers of threads_per_row threads: vector i of thread t begins at
// column (i * threads + t) * width. Columns are a multiple of the width.
template <RowConfig kConfig, class Index>
struct ResidentRow {
  using Number = Index;
  enum { kLanes = kConfig.width * kConfig.vectors };
  Index index;  // of the row
  bool active;  // false for the threads behind the last row, which work on a copy of it and store nothing
  Index columns;

  TENON_DEVICE Index thread() const { return threadIdx.x % kConfig.threads_per_row; }
  TENON_DEVICE Index column(int vector) const {
    return (vector * kConfig.threads_per_row + thread()) * kConfig.width;
  }

  // `row` points to the row's first element; kAligned as in memory.cuh.
  template <int kAligned = kConfig.width, class T>
  TENON_DEVICE auto load(const T* row) const {
    Vec<Compute<T>, kLanes> r;
#pragma unroll
    for (int i = 0; i < kConfig.vectors; ++i) {
      Vec<Compute<T>, kConfig.width> part = splat<kConfig.width>(Compute<T>(0));
      if (column(i) < columns) part = tenon::load<kConfig.width, kAligned>(row + column(i));
#pragma unroll
      for (int j = 0; j < kConfig.width; ++j) r[i * kConfig.width + j] = part[j];
    }
    return r;
  }
  template <class T>
  TENON_DEVICE auto load_strided(const T* row, i64 stride) const {
    Vec<Compute<T>, kLanes> r;
#pragma unroll
    for (int i = 0; i < kLanes; ++i) {
      const Index at = column(i / kConfig.width) + i % kConfig.width;
      r[i] = Compute<T>(0);
      if (at < columns) r[i] = widen(row[at * stride]);
    }
    return r;
  }
  // first + column * step
  TENON_DEVICE Vec<Index, kLanes> counting(Index first, Index step) const {
    Vec<Index, kLanes> r;
#pragma unroll
    for (int i = 0; i < kLanes; ++i) r[i] = first + (column(i / kConfig.width) + i % kConfig.width) * step;
    return r;
  }
  template <int kAligned = kConfig.width, class T, class V>
  TENON_DEVICE void store(T* row, const Vec<V, kLanes>& v) const {
#pragma unroll
    for (int i = 0; i < kConfig.vectors; ++i) {
      Vec<V, kConfig.width> part;
#pragma unroll
      for (int j = 0; j < kConfig.width; ++j) part[j] = v[i * kConfig.width + j];
      if (active && column(i) < columns) tenon::store<kAligned>(row + column(i), part);
    }
  }
  // One value for the row.
  template <class T, class V>
  TENON_DEVICE void store_one(T* p, V value) const {
    if (active && thread() == 0) *p = cast<T>(value);
  }

  template <class T, class Op>
  TENON_DEVICE T reduce(Vec<T, kLanes> v, T nothing, Op op) const {
#pragma unroll
    for (int i = 0; i < kLanes; ++i)
      if (column(i / kConfig.width) >= columns) v[i] = nothing;
    return group_reduce<kConfig.threads_per_row>(lane_reduce(v, op), op);
  }
  template <class T>
  TENON_DEVICE T sum(const Vec<T, kLanes>& v) const {
    return reduce(v, T(0), Sum());
  }
  template <class T>
  TENON_DEVICE T mean(const Vec<T, kLanes>& v) const {
    return mean_of<T>(sum(cast<MeanSum<T>>(v)), columns);
  }
  template <class T>
  TENON_DEVICE T max(const Vec<T, kLanes>& v) const {
    return reduce(v, lowest_of<T>(), Maximum());
  }
  template <class T>
  TENON_DEVICE T min(const Vec<T, kLanes>& v) const {
    return reduce(v, highest_of<T>(), Minimum());
  }
  template <class T>
  TENON_DEVICE T prod(const Vec<T, kLanes>& v) const {
    return reduce(v, T(1), Product());
  }
  template <class T>
  TENON_DEVICE i64 argmax(const Vec<T, kLanes>& v) const {
    Vec<Placed<T>, kLanes> placed;
#pragma unroll
    for (int i = 0; i < kLanes; ++i) placed[i] = {v[i], column(i / kConfig.width) + i % kConfig.width};
    return maximum(reduce(placed, Placed<T>{T(0), -1}, FirstLargest()).place, i64(0));
  }
};

// One vector of a row that is passed over.
template <int kWidth, class Index>
struct RowChunk {
  Index place;  // along the reduced axis: of its first lane in a row, of all lanes in neighbouring rows
  bool active;

  template <int kAligned = kWidth, class T>
  TENON_DEVICE auto load(const T* p) const {
    return tenon::load<kWidth, kAligned>(p);
  }
  template <class T>
  TENON_DEVICE auto load_strided(const T* p, i64 stride) const {
    return tenon::load_strided<kWidth>(p, stride, kWidth);
  }
  template <int kAligned = kWidth, class T, class V>
  TENON_DEVICE void store(T* p, const V& v) const {
    if (active) tenon::store<kAligned>(p, v);
  }
};

// What the blocks that share a row leave for the last of them, and how many have come: zero before and after.
struct RowShares {
  void* values = nullptr;  // share_bytes() a block
  int* arrivals = nullptr;
};

// A row too long for registers: each reduction and each store passes over it, computing again what it needs. Where blocks
// share it, each passes over its chunks, and the last that arrives at the row's only reduction goes on alone.
template <RowConfig kConfig, class Index>
struct StreamedRow {
  using Number = Index;
  using Chunk = RowChunk<kConfig.width, Index>;
  Index index;
  mutable bool active;  // of shared rows: in the last block alone, from the reduction on
  Index columns;
  RowShares shares = {};

  TENON_DEVICE Index thread() const { return threadIdx.x % kConfig.threads_per_row; }
  template <class F>
  TENON_DEVICE void each(F f) const {
    constexpr int kBlock = kConfig.threads_per_row * kConfig.width;
    const Index first = kConfig.slices > 1 ? Index(blockIdx.x % kConfig.slices) * kBlock : 0;
#pragma unroll 2
    for (Index col = first + thread() * kConfig.width; col < columns; col += kConfig.slices * kBlock)
      f(Chunk{col, active});
  }
  template <class T, class V>
  TENON_DEVICE void store_one(T* p, V value) const {
    if (active && thread() == 0) *p = cast<T>(value);
  }

  template <class T, class F, class Op>
  TENON_DEVICE T reduce(T nothing, F f, Op op) const {
    Vec<T, kConfig.width> lanes = splat<kConfig.width>(nothing);
    each([&](const Chunk& at) {
      const auto v = f(at);
#pragma unroll
      for (int i = 0; i < kConfig.width; ++i) lanes[i] = op(lanes[i], v[i]);
    });
    const T mine = group_reduce<kConfig.threads_per_row>(lane_reduce(lanes, op), op);
    if constexpr (kConfig.slices > 1)
      return join(mine, nothing, op);
    else
      return mine;
  }
  // Over the blocks of the row; the result is the last one's to use.
  template <class T, class Op>
  TENON_DEVICE T join(const T& mine, const T& nothing, Op op) const {
    static_assert(kConfig.slices <= 32 && kConfig.threads_per_row >= 32 && kConfig.rows == 1);
    static_assert(sizeof(T) <= RowConfig::share_bytes());
    T* const values = static_cast<T*>(shares.values);
    if (thread() == 0) values[blockIdx.x % kConfig.slices] = mine;
    active = is_last_slice(shares.arrivals, kConfig.slices);
    const int lane = threadIdx.x % 32;
    return warp_reduce<32>(active && lane < kConfig.slices ? values[lane] : nothing, op);
  }
  template <class T, class F>
  TENON_DEVICE T sum(F f) const {
    return reduce(T(0), f, Sum());
  }
  template <class T, class F>
  TENON_DEVICE T mean(F f) const {
    using S = MeanSum<T>;
    return mean_of<T>(sum<S>([&](const Chunk& at) { return cast<S>(f(at)); }), columns);
  }
  template <class T, class F>
  TENON_DEVICE T max(F f) const {
    return reduce(lowest_of<T>(), f, Maximum());
  }
  template <class T, class F>
  TENON_DEVICE T min(F f) const {
    return reduce(highest_of<T>(), f, Minimum());
  }
  template <class T, class F>
  TENON_DEVICE T prod(F f) const {
    return reduce(T(1), f, Product());
  }
  template <class T, class F>
  TENON_DEVICE i64 argmax(F f) const {
    const auto placed = [&](const Chunk& at) {
      const auto v = f(at);
      Vec<Placed<T>, kConfig.width> r;
#pragma unroll
      for (int i = 0; i < kConfig.width; ++i) r[i] = {v[i], at.place + i};
      return r;
    };
    return maximum(reduce(Placed<T>{T(0), -1}, placed, FirstLargest()).place, i64(0));
  }
};

// `width` neighbouring rows whose elements lie apart: threads_per_row threads share the places along the
// reduced axis, `rows` runs of neighbouring rows share a block. Results are vectors, one lane for each row.
template <RowConfig kConfig, class Index>
struct StreamedColumn {
  using Number = Index;
  using Chunk = RowChunk<kConfig.width, Index>;
  Index index;  // of the run
  bool active;
  Index columns;  // places along the reduced axis

  TENON_DEVICE Index thread() const { return threadIdx.x / kConfig.rows; }
  template <class F>
  TENON_DEVICE void each(F f) const {
#pragma unroll 4
    for (Index place = thread(); place < columns; place += kConfig.threads_per_row) f(Chunk{place, active});
  }
  template <int kAligned = kConfig.width, class T, class V>
  TENON_DEVICE void store_one(T* p, const V& values) const {
    if (active && thread() == 0) tenon::store<kAligned>(p, values);
  }

  template <class T, class F, class Op>
  TENON_DEVICE Vec<T, kConfig.width> reduce(T nothing, F f, Op op) const {
    using Lanes = Vec<T, kConfig.width>;
    Lanes lanes = splat<kConfig.width>(nothing);
    each([&](const Chunk& at) { lanes = combine(lanes, f(at), op); });
    if constexpr (kConfig.threads_per_row > 1) {
      __shared__ Lanes scratch[kConfig.threads_per_row][kConfig.rows];
      __syncthreads();  // the readers of an earlier use are done
      scratch[thread()][threadIdx.x % kConfig.rows] = lanes;
      __syncthreads();
      lanes = scratch[0][threadIdx.x % kConfig.rows];
      for (int i = 1; i < kConfig.threads_per_row; ++i)
        lanes = combine(lanes, scratch[i][threadIdx.x % kConfig.rows], op);
    }
    return lanes;
  }
  template <class Lanes, class Op>
  TENON_DEVICE static Lanes combine(Lanes a, const Lanes& b, Op op) {
#pragma unroll
    for (int i = 0; i < kConfig.width; ++i) a[i] = op(a[i], b[i]);
    return a;
  }
  template <class T, class F>
  TENON_DEVICE auto sum(F f) const {
    return reduce(T(0), f, Sum());
  }
  template <class T, class F>
  TENON_DEVICE auto mean(F f) const {
    using S = MeanSum<T>;
    return map([this](S total) { return mean_of<T>(total, columns); },
               sum<S>([&](const Chunk& at) { return cast<S>(f(at)); }));
  }
  template <class T, class F>
  TENON_DEVICE auto max(F f) const {
    return reduce(lowest_of<T>(), f, Maximum());
  }
  template <class T, class F>
  TENON_DEVICE auto min(F f) const {
    return reduce(highest_of<T>(), f, Minimum());
  }
  template <class T, class F>
  TENON_DEVICE auto prod(F f) const {
    return reduce(T(1), f, Product());
  }
  template <class T, class F>
  TENON_DEVICE auto argmax(F f) const {
    const auto placed = [&](const Chunk& at) {
      return map([&](T value) { return Placed<T>{value, at.place}; }, f(at));
    };
    return map([](const Placed<T>& best) { return maximum(best.place, i64(0)); },
               reduce(Placed<T>{T(0), -1}, placed, FirstLargest()));
  }
};

// Gives each group of threads its row, or its run of neighbouring rows.
template <RowConfig kConfig, class Row, class Body>
TENON_DEVICE void walk_rows(typename Row::Number rows, typename Row::Number columns, const Body& body) {
  if (rows == 0) return;
  using Index = typename Row::Number;
  const Index row = Index(blockIdx.x) * kConfig.rows + Index(threadIdx.x / kConfig.threads_per_row);
  body(Row{row < rows ? row : rows - 1, row < rows, columns});
}
// Gives each row `slices` blocks.
template <RowConfig kConfig, class Row, class Body>
TENON_DEVICE void walk_shared_rows(typename Row::Number rows, typename Row::Number columns, u8* shares,
                                   i32* arrivals, const Body& body) {
  if (rows == 0) return;
  const typename Row::Number row = blockIdx.x / kConfig.slices;
  body(Row{
      row, true, columns, {shares + i64(row) * kConfig.slices * RowConfig::share_bytes(), arrivals + row}});
}
template <RowConfig kConfig, class Row, class Body>
TENON_DEVICE void walk_columns(typename Row::Number runs, typename Row::Number places, const Body& body) {
  if (runs == 0) return;
  using Index = typename Row::Number;
  const Index run = Index(blockIdx.x) * kConfig.rows + Index(threadIdx.x % kConfig.rows);
  body(Row{run < runs ? run : runs - 1, run < runs, places});
}

}  // namespace tenon
