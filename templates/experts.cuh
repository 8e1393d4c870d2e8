// Rows times the matrices that are chosen for each, read as a stream: for few rows, where reading the chosen
// weights is all the work. A choice is a pair of row and expert; sums are taken in a fixed order.
#pragma once
#include "templates/config.cuh"
#include "templates/memory.cuh"
#include "templates/reduce.cuh"

namespace tenon {

// The expert of a choice; an id outside is taken for the nearest one.
template <class Id>
TENON_DEVICE int chosen_expert(const Id* ids, i64 choice, int experts) {
  const Id id = ids[choice];
  return id < Id(0) ? 0 : id < Id(experts) ? int(id) : experts - 1;
}

// x [rows or choices, depth] and kProducts times w [experts, columns, depth]; ids [rows, choices].
template <class T, class Id, int kProducts>
struct ExpertsProblem {
  const T* x;
  const T* w[kProducts];
  const Id* ids;
  int experts;
  int columns;
  int depth;
  int choices;   // of each row
  bool own_row;  // x has a row for each choice, else one for all choices of a row

  // The row of x that a choice multiplies.
  TENON_DEVICE const T* row(i64 choice) const { return x + (own_row ? choice : choice / choices) * depth; }
  TENON_DEVICE i64 matrix(int expert) const { return i64(expert) * columns * depth; }
};

// x times column `column` of each matrix of `expert`, by a warp; every lane receives the sums.
template <ExpertsConfig kConfig, class T, class Id>
TENON_DEVICE Vec<float, kConfig.products> expert_dots(const ExpertsProblem<T, Id, kConfig.products>& problem,
                                                      const T* x, int expert, int column) {
  constexpr int kProducts = kConfig.products, kWidth = kConfig.width, kLoads = kConfig.loads;
  constexpr int kStep = 32 * kWidth;
  const i64 start = problem.matrix(expert) + i64(column) * problem.depth;
  Vec<float, kWidth> sums[kProducts] = {};
  for (int at = threadIdx.x % 32 * kWidth; at < problem.depth; at += kLoads * kStep) {
    Vec<T, kWidth> row[kLoads], weights[kProducts][kLoads];
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      const int k = at + i * kStep;
      if (k >= problem.depth) continue;
#pragma unroll
      for (int p = 0; p < kProducts; ++p) weights[p][i] = load_raw<kWidth>(problem.w[p] + start + k);
      row[i] = load_raw<kWidth>(x + k);
    }
#pragma unroll
    for (int i = 0; i < kLoads; ++i) {
      if (at + i * kStep >= problem.depth) continue;
#pragma unroll
      for (int p = 0; p < kProducts; ++p)
#pragma unroll
        for (int j = 0; j < kWidth; ++j)
          sums[p][j] = fmaf(widen(row[i][j]), widen(weights[p][i][j]), sums[p][j]);
    }
  }
  Vec<float, kProducts> totals;
#pragma unroll
  for (int p = 0; p < kProducts; ++p) totals[p] = warp_reduce<32>(lane_reduce(sums[p], Sum{}), Sum{});
  return totals;
}

// Which row of the result, and which column, the warp computes. The grid counts columns fastest.
template <ExpertsConfig kConfig>
struct ExpertsPlace {
  i64 row;
  int column;
  TENON_DEVICE explicit ExpertsPlace(int columns) {
    const int blocks = (columns + kConfig.warps - 1) / kConfig.warps;
    row = blockIdx.x / blocks;
    column = int(blockIdx.x % blocks) * kConfig.warps + int(threadIdx.x / 32);
  }
};

// Each choice by itself: `finish(choice, column, sums)` for every element of [choices, columns].
// Launch: choices * ceil(columns / warps) blocks.
template <ExpertsConfig kConfig, class T, class Id, class Finish>
TENON_DEVICE void experts_each(const ExpertsProblem<T, Id, kConfig.products>& problem, const Finish& finish) {
  const ExpertsPlace<kConfig> place(problem.columns);
  if (place.column >= problem.columns) return;
  const int expert = chosen_expert(problem.ids, place.row, problem.experts);
  const auto sums = expert_dots<kConfig>(problem, problem.row(place.row), expert, place.column);
  if (threadIdx.x % 32 == 0) finish(place.row, place.column, sums);
}

// The choices of each row, weighted and summed in their order: `finish(row, column, sum)`.
// Launch: rows * ceil(columns / warps) blocks.
template <ExpertsConfig kConfig, class T, class Id, class Factor, class Finish>
TENON_DEVICE void experts_sum(const ExpertsProblem<T, Id, 1>& problem, const Factor* factors,
                              const Finish& finish) {
  const ExpertsPlace<kConfig> place(problem.columns);
  if (place.column >= problem.columns) return;
  float sum = 0.0f;
  for (int i = 0; i < problem.choices; ++i) {
    const i64 choice = place.row * problem.choices + i;
    const int expert = chosen_expert(problem.ids, choice, problem.experts);
    const auto product = expert_dots<kConfig>(problem, problem.row(choice), expert, place.column);
    sum = fmaf(widen(factors[choice]), product[0], sum);
  }
  if (threadIdx.x % 32 == 0) finish(place.row, place.column, sum);
}

}  // namespace tenon
