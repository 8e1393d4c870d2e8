// How the threads of a block multiply few rows by streamed weights: by fused multiply-adds, or on tensor
// cores with the weights as the left operand of mma.sync, so that no row is padding beyond 8.
#pragma once
#include "templates/gemv_tile.cuh"
#include "templates/reduce.cuh"
#include "templates/warp_product.cuh"

namespace tenon {

// Adds kKept values over the lanes that differ in bits kLast .. kMask. While their number is even each half
// of the lanes goes on with half of the values, which takes a shuffle a value in all rather than one a value
// and bit. Returns the index of the first value that this lane holds in the end.
template <int kMask, int kLast, int kKept, int kValues>
TENON_DEVICE int sum_lanes(float (&values)[kValues], int first = 0) {
  if constexpr (kMask < kLast || kMask == 0) {
    return first;
  } else if constexpr (kKept % 2 == 0) {
    constexpr int kHalf = kKept / 2;
    const bool upper = threadIdx.x & kMask;
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      const float mine = upper ? values[i + kHalf] : values[i];
      const float theirs = upper ? values[i] : values[i + kHalf];
      values[i] = mine + shuffle_xor(theirs, kMask);
    }
    return sum_lanes<kMask / 2, kLast, kHalf>(values, upper ? first + kHalf : first);
  } else {
#pragma unroll
    for (int i = 0; i < kKept; ++i) values[i] += shuffle_xor(values[i], kMask);
    return sum_lanes<kMask / 2, kLast, kKept>(values, first);
  }
}
// How many values sum_lanes leaves in a lane, and the bits in which lanes that hold the same ones differ.
struct LaneShare {
  int kept, copies;
};
constexpr LaneShare lane_share(int mask, int last, int values) {
  LaneShare share{values, 0};
  for (; mask >= last && mask > 0; mask /= 2)
    if (share.kept % 2 == 0)
      share.kept /= 2;
    else
      share.copies |= mask;
  return share;
}
// Stores the sums over those lanes, `to(i)` being where value i belongs.
template <int kMask, int kLast, int kValues, class To>
TENON_DEVICE void store_lane_sums(float (&values)[kValues], const To& to) {
  constexpr LaneShare kShare = lane_share(kMask, kLast, kValues);
  const int first = sum_lanes<kMask, kLast, kValues>(values);
  if (threadIdx.x & kShare.copies) return;
#pragma unroll
  for (int i = 0; i < kShare.kept; ++i) *to(first + i) = values[i];
}

// Fused multiply-adds: a thread holds its columns of every row.
template <GemvConfig kConfig, class T>
struct GemvFma {
  static constexpr bool kAlongK = kConfig.b_contiguous == Contiguous::k;
  static constexpr int kRows = kConfig.rows;  // of A that a thread reads
  // The lanes of a warp that hold parts of the same sums differ in these bits.
  static constexpr int kMask = kAlongK ? (kConfig.lanes < 32 ? kConfig.lanes : 32) / 2 : 16,
                       kLast = kAlongK ? 1 : kConfig.groups;
  static_assert(kConfig.threads() % 32 == 0 && (kAlongK || kConfig.groups <= 32));
  using Rows = Vec<T, kConfig.depth>[kRows];

  TENON_DEVICE static int group() {
    return kAlongK ? threadIdx.x / kConfig.lanes : threadIdx.x % kConfig.groups;
  }
  TENON_DEVICE static int lane() {
    return kAlongK ? threadIdx.x % kConfig.lanes : threadIdx.x / kConfig.groups;
  }
  TENON_DEVICE static int warp_k() { return (kAlongK ? lane() : int(threadIdx.x)) / 32; }
  // The first column, in the block, of a thread's line, and the row of one that it reads.
  TENON_DEVICE static int column(int line) { return group() * kConfig.columns + (kAlongK ? line : 0); }
  TENON_DEVICE static int row(int i) { return i; }

  float sums[kConfig.products * kRows * kConfig.columns] = {};

  template <class Lines>
  TENON_DEVICE void add(int product, const typename Lines::Chunk (&lines)[kConfig.lines()], const Rows& a) {
    Vec<float, kConfig.depth> x[kRows];
#pragma unroll
    for (int r = 0; r < kRows; ++r) x[r] = widen(a[r]);
#pragma unroll
    for (int line = 0; line < kConfig.lines(); ++line) {
      const auto w = Lines::floats(lines[line]);
#pragma unroll
      for (int i = 0; i < (kAlongK ? kConfig.depth : kConfig.columns); ++i)
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
          float& sum = sums[(product * kRows + r) * kConfig.columns + (kAlongK ? line : i)];
          sum = fmaf(w[i], x[r][kAlongK ? i : line], sum);
        }
    }
  }
  TENON_DEVICE void stage(float* to) {
    const int first = group() * kConfig.columns;
    store_lane_sums<kMask, kLast>(sums, [&](int i) {
      return to + i / kConfig.columns * kConfig.block_n() + first + i % kConfig.columns;
    });
  }
  // Whether this thread's parts of the rows are summed; other groups have read the same.
  TENON_DEVICE static bool sums_rows() { return kAlongK ? threadIdx.x / 32 * 32 < kConfig.lanes : true; }
  TENON_DEVICE static bool stores_rows() { return group() == 0; }
};

// Tensor cores, 16-bit elements: 16 columns of C by 8 rows at a time. Lane 4g + q reads k = 8q .. 8q + 7 of a
// round from its lines and from row g, and since a sum may be taken in any order, words 2s and 2s + 1 of
// these are what mma number s wants as its k = 2q, 2q + 1 and k = 2q + 8, 2q + 9: no shuffle, no shared memory.
template <GemvConfig kConfig, class T>
struct GemvMma {
  static constexpr bool kAlongK = kConfig.b_contiguous == Contiguous::k;
  static constexpr int kRows = kConfig.rows / 8;  // of A that a thread reads
  static constexpr int kFragments = kConfig.columns / 2;
  static constexpr int kMask = 2, kLast = 1;
  static_assert(Storage16<T> && kConfig.depth == 8 && kConfig.groups == 8 && kConfig.rows % 8 == 0 &&
                kConfig.columns % 2 == 0 && kConfig.lanes % 4 == 0 && (kAlongK || kConfig.columns == 8));
  using Rows = Vec<T, kConfig.depth>[kRows];

  TENON_DEVICE static int g() { return threadIdx.x % 32 / 4; }
  TENON_DEVICE static int lane() { return threadIdx.x / 32 * 4 + threadIdx.x % 4; }
  TENON_DEVICE static int warp_k() { return threadIdx.x / 32; }
  // Along k two lines, 8 columns apart, are a fragment's rows g and g + 8. Otherwise a thread's columns are 8
  // neighbours, and columns i and i + 4 are those rows of fragment i.
  TENON_DEVICE static int column(int line) { return kAlongK ? line * 8 + g() : g() * 8; }
  TENON_DEVICE static int row(int i) { return g() + 8 * i; }

  float sums[kConfig.products * kFragments * kRows][4] = {};

  template <class Lines>
  TENON_DEVICE void add(int product, const typename Lines::Chunk (&lines)[kConfig.lines()], const Rows& a) {
    Vec<u32, 4> w[kConfig.lines()], x[kRows];
#pragma unroll
    for (int line = 0; line < kConfig.lines(); ++line) w[line] = Lines::words(lines[line]);
#pragma unroll
    for (int r = 0; r < kRows; ++r) x[r] = __builtin_bit_cast(Vec<u32, 4>, a[r]);
#pragma unroll
    for (int step = 0; step < 2; ++step)
#pragma unroll
      for (int f = 0; f < kFragments; ++f) {
        unsigned fragment[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          if constexpr (kAlongK)
            fragment[i] = w[2 * f + i % 2][2 * step + i / 2];
          else
            fragment[i] = pair(w[4 * step + i / 2 * 2], w[4 * step + i / 2 * 2 + 1], f + i % 2 * 4);
        }
#pragma unroll
        for (int r = 0; r < kRows; ++r)
          multiply_fragments<T>(sums[(product * kFragments + f) * kRows + r], fragment,
                                {x[r][2 * step], x[r][2 * step + 1]});
      }
  }
  TENON_DEVICE void stage(float* to) {
    const int q = threadIdx.x % 4;
#pragma unroll
    for (int p = 0; p < kConfig.products; ++p)
#pragma unroll
      for (int f = 0; f < kFragments; ++f)
#pragma unroll
        for (int i = 0; i < kRows * 4; ++i) {
          const int row = i / 4 * 8 + q * 2 + i % 2, half = i % 4 / 2;
          const int at = kAlongK ? f * 16 + half * 8 + g() : g() * 8 + f + half * 4;
          to[(p * kConfig.rows + row) * kConfig.block_n() + at] =
              sums[(p * kFragments + f) * kRows + i / 4][i % 4];
        }
  }
  TENON_DEVICE static bool sums_rows() { return true; }
  TENON_DEVICE static bool stores_rows() { return true; }

 private:
  // Element `index` of two lines, the first in the lower half.
  TENON_DEVICE static unsigned pair(const Vec<u32, 4>& first, const Vec<u32, 4>& second, int index) {
    const u32 low = first[index / 2], high = second[index / 2];
    return index % 2 ? low >> 16 | (high & 0xffff0000u) : (low & 0xffffu) | high << 16;
  }
};

template <GemvConfig kConfig, class T>
struct GemvThreads : GemvFma<kConfig, T> {};
template <GemvConfig kConfig, class T>
requires(kConfig.tensor_cores&& kConfig.group == 0) struct GemvThreads<kConfig, T> : GemvMma<kConfig, T> {
};

// Sums over the rows of A, of the parts that pass through a thread's registers: of x - pivot and of its
// square, the pivot being the row's first element (0 for RowSums::squares), so that rows far from zero keep
// their variance.
template <GemvConfig kConfig, class Threads>
struct GemvRowSums {
  float sums[2 * Threads::kRows] = {}, pivot[Threads::kRows] = {};

  template <class Chunk>
  TENON_DEVICE void add(const Chunk (&a)[Threads::kRows]) {
#pragma unroll
    for (int r = 0; r < Threads::kRows; ++r)
#pragma unroll
      for (int i = 0; i < kConfig.depth; ++i) {
        const float offset = widen(a[r][i]) - pivot[r];
        if constexpr (kConfig.row_sums == RowSums::moments) sums[2 * r] += offset;
        sums[2 * r + 1] = fmaf(offset, offset, sums[2 * r + 1]);
      }
  }
  // Row sums follow the block's other sums; the pivots are once in a block.
  TENON_DEVICE void stage(float* to, float* pivots) {
#pragma unroll
    for (int r = 0; r < Threads::kRows; ++r)
      if (Threads::lane() == 0 && Threads::stores_rows()) pivots[Threads::row(r)] = pivot[r];
    if (!Threads::sums_rows()) return;
    constexpr LaneShare kShare = lane_share(Threads::kMask, Threads::kLast, 2 * Threads::kRows);
    const int first = sum_lanes<Threads::kMask, Threads::kLast, 2 * Threads::kRows>(sums);
    if (threadIdx.x & kShare.copies || !Threads::stores_rows()) return;
#pragma unroll
    for (int i = 0; i < kShare.kept; ++i)
      to[kConfig.sum_floats() + 2 * Threads::row((first + i) / 2) + (first + i) % 2] = sums[i];
  }
};

}  // namespace tenon
