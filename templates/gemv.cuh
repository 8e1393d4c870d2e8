// Products of few rows (1 to 16): every block streams its columns' weights past the multipliers once, with
// enough loads under way to keep memory busy; nothing but the sums goes through shared memory. bf16, f16 and
// f32, either order of each operand, any extents.
#pragma once
#include "templates/gemv_threads.cuh"
#include "templates/head_norm.cuh"
#include "templates/ptx/dependents.cuh"
#include "templates/ptx/load_l2.cuh"
#include "templates/split_sum.cuh"

namespace tenon {

// Adds the sums of the block's warps, then those of the slices, both in order, into the first part of shared
// memory. Returns false in all blocks of a tile but the last to arrive.
template <GemvConfig kConfig>
TENON_DEVICE bool sum_warps_and_slices(float* staged, const SplitWorkspace& workspace) {
  constexpr int kFloats = kConfig.partial_floats();
  float* const tile = workspace.partials + i64(blockIdx.x) * kConfig.slices * kFloats;
  float* const to = kConfig.slices > 1 ? tile + i64(blockIdx.y) * kFloats : staged;
  __syncthreads();
  if constexpr (kConfig.slices > 1 || kConfig.warps_k() > 1) {
#pragma unroll 1
    for (int i = threadIdx.x; i < kFloats; i += kConfig.threads()) {
      float total = staged[i];
#pragma unroll
      for (int warp = 1; warp < kConfig.warps_k(); ++warp) total += staged[warp * kFloats + i];
      to[i] = total;
    }
    __syncthreads();
  }
  if constexpr (kConfig.slices > 1) {
    if (!is_last_slice(workspace.tickets + blockIdx.x, kConfig.slices)) return false;
#pragma unroll 1
    for (int i = threadIdx.x; i < kFloats; i += kConfig.threads()) {
      float total = 0.0f;
#pragma unroll
      for (int slice = 0; slice < kConfig.slices; ++slice) total += ptx::load_l2(tile + slice * kFloats + i);
      staged[i] = total;
    }
    __syncthreads();
  }
  return true;
}

// Calls the epilogue for every run of `vector` columns of the block that begins inside C.
template <GemvConfig kConfig, class Epilogue>
TENON_DEVICE void walk_epilogue(const GemmShape& shape, const GemvPlace<kConfig>& place, const float* staged,
                                float* pivots, const Epilogue& epilogue) {
  constexpr int kRuns = kConfig.block_n() / kConfig.vector;  // in a row
  static_assert(kConfig.block_n() % kConfig.vector == 0);
  static_assert(kConfig.heads() * kConfig.head == (kConfig.head > 0 ? kConfig.block_n() : 0));
  const auto sums_at = [&](int tile_row, int column) {
    const int col = place.column(column);
    return GemvSums<kConfig>{.row = place.row + tile_row,
                             .col = col,
                             .tile_row = tile_row,
                             .tile_col = place.col,
                             .columns = shape.n - col,
                             .inverse_k = 1.0f / float(shape.k),
                             .sums = staged,
                             .pivots = pivots};
  };
  if constexpr (kConfig.head > 0)
    square_heads<kConfig>(shape, kConfig.rows, pivots + kConfig.rows, sums_at, epilogue);
#pragma unroll 1
  for (int run = threadIdx.x; run < kConfig.rows * kRuns; run += kConfig.threads()) {
    const GemvSums<kConfig> at = sums_at(run / kRuns, run % kRuns * kConfig.vector);
    if (at.row < shape.m && at.col < shape.n) epilogue(at);
  }
}

// C = A B for the block's columns, then `epilogue(const GemvSums<kConfig>&)` for every run of them, with
// kConfig.head after `epilogue.before_norm` of every run. A is a
// Matrix or an elementwise head (Element, Inputs, fetch, operator()); each of B a Matrix or what has the
// interface of StreamedLines. Launch: {kConfig.tiles(m, n) * batch, slices} blocks of kConfig.threads(),
// kConfig.shared_bytes() of dynamic shared memory, and with slices a workspace.
template <GemvConfig kConfig, class A, class B, class Epilogue>
TENON_DEVICE void gemv(const GemmShape& shape, const A& a, const B (&b)[kConfig.products],
                       const Epilogue& epilogue, const SplitWorkspace& workspace = {}) {
  using T = typename A::Element;
  using Threads = GemvThreads<kConfig, T>;
  using Lines = decltype(streamed_lines<kConfig>(b[0]));
  constexpr int kProducts = kConfig.products, kLines = kConfig.lines(), kRounds = kConfig.rounds;
  constexpr int kWidth = kConfig.b_contiguous == Contiguous::k ? 1 : kConfig.columns;  // columns of a line
  const GemvPlace<kConfig> place = gemv_place<kConfig>(shape);
  Threads threads;
  Lines source[kProducts];
#pragma unroll
  for (int p = 0; p < kProducts; ++p) source[p] = streamed_lines<kConfig>(b[p]);

  typename Lines::Chunk lines[kRounds][kProducts][kLines];  // in registers or on their way there
  const auto k_of = [&](int round) { return round * kConfig.round_k() + Threads::lane() * kConfig.depth; };
  const auto start = [&](int round, int slot) {
    const int k = k_of(round);
#pragma unroll
    for (int p = 0; p < kProducts; ++p)
#pragma unroll
      for (int i = 0; i < kLines; ++i) {
        const int column = min(place.column(Threads::column(i)), shape.n - kWidth);
        if (!kConfig.exact_k && k >= shape.k)
          lines[slot][p][i] = {};
        else if constexpr (kConfig.group > 0)
          lines[slot][p][i] = kConfig.exact_columns
                                  ? source[p].load(place.column(Threads::column(0)), k, i * 8)
                                  : source[p].load(column, k);
        else if constexpr (kConfig.b_contiguous == Contiguous::k)
          lines[slot][p][i] = source[p].load(column, k);
        else
          lines[slot][p][i] = source[p].load(k + i, column);
      }
  };
#pragma unroll
  for (int slot = 0; slot < kRounds; ++slot)
    if (place.round_begin + slot < place.round_end) start(place.round_begin + slot, slot);

  if constexpr (kConfig.lets_in_late) ptx::launch_dependents();
  // Everything above reads weights alone, everything below may read what earlier kernels wrote. (Where the right
  // operand is no weight, the entry has waited already.)
  ptx::wait_for_predecessors();
  __syncwarp();  // no load sinks below it to save registers: they are to be under way together

  const auto row_of = [&](int i) { return min(place.row + Threads::row(i), shape.m - 1); };
  GemvRowSums<kConfig, Threads> row_sums;
  if constexpr (kConfig.row_sums == RowSums::moments)
#pragma unroll
    for (int r = 0; r < Threads::kRows; ++r)
      row_sums.pivot[r] = shape.k > 0 ? first_element<kConfig>(a, row_of(r)) : 0.0f;
  typename Threads::Rows rows[kRounds];  // like the lines, in registers or on their way there
  const auto fetch = [&](int round, int slot) {
    const int k = k_of(round);
#pragma unroll
    for (int r = 0; r < Threads::kRows; ++r)
      if (kConfig.exact_k || k < shape.k)
        rows[slot][r] = row_chunk<kConfig>(a, row_of(r), k);
      else
        rows[slot][r] = {};
  };
#pragma unroll
  for (int slot = 0; slot < kRounds; ++slot)
    if (place.round_begin + slot < place.round_end) fetch(place.round_begin + slot, slot);
#pragma unroll 1
  for (int first = place.round_begin; first < place.round_end; first += kRounds) {
#pragma unroll
    for (int slot = 0; slot < kRounds; ++slot) {
      const int round = first + slot, next = round + kRounds;
      if (round >= place.round_end) break;
#pragma unroll
      for (int p = 0; p < kProducts; ++p) threads.template add<Lines>(p, lines[slot][p], rows[slot]);
      if constexpr (kConfig.row_sums != RowSums::none)
        if (kConfig.exact_k || k_of(round) < shape.k) row_sums.add(rows[slot]);
      if (next >= place.round_end) continue;
      start(next, slot);
      fetch(next, slot);
    }
  }

  float* const staged = reinterpret_cast<float*>(ptx::dynamic_shared());
  float* const pivots = staged + kConfig.warps_k() * kConfig.partial_floats();
  float* const mine = staged + Threads::warp_k() * kConfig.partial_floats();
  threads.stage(mine);
  if constexpr (kConfig.row_sums != RowSums::none) row_sums.stage(mine, pivots);
  if (!sum_warps_and_slices<kConfig>(staged, workspace)) return;
  walk_epilogue<kConfig>(shape, place, staged, pivots, epilogue);
}

}  // namespace tenon
