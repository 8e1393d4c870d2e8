// Products on tensor cores by portable instructions (sm_80 and later): cp.async fills a ring of tiles,
// ldmatrix takes fragments, mma.sync multiplies, f32 sums. bf16, f16, and f32 rounded to tf32. Any extents,
// either order of each operand, any alignment.
#pragma once
#include "templates/gemm_copy.cuh"
#include "templates/gemm_epilogue.cuh"
#include "templates/ptx/ldmatrix.cuh"
#include "templates/reduce.cuh"
#include "templates/warp_product.cuh"

namespace tenon {

// How a warp of gemm_sm80 reads and multiplies. A step is two chunks of k: k16 of 16-bit elements, k8 of
// tf32. Fragment f of a warp covers rows (f * kWarpsM + warp) * 16 of the tile, so that any 1/passes of all
// fragments are neighbouring rows.
template <GemmConfig kConfig, class T>
struct Sm80Warp {
  static constexpr int kWarpsM = kConfig.block_m / kConfig.part_m, kWarpsN = kConfig.block_n / kConfig.part_n;
  static constexpr int kFragmentsM = kConfig.part_m / 16, kFragmentsN = kConfig.part_n / 8;
  static constexpr int kStep = 32 / int(sizeof(T)), kSteps = kConfig.block_k / kStep;
  using Tiles = GemmTiles<kConfig, T>;
  static_assert(kConfig.part_m % 16 == 0 && kConfig.part_n % 16 == 0 && kConfig.block_k % kStep == 0);
  static_assert(kConfig.block_m % kConfig.part_m == 0 && kConfig.block_n % kConfig.part_n == 0);
  static_assert(kFragmentsM % kConfig.passes == 0);

  int lane = threadIdx.x % 32;
  int m = threadIdx.x / 32 % kWarpsM, n = threadIdx.x / 32 / kWarpsM;

  TENON_DEVICE int fragment_row(int fragment) const { return (fragment * kWarpsM + m) * 16; }
  TENON_DEVICE int fragment_col(int fragment) const { return n * kConfig.part_n + fragment * 8; }

  // 16 lines x 2 chunks (or their transpose) in mma's order. `outer` is the first row or column in the tile;
  // kOuterFirst tells whether the second matrix is the next 8 of `outer` (operand A) or the next chunk of k
  // (operand B).
  template <class Tile, bool kAlongK, bool kOuterFirst>
  TENON_DEVICE void load(unsigned (&fragment)[4], const unsigned char* tile, int outer, int step) const {
    const int second = lane / 8 % 2, third = lane / 16;
    const int far_outer = kOuterFirst ? second : third, far_k = kOuterFirst ? third : second;
    if constexpr (kAlongK) {
      ptx::ldmatrix_x4(fragment, tile + Tile::offset(outer + far_outer * 8 + lane % 8, step * 2 + far_k));
    } else if constexpr (sizeof(T) == 2) {
      ptx::ldmatrix_x4_trans(fragment,
                             tile + Tile::offset(step * kStep + far_k * 8 + lane % 8, outer / 8 + far_outer));
    } else {  // ldmatrix transposes 16-bit elements alone
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int at_outer = outer + (kOuterFirst ? i % 2 : i / 2) * 8 + lane / 4;
        const int at_k = step * kStep + (kOuterFirst ? i / 2 : i % 2) * 4 + lane % 4;
        fragment[i] =
            *reinterpret_cast<const unsigned*>(tile + Tile::offset(at_k, at_outer / 4) + at_outer % 4 * 4);
      }
    }
    if constexpr (kSame<T, float>)
#pragma unroll
      for (unsigned& word : fragment) word = ptx::tf32_from_float(__builtin_bit_cast(float, word));
  }

  // Writes the sums of one pass for the epilogue.
  TENON_DEVICE void stage(const float (&sums)[kConfig.products * kFragmentsM * kFragmentsN][4], int pass,
                          float* staged) const {
    constexpr int kPassFragments = kFragmentsM / kConfig.passes;
#pragma unroll
    for (int i = 0; i < kConfig.products * kFragmentsM * kFragmentsN; ++i) {
      const int product = i / (kFragmentsM * kFragmentsN), f = i / kFragmentsN % kFragmentsM;
      if (f / kPassFragments != pass) continue;
      const int row = fragment_row(f % kPassFragments) + lane / 4,
                col = fragment_col(i % kFragmentsN) + lane % 4 * 2;
      float* to = staged + product * GemmSums<kConfig>::kProductFloats + row * kConfig.staged_row() + col;
      store(to, Vec<float, 2>{sums[i][0], sums[i][1]});
      store(to + 8 * kConfig.staged_row(), Vec<float, 2>{sums[i][2], sums[i][3]});
    }
  }
};

// Row sums of A from the fragments that are in registers anyway. The warps that hold the same rows take turns
// by step.
template <GemmConfig kConfig, class T>
struct Sm80RowSums {
  using Warp = Sm80Warp<kConfig, T>;
  static_assert(sizeof(T) == 2, "row sums are taken of 16-bit operands");
  float sum[Warp::kFragmentsM][2] = {}, squares[Warp::kFragmentsM][2] = {}, pivot[Warp::kFragmentsM][2] = {};

  TENON_DEVICE void begin(const Warp& warp, const Matrix<T>& a, const GemmShape& shape, int first_row) {
    if constexpr (kConfig.row_sums == RowSums::moments)
#pragma unroll
      for (int i = 0; i < Warp::kFragmentsM * 2; ++i) {
        const int row = first_row + warp.fragment_row(i / 2) + i % 2 * 8 + warp.lane / 4;
        if (row < shape.m && shape.k > 0)
          pivot[i / 2][i % 2] = widen(a.data[Warp::Tiles::kAAlongK ? row * a.stride : row]);
      }
  }
  // `k_left` elements of k exist from this step's first on; beyond them a row is taken to equal its pivot.
  TENON_DEVICE void add(const Warp& warp, const unsigned (&a)[Warp::kFragmentsM][4], int k_left) {
#pragma unroll
    for (int f = 0; f < Warp::kFragmentsM; ++f)
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        const int k = i / 4 * 8 + warp.lane % 4 * 2 + i % 2, half = i / 2 % 2;
        const float x = widen(T{u16(a[f][i / 2] >> (i % 2 * 16))});
        const float offset = kConfig.exact_k || k < k_left ? x - pivot[f][half] : 0.0f;
        sum[f][half] += offset;
        squares[f][half] += offset * offset;
      }
  }
  // Adds up the four lanes and kWarpsN warps of each row.
  TENON_DEVICE void finish(const Warp& warp) const {
    RowMoments* const moments = block_moments<kConfig>();
    float* const partial = reinterpret_cast<float*>(moments + kConfig.block_m);
#pragma unroll
    for (int i = 0; i < Warp::kFragmentsM * 2; ++i) {
      const int row = warp.fragment_row(i / 2) + i % 2 * 8 + warp.lane / 4;
      const float row_sum = warp_reduce<4>(sum[i / 2][i % 2], Sum{});
      const float row_squares = warp_reduce<4>(squares[i / 2][i % 2], Sum{});
      if (warp.lane % 4 == 0)
        store(partial + (warp.n * kConfig.block_m + row) * 2, Vec<float, 2>{row_sum, row_squares});
      if (warp.lane % 4 == 0 && warp.n == 0) moments[row].pivot = pivot[i / 2][i % 2];
    }
    __syncthreads();
    for (int row = threadIdx.x; row < kConfig.block_m; row += kConfig.threads()) {
      Vec<float, 2> total = load<2>(partial + row * 2);
#pragma unroll
      for (int n = 1; n < Warp::kWarpsN; ++n)
        total = total + load<2>(partial + (n * kConfig.block_m + row) * 2);
      moments[row].sum = total[0];
      moments[row].squares = total[1];
    }
    __syncthreads();
  }
};
template <GemmConfig kConfig, class T>
requires(kConfig.row_sums == RowSums::none) struct Sm80RowSums<kConfig, T> {
};

// C = A B for the block's tile, then `epilogue(const GemmSums<kConfig>&)` for every run of its columns. A is
// a Matrix or a source that RegisterCopier takes (an elementwise head), each of B a Matrix or a QuantisedMatrix.
// Launch: {kConfig.tiles(m, n) * batch, slices} blocks of kConfig.threads(), kConfig.shared_bytes() of
// dynamic shared memory, and with slices a workspace.
template <GemmConfig kConfig, class A, class B, class Epilogue>
TENON_DEVICE void gemm_sm80(const GemmShape& shape, const A& a, const B (&b)[kConfig.products],
                            const Epilogue& epilogue, const SplitWorkspace& workspace = {}) {
  using T = typename B::Element;
  using Warp = Sm80Warp<kConfig, T>;
  using Tiles = typename Warp::Tiles;
  constexpr int kProducts = kConfig.products, kM = Warp::kFragmentsM, kN = Warp::kFragmentsN;
  const GemmPlace place = gemm_place<kConfig>(shape);
  const Warp warp;
  float sums[kProducts * kM * kN][4] = {};
  Sm80RowSums<kConfig, T> row_sums;
  if constexpr (kConfig.row_sums != RowSums::none) row_sums.begin(warp, a, shape, place.row);

  run_tiles<kConfig>(shape, place, a, b, [&](int tile, const unsigned char* stage) {
#pragma unroll
    for (int step = 0; step < Warp::kSteps; ++step) {
      unsigned fragments_a[kM][4];
#pragma unroll
      for (int f = 0; f < kM; ++f)
        warp.template load<typename Tiles::A, Tiles::kAAlongK, true>(fragments_a[f], stage,
                                                                     warp.fragment_row(f), step);
      if constexpr (kConfig.row_sums != RowSums::none)
        if ((tile * Warp::kSteps + step) % Warp::kWarpsN == warp.n)
          row_sums.add(warp, fragments_a, shape.k - tile * kConfig.block_k - step * Warp::kStep);
#pragma unroll
      for (int pair = 0; pair < kProducts * kN / 2; ++pair) {
        const int product = pair / (kN / 2), column = pair % (kN / 2) * 2;
        unsigned fragment_b[4];
        warp.template load<typename Tiles::B, Tiles::kBAlongK, false>(
            fragment_b, stage + Tiles::b_offset(product), warp.fragment_col(column), step);
#pragma unroll
        for (int f = 0; f < kM; ++f) {
          const int first = (product * kM + f) * kN + column;
          multiply_fragments<T>(sums[first], fragments_a[f], {fragment_b[0], fragment_b[1]});
          multiply_fragments<T>(sums[first + 1], fragments_a[f], {fragment_b[2], fragment_b[3]});
        }
      }
    }
  });
  if constexpr (kConfig.row_sums != RowSums::none) row_sums.finish(warp);
  if constexpr (kConfig.slices > 1)
    if (!sum_slices<kConfig>(sums, workspace)) return;

  walk_epilogue<kConfig>(
      shape, place, [&](int pass, float* staged) { warp.stage(sums, pass, staged); }, epilogue);
}

}  // namespace tenon
