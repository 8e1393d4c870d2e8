// Rows times the matrices that are chosen for each, in tiles of choices that name one expert: for many rows.
// Every block finds its own choices from the ids, so that no launch before it sorts them.
#pragma once
#include "templates/experts.cuh"
#include "templates/gemm_simt.cuh"
#include "templates/gemm_sm80.cuh"

namespace tenon {

// Up to a tile's rows of one expert's choices.
struct ExpertTile {
  int expert, rows;  // no rows: there are fewer tiles than blocks
};

// Tile number `tile` of all experts' choices, expert by expert and in the order of the choices; `list`
// receives them. Every thread of the block calls it.
template <int kExperts, int kThreads, int kRows, class Id>
TENON_DEVICE ExpertTile take_expert_tile(const Id* ids, int choices, int tile, int (&list)[kRows]) {
  constexpr int kWarps = kThreads / 32;
  constexpr unsigned kAll = 0xffffffffu;
  __shared__ int counts[kExperts];
  __shared__ int found[2];  // expert, and the first of its choices
  __shared__ int matches[kWarps];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int e = threadIdx.x; e < kExperts; e += kThreads) counts[e] = 0;
  __syncthreads();
  for (int i = threadIdx.x; i < choices; i += kThreads)
    atomicAdd(&counts[chosen_expert(ids, i, kExperts)], 1);
  __syncthreads();
  if (warp == 0) {  // a running count of tiles over the experts
    int before = 0;
    for (int first = 0; first < kExperts; first += 32) {
      const int e = first + lane, tiles = e < kExperts ? (counts[e] + kRows - 1) / kRows : 0;
      int end = tiles;
#pragma unroll
      for (int reach = 1; reach < 32; reach *= 2) {
        const int left = __shfl_up_sync(kAll, end, reach);
        if (lane >= reach) end += left;
      }
      end += before;
      if (tile < end && tile >= end - tiles) {
        found[0] = e;
        found[1] = (tile - end + tiles) * kRows;
      }
      before = __shfl_sync(kAll, end, 31);
    }
    if (lane == 0 && tile >= before) found[0] = -1;
  }
  __syncthreads();
  const int expert = found[0];
  if (expert < 0) return {0, 0};

  // A warp looks at a run of the choices; the runs before it say how many matches come first.
  const int run = (choices + kWarps - 1) / kWarps;
  const int begin = min(warp * run, choices), end = min(begin + run, choices);
  const auto names_expert = [&](int i) { return i < end && chosen_expert(ids, i, kExperts) == expert; };
  int mine = 0;
  for (int i = begin; i < end; i += 32) mine += __popc(__ballot_sync(kAll, names_expert(i + lane)));
  if (lane == 0) matches[warp] = mine;
  __syncthreads();
  int rank = -found[1];
  for (int w = 0; w < warp; ++w) rank += matches[w];
  for (int i = begin; i < end; i += 32) {
    const bool match = names_expert(i + lane);
    const unsigned all = __ballot_sync(kAll, match);
    const int at = rank + __popc(all & ((1u << lane) - 1));
    if (match && at >= 0 && at < kRows) list[at] = i + lane;
    rank += __popc(all);
  }
  __syncthreads();
  return {expert, min(kRows, counts[expert] - found[1])};
}

// The rows of x that a tile's choices multiply, as a left operand that passes through registers.
template <class T, class Id, int kProducts, bool kAligned>
struct ChosenRows {
  using Element = T;
  using Inputs = Vec<T, 16 / int(sizeof(T))>;
  const ExpertsProblem<T, Id, kProducts>& problem;
  const int* list;

  TENON_DEVICE Inputs fetch(int line, int position, int count) const {
    constexpr int kChunk = 16 / int(sizeof(T));
    const T* from = problem.row(list[line]) + position;
    if constexpr (kAligned) return load_raw<kChunk>(from);
    Inputs loaded;
#pragma unroll
    for (int i = 0; i < kChunk; ++i) loaded[i] = i < count ? from[i] : T{};
    return loaded;
  }
  TENON_DEVICE Inputs operator()(const Inputs& inputs, int, int) const { return inputs; }
};

// `finish(at, choice)` for every run of columns `at` (GemmSums) of every choice. kAligned: rows of x begin at
// multiples of 16 bytes.
// Launch: {tiles * ceil(columns / block_n)} blocks of kConfig.threads(), where `tiles` is at least the sum of
// ceil(choices of an expert / block_m) over the experts; kConfig.shared_bytes() of dynamic shared memory.
template <GemmConfig kConfig, int kExperts, bool kAligned, class T, class Id, class Finish>
TENON_DEVICE void experts_tiles(const ExpertsProblem<T, Id, kConfig.products>& problem, int choices,
                                const Finish& finish) {
  static_assert(kConfig.slices == 1);
  __shared__ int list[kConfig.block_m];
  const int across = (problem.columns + kConfig.block_n - 1) / kConfig.block_n;
  const ExpertTile tile =
      take_expert_tile<kExperts, kConfig.threads()>(problem.ids, choices, int(blockIdx.x) / across, list);
  if (tile.rows == 0) return;
  const GemmShape shape{.m = tile.rows, .n = problem.columns, .k = problem.depth};
  Matrix<T> matrices[kConfig.products];
#pragma unroll
  for (int p = 0; p < kConfig.products; ++p)
    matrices[p] = {problem.w[p] + problem.matrix(tile.expert), problem.depth};
  const ChosenRows<T, Id, kConfig.products, kAligned> rows{problem, list};
  const auto epilogue = [&](const GemmSums<kConfig>& at) { finish(at, i64(list[at.row])); };
  if constexpr (kConfig.lanes() == 32)
    gemm_sm80<kConfig>(shape, rows, matrices, epilogue);
  else
    gemm_simt<kConfig>(shape, rows, matrices, epilogue);
}

}  // namespace tenon
