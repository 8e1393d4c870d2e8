// Exact f32 products: each thread adds up its part of a tile by fused multiply-adds, in the order of k. Any
// extents, either order of each operand, any alignment.
#pragma once
#include "templates/gemm_copy.cuh"
#include "templates/gemm_epilogue.cuh"

namespace tenon {

// The rows (or columns) of a tile that a thread owns, interleaved with its neighbours' so that their loads
// meet different banks: single lines where lines run along k, else runs of 4.
template <bool kAlongK, int kNeighbours>
TENON_DEVICE int simt_line(int thread, int index) {
  return kAlongK ? index * kNeighbours + thread : (index / 4 * kNeighbours + thread) * 4 + index % 4;
}

// kLines of a thread's lines, four elements of k each, from a tile in shared memory.
template <class Tile, bool kAlongK, int kNeighbours, int kLines>
TENON_DEVICE void load_simt(float (&lines)[kLines][4], const unsigned char* tile, int thread, int k_chunk) {
#pragma unroll
  for (int i = 0; i < kLines; ++i) {
    const int line = simt_line<kAlongK, kNeighbours>(thread, kAlongK ? i : i / 4 * 4);
    const unsigned char* chunk =
        tile + (kAlongK ? Tile::offset(line, k_chunk) : Tile::offset(k_chunk * 4 + i % 4, line / 4));
    const Vec<float, 4> four = *reinterpret_cast<const Vec<float, 4>*>(chunk);
#pragma unroll
    for (int j = 0; j < 4; ++j) (kAlongK ? lines[i][j] : lines[i / 4 * 4 + j][i % 4]) = four[j];
  }
}

// C = A B for the block's tile, then `epilogue(const GemmSums<kConfig>&)` for every run of its columns. A is
// a Matrix or a source that RegisterCopier takes (an elementwise head), each of B a Matrix or a QuantisedMatrix.
// Launch: {kConfig.tiles(m, n) * batch, slices} blocks of kConfig.threads(), kConfig.shared_bytes() of
// dynamic shared memory, and with slices a workspace.
template <GemmConfig kConfig, class A, class B, class Epilogue>
TENON_DEVICE void gemm_simt(const GemmShape& shape, const A& a, const B (&b)[kConfig.products],
                            const Epilogue& epilogue, const SplitWorkspace& workspace = {}) {
  using Tiles = GemmTiles<kConfig, float>;
  constexpr int kM = kConfig.part_m, kN = kConfig.part_n, kDown = kConfig.block_m / kM,
                kAcross = kConfig.block_n / kN;
  static_assert(kM % 4 == 0 && kN % 4 == 0 && kM < 16 && kM / 4 % kConfig.passes == 0 &&
                kConfig.block_k % 4 == 0);
  static_assert(kConfig.row_sums == RowSums::none, "row sums are taken of 16-bit operands");
  const int x = threadIdx.x % kAcross, y = threadIdx.x / kAcross;
  const GemmPlace place = gemm_place<kConfig>(shape);
  float sums[kConfig.products * kM * kN / 4][4] = {};

  run_tiles<kConfig>(shape, place, a, b, [&](int, const unsigned char* stage) {
#pragma unroll 1  // one chunk is straight code for part_m * part_n * 4 instructions already
    for (int chunk = 0; chunk < kConfig.block_k / 4; ++chunk) {
      float lines_a[kM][4];
      load_simt<typename Tiles::A, Tiles::kAAlongK, kDown>(lines_a, stage, y, chunk);
#pragma unroll
      for (int p = 0; p < kConfig.products; ++p) {
        float lines_b[kN][4];
        load_simt<typename Tiles::B, Tiles::kBAlongK, kAcross>(lines_b, stage + Tiles::b_offset(p), x, chunk);
#pragma unroll
        for (int k = 0; k < 4; ++k)
#pragma unroll
          for (int i = 0; i < kM * kN; ++i) {
            float& sum = sums[(p * kM * kN + i) / 4][i % 4];
            sum = fmaf(lines_a[i / kN][k], lines_b[i % kN][k], sum);
          }
      }
    }
  });
  if constexpr (kConfig.slices > 1)
    if (!sum_slices<kConfig>(sums, workspace)) return;

  const auto stage_sums = [&](int pass, float* staged) {
    constexpr int kPassRows = kM / kConfig.passes;
#pragma unroll
    for (int i = 0; i < kConfig.products * kM * kN; ++i) {
      const int product = i / (kM * kN), row = i / kN % kM;
      if (row / kPassRows != pass) continue;
      staged[product * GemmSums<kConfig>::kProductFloats +
             simt_line<Tiles::kAAlongK, kDown>(y, row % kPassRows) * kConfig.staged_row() +
             simt_line<Tiles::kBAlongK, kAcross>(x, i % kN)] = sums[i / 4][i % 4];
    }
  };
  walk_epilogue<kConfig>(shape, place, stage_sums, epilogue);
}

}  // namespace tenon
