// What products of few rows are made of: the block's place in C, how operands are read, and what an epilogue
// sees.
#pragma once
#include "templates/gemm_tile.cuh"
#include "templates/memory.cuh"
#include "templates/ptx/load_stream.cuh"
#include "templates/ptx/shared.cuh"

namespace tenon {

// The part of C and the rounds of k that a block computes. The grid is {tiles * batch, slices}; tiles that
// share weights are neighbours.
template <GemvConfig kConfig>
struct GemvPlace {
  int row, col;                // first of the block's
  int round_begin, round_end;  // of k

  // A column of C, and back.
  TENON_DEVICE int column(int local) const {
    constexpr int kHalf = kConfig.block_n() / 2;
    return col + local + (kConfig.partner > 0 && local >= kHalf ? kConfig.partner - kHalf : 0);
  }
  TENON_DEVICE static int local_column(int column, int first) {
    constexpr int kHalf = kConfig.block_n() / 2;
    const int offset = column - first;
    return kConfig.partner > 0 && offset >= kConfig.partner ? offset - kConfig.partner + kHalf : offset;
  }
};

// Which product of the batch the block works for.
template <GemvConfig kConfig>
TENON_DEVICE int gemv_batch(const GemmShape& shape) {
  return blockIdx.x / kConfig.tiles(shape.m, shape.n);
}

template <GemvConfig kConfig>
TENON_DEVICE GemvPlace<kConfig> gemv_place(const GemmShape& shape) {
  const int row_tiles = (shape.m + kConfig.rows - 1) / kConfig.rows;
  const int tile = blockIdx.x % kConfig.tiles(shape.m, shape.n), column_tile = tile / row_tiles;
  const int rounds = (shape.k + kConfig.round_k() - 1) / kConfig.round_k();
  const int slice = kConfig.slices > 1 ? blockIdx.y : 0;
  int col = column_tile * kConfig.block_n();
  if constexpr (kConfig.partner > 0) {
    constexpr int kHalf = kConfig.block_n() / 2, kTiles = kConfig.partner / kHalf;  // of two partners
    static_assert(kConfig.partner % kHalf == 0 && kHalf % kConfig.vector == 0);
    col = column_tile / kTiles * 2 * kConfig.partner + column_tile % kTiles * kHalf;
  }
  return {.row = tile % row_tiles * kConfig.rows,
          .col = col,
          .round_begin = int(i64(rounds) * slice / kConfig.slices),
          .round_end = int(i64(rounds) * (slice + 1) / kConfig.slices)};
}

// Lines of a right operand, kWidth elements at a time. Whatever has this interface can be streamed: load()
// starts what a chunk needs from memory, floats() and words() make its elements of it: as numbers, and as
// they lie in mma's registers, two to a word.
template <class T, int kWidth, int kCopy>
struct StreamedLines {
  using Element = T;
  using Chunk = Vec<T, kWidth>;
  const T* data;
  i64 stride;
  u64 policy;

  TENON_DEVICE Chunk load(int line, int position) const {
    const T* from = data + line * stride + position;
    if constexpr (kCopy == 16 && sizeof(Chunk) == 16) {
      Vec<u32, 4> words;
      ptx::load_stream(words.lane, from, policy);
      return __builtin_bit_cast(Chunk, words);
    } else {
      return load_raw<kWidth, kCopy / int(sizeof(T))>(from);
    }
  }
  TENON_DEVICE static Vec<float, kWidth> floats(const Chunk& chunk) { return widen(chunk); }
  TENON_DEVICE static auto words(const Chunk& chunk) {
    return __builtin_bit_cast(Vec<u32, kWidth* int(sizeof(T)) / 4>, chunk);
  }
};

template <GemvConfig kConfig, class B>
TENON_DEVICE auto streamed_lines(const B& b) {
  if constexpr (requires { typename B::Chunk; })
    return b;
  else
    return StreamedLines < typename B::Element,
           kConfig.b_contiguous == Contiguous::k ? kConfig.depth : kConfig.columns,
           kConfig.b_copy > {b.data, b.stride, ptx::evict_first_policy()};
}

// `depth` elements of a row of A from k on: of a matrix, or what a head makes of its operands.
template <GemvConfig kConfig, class A>
TENON_DEVICE Vec<typename A::Element, kConfig.depth> row_chunk(const A& a, int row, int k) {
  using T = typename A::Element;
  if constexpr (requires { typename A::Inputs; }) {
    return a(a.fetch(row, k, kConfig.depth), row, k);
  } else if constexpr (kConfig.a_contiguous == Contiguous::k) {
    return load_raw<kConfig.depth, kConfig.a_copy / int(sizeof(T))>(a.data + row * a.stride + k);
  } else {
    Vec<T, kConfig.depth> chunk;
#pragma unroll
    for (int i = 0; i < kConfig.depth; ++i) chunk[i] = a.data[(k + i) * a.stride + row];
    return chunk;
  }
}

// The first element of a row of A, a Matrix.
template <GemvConfig kConfig, class T>
TENON_DEVICE float first_element(const Matrix<T>& a, int row) {
  return widen(a.data[kConfig.a_contiguous == Contiguous::k ? row * a.stride : row]);
}

// What an epilogue call sees: `count` columns of row `row` from `col` on, in global indices.
template <GemvConfig kConfig>
struct GemvSums {
  using Values = Vec<float, kConfig.vector>;
  int row, col;
  int tile_row, tile_col;  // the row in the block, the block's first column
  int columns;             // from `col` to the end of C
  float inverse_k;
  const float* sums;    // of the block, in shared memory
  const float* pivots;  // of the block's rows, then the mean squares of their heads

  // How many of the columns exist.
  TENON_DEVICE int count() const {
    if constexpr (kConfig.exact_n)
      return kConfig.vector;
    else
      return min(columns, kConfig.vector);
  }
  TENON_DEVICE Values product(int index = 0) const { return product_at(col, index); }
  // The sums of other columns of the same row and block, from `column` (a multiple of `vector`) on.
  TENON_DEVICE Values product_at(int column, int index = 0) const {
    const int local = GemvPlace<kConfig>::local_column(column, tile_col);
    return *reinterpret_cast<const Values*>(sums + (index * kConfig.rows + tile_row) * kConfig.block_n() +
                                            local);
  }
  // The mean of the squares of epilogue.before_norm over the head that holds the columns.
  TENON_DEVICE float head_mean_square() const { return head_mean_square_at(col); }
  TENON_DEVICE float head_mean_square_at(int column) const {
    const int head = GemvPlace<kConfig>::local_column(column, tile_col) / kConfig.head;
    return pivots[kConfig.rows + tile_row * kConfig.heads() + head];
  }
  TENON_DEVICE float mean() const { return pivots[tile_row] + row_sum(0) * inverse_k; }
  TENON_DEVICE float mean_square() const { return row_sum(1) * inverse_k; }
  TENON_DEVICE float variance() const {
    const float offset = row_sum(0) * inverse_k;
    return fmaxf(row_sum(1) * inverse_k - offset * offset, 0.0f);
  }

 private:
  TENON_DEVICE float row_sum(int which) const { return sums[kConfig.sum_floats() + tile_row * 2 + which]; }
};

}  // namespace tenon
