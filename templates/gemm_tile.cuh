// What tiled products are made of: extents, operands, the block's place in C, and tiles in shared memory,
// swizzled so that neither copies nor fragment loads meet in a bank.
#pragma once
#include "templates/config.cuh"
#include "templates/scalar.cuh"

namespace tenon {

// Extents of one product of the batch.
struct GemmShape {
  int m, n, k;
};

// An operand: lines of contiguous elements, `stride` elements apart.
template <class T>
struct Matrix {
  using Element = T;
  const T* data;
  i64 stride;
};

// The tile of C and the slice of k that a block computes. The grid is {tiles * batch, slices}.
struct GemmPlace {
  int row, col;              // first of the tile
  int tile_begin, tile_end;  // of the k tiles
};

// Which product of the batch the block works for.
template <GemmConfig kConfig>
TENON_DEVICE int gemm_batch(const GemmShape& shape) {
  return blockIdx.x / kConfig.tiles(shape.m, shape.n);
}

// Tiles are walked in bands of group_m tile rows, column by column in a band: blocks that run together share
// operands in L2.
template <GemmConfig kConfig>
TENON_DEVICE GemmPlace gemm_place(const GemmShape& shape) {
  const int rows = (shape.m + kConfig.block_m - 1) / kConfig.block_m;
  const int cols = (shape.n + kConfig.block_n - 1) / kConfig.block_n;
  const int tile = blockIdx.x % (rows * cols);
  const int band = tile / (kConfig.group_m * cols);
  const int first_row = band * kConfig.group_m;
  const int band_rows = min(kConfig.group_m, rows - first_row);
  const int in_band = tile - first_row * cols;
  const int k_tiles = (shape.k + kConfig.block_k - 1) / kConfig.block_k;
  const int slice = kConfig.slices > 1 ? blockIdx.y : 0;
  return {.row = (first_row + in_band % band_rows) * kConfig.block_m,
          .col = in_band / band_rows * kConfig.block_n,
          .tile_begin = int(i64(k_tiles) * slice / kConfig.slices),
          .tile_end = int(i64(k_tiles) * (slice + 1) / kConfig.slices)};
}

// kLines lines of kLength elements in shared memory, in chunks of 16 bytes. A line's chunks are permuted by
// the line's number, so that the same chunk of 8 neighbouring lines lies in 8 different groups of banks.
template <class T, int kLines, int kLength>
struct SharedTile {
  static constexpr int kChunk = 16 / int(sizeof(T));
  static constexpr int kChunks = kLength / kChunk;  // of a line
  static constexpr int kBytes = kLines * kLength * int(sizeof(T));
  static constexpr int kSpan = kChunks % 8 == 0   ? 8
                               : kChunks % 4 == 0 ? 4
                               : kChunks % 2 == 0 ? 2
                                                  : 1;  // chunks permuted among themselves
  static_assert(kLength % kChunk == 0);

  // Bytes from the tile's start to a chunk.
  TENON_DEVICE static constexpr int offset(int line, int chunk) {
    return line * kChunks * 16 + ((chunk ^ (line / (8 / kSpan) & (kSpan - 1))) * 16);
  }
};

// The tiles of one stage: A's, then one of each right operand.
template <GemmConfig kConfig, class T>
struct GemmTiles {
  static_assert(sizeof(T) == kConfig.element_bytes);
  static constexpr bool kAAlongK = kConfig.a_contiguous == Contiguous::k;
  static constexpr bool kBAlongK = kConfig.b_contiguous == Contiguous::k;
  using A = SharedTile<T, kAAlongK ? kConfig.block_m : kConfig.block_k,
                       kAAlongK ? kConfig.block_k : kConfig.block_m>;
  using B = SharedTile<T, kBAlongK ? kConfig.block_n : kConfig.block_k,
                       kBAlongK ? kConfig.block_k : kConfig.block_n>;
  static constexpr int b_offset(int product) { return A::kBytes + product * B::kBytes; }
};

}  // namespace tenon
