// What tiled products share after they multiply: slices of k summed in fixed order by the last block to
// arrive, and the walk of an epilogue over the sums, which pass through shared memory so that each call sees
// neighbouring columns of one row.
#pragma once
#include "templates/gemm_tile.cuh"
#include "templates/head_norm.cuh"
#include "templates/memory.cuh"
#include "templates/ptx/load_l2.cuh"
#include "templates/split_sum.cuh"

namespace tenon {

// Sums over the rows of A: of x - pivot and of its square, the pivot being the row's first element (0 for
// RowSums::squares), so that rows far from zero keep their variance.
struct RowMoments {
  float sum, squares, pivot;
};

// What an epilogue call sees: `count` columns of row `row` from `col` on, in global indices.
template <GemmConfig kConfig>
struct GemmSums {
  using Values = Vec<float, kConfig.vector>;
  static constexpr int kProductFloats = kConfig.block_m / kConfig.passes * kConfig.staged_row();
  int row, col;
  int tile_col;  // first column of the tile
  int columns;   // from `col` to the end of C
  float inverse_k;
  const float* staged;  // the row's sums in shared memory
  const RowMoments* moments;
  const float* head_squares;  // mean squares of the row's heads

  // How many of the columns exist.
  TENON_DEVICE int count() const {
    if constexpr (kConfig.exact_n)
      return kConfig.vector;
    else
      return min(columns, kConfig.vector);
  }
  TENON_DEVICE Values product(int index = 0) const { return product_at(col, index); }
  // The sums of other columns of the same row and tile, from `column` (a multiple of 4) on.
  TENON_DEVICE Values product_at(int column, int index = 0) const {
    return *reinterpret_cast<const Values*>(staged + index * kProductFloats + column - tile_col);
  }
  // The mean of the squares of epilogue.before_norm over the head that holds the columns.
  TENON_DEVICE float head_mean_square() const { return head_mean_square_at(col); }
  TENON_DEVICE float head_mean_square_at(int column) const {
    return head_squares[(column - tile_col) / kConfig.head];
  }
  TENON_DEVICE float mean() const { return moments->pivot + moments->sum * inverse_k; }
  TENON_DEVICE float mean_square() const { return moments->squares * inverse_k; }
  TENON_DEVICE float variance() const {
    const float offset = moments->sum * inverse_k;
    return fmaxf(moments->squares * inverse_k - offset * offset, 0.0f);
  }
};

// The moments of the tile's rows, behind the tiles in shared memory.
template <GemmConfig kConfig>
TENON_DEVICE RowMoments* block_moments() {
  return reinterpret_cast<RowMoments*>(ptx::dynamic_shared() + kConfig.tile_bytes());
}

// Adds up the kGroups x 4 sums that each thread holds, and the block's row moments, over the slices of its
// tile, in the order of the slices. Returns false in all blocks but the last, which alone then holds the
// results. The tiles' memory must be free.
template <GemmConfig kConfig, int kGroups>
TENON_DEVICE bool sum_slices(float (&sums)[kGroups][4], const SplitWorkspace& workspace) {
  constexpr int kThreads = kConfig.threads();
  constexpr int kRowStart = kGroups * 4 * kThreads;  // row moments follow the sums
  RowMoments* const moments = block_moments<kConfig>();
  float* tile = workspace.partials + i64(blockIdx.x) * kConfig.slices * kConfig.partial_floats();
  float* mine = tile + i64(blockIdx.y) * kConfig.partial_floats();
#pragma unroll
  for (int i = 0; i < kGroups; ++i) {
    const Vec<float, 4> group{sums[i][0], sums[i][1], sums[i][2], sums[i][3]};
    store(mine + (i * kThreads + threadIdx.x) * 4, group);
  }
  if constexpr (kConfig.row_sums != RowSums::none)
    for (int row = threadIdx.x; row < kConfig.block_m; row += kThreads)
      store(mine + kRowStart + row * 2, Vec<float, 2>{moments[row].sum, moments[row].squares});
  if (!is_last_slice(workspace.tickets + blockIdx.x, kConfig.slices)) return false;

#pragma unroll
  for (int i = 0; i < kGroups; ++i)
    for (int j = 0; j < 4; ++j) sums[i][j] = 0.0f;
  for (int slice = 0; slice < kConfig.slices; ++slice) {
    const float* theirs = tile + i64(slice) * kConfig.partial_floats();
#pragma unroll
    for (int i = 0; i < kGroups; ++i) {
      float group[4];
      ptx::load_l2(group, theirs + (i * kThreads + threadIdx.x) * 4);
#pragma unroll
      for (int j = 0; j < 4; ++j) sums[i][j] += group[j];
    }
  }
  if constexpr (kConfig.row_sums != RowSums::none) {
    for (int pair = threadIdx.x; pair < kConfig.block_m / 2; pair += kThreads) {
      float total[4] = {};
      for (int slice = 0; slice < kConfig.slices; ++slice) {
        float part[4];
        ptx::load_l2(part, tile + i64(slice) * kConfig.partial_floats() + kRowStart + pair * 4);
        for (int j = 0; j < 4; ++j) total[j] += part[j];
      }
      moments[2 * pair] = {total[0], total[1], moments[2 * pair].pivot};
      moments[2 * pair + 1] = {total[2], total[3], moments[2 * pair + 1].pivot};
    }
  }
  return true;
}

// Calls the epilogue for every run of `vector` columns of the tile that begins inside C (with kConfig.head after
// its before_norm for every run of the pass). `stage(pass,
// staged)` writes the sums of rows [pass, pass + 1) * block_m / passes of the tile, staged_row() floats a
// row, one product after the other.
template <GemmConfig kConfig, class Stage, class Epilogue>
TENON_DEVICE void walk_epilogue(const GemmShape& shape, const GemmPlace& place, const Stage& stage,
                                const Epilogue& epilogue) {
  constexpr int kRows = kConfig.block_m / kConfig.passes;
  constexpr int kRuns = kConfig.block_n / kConfig.vector;  // in a row
  const float inverse_k = 1.0f / float(shape.k);
  float* const staged = reinterpret_cast<float*>(ptx::dynamic_shared());
  const RowMoments* const moments = block_moments<kConfig>();
  float* const head_squares =
      reinterpret_cast<float*>(ptx::dynamic_shared() + kConfig.tile_bytes() + kConfig.row_sum_bytes());
#pragma unroll 1
  for (int pass = 0; pass < kConfig.passes; ++pass) {
    if (pass > 0) __syncthreads();
    stage(pass, staged);
    __syncthreads();
    const auto sums_at = [&](int staged_row, int column) {
      const int tile_row = pass * kRows + staged_row, col = place.col + column;
      return GemmSums<kConfig>{.row = place.row + tile_row,
                               .col = col,
                               .tile_col = place.col,
                               .columns = shape.n - col,
                               .inverse_k = inverse_k,
                               .staged = staged + staged_row * kConfig.staged_row(),
                               .moments = moments + tile_row,
                               .head_squares = head_squares + staged_row * kConfig.heads()};
    };
    if constexpr (kConfig.head > 0) square_heads<kConfig>(shape, kRows, head_squares, sums_at, epilogue);
#pragma unroll 1
    for (int run = threadIdx.x; run < kRows * kRuns; run += kConfig.threads()) {
      const GemmSums<kConfig> at = sums_at(run / kRuns, run % kRuns * kConfig.vector);
      if (at.row < shape.m && at.col < shape.n) epilogue(at);
    }
  }
}

}  // namespace tenon
