// Adds one to a matrix of 16-bit integers, tile by tile: tiles come by TMA, go through registers to one of two staging
// tiles by stmatrix, and leave by TMA while the next is worked on.
#include "hopper.cuh"

constexpr int kRow = 64, kTile = 64 * kRow, kBuffers = 2;

struct Storage {
  unsigned short in[kTile], out[kBuffers][kTile];
  Barrier full;
};

DEVICE void load(Storage& s, const TensorMap& map, int tile) {
  arrive_expect(&s.full, sizeof(s.in));
  load_tile(s.in, &map, &s.full, 0, tile * 64);
}

// Lane l of a matrix of eight rows holds elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4.
DEVICE unsigned pair(const unsigned short* tile, int row, int column) {
  return *reinterpret_cast<const unsigned*>(tile + row * kRow + column);
}

extern "C" __global__ void __launch_bounds__(128)
    tensor_store(const __grid_constant__ TensorMap in, const __grid_constant__ TensorMap out, int tiles) {
  __shared__ alignas(128) Storage s;
  const int lane = threadIdx.x % 32, rows = threadIdx.x / 32 * 16;
  if (threadIdx.x == 0) {
    init(&s.full, 1);
    fence_init();
    load(s, in, blockIdx.x * tiles);
  }
  __syncthreads();
#pragma unroll 1
  for (int i = 0; i < tiles; ++i) {
    unsigned values[4][4];
    wait(&s.full, i % 2);
#pragma unroll
    for (int j = 0; j < 16; ++j)
      values[j / 4][j % 4] =
          pair(s.in, rows + lane / 4 + j % 2 * 8, j / 4 * 16 + j / 2 % 2 * 8 + lane % 4 * 2) + 0x10001u;
    if (threadIdx.x == 0) wait_stores_read<kBuffers - 1>();
    __syncthreads();  // all have read the tile, and the staging tile is free
    if (threadIdx.x == 0 && i + 1 < tiles) load(s, in, blockIdx.x * tiles + i + 1);
    unsigned short* staged = s.out[i % kBuffers];
#pragma unroll
    for (int j = 0; j < 4; ++j)
      store_matrices(staged + (rows + lane % 16) * kRow + j * 16 + lane / 16 * 8, values[j][0], values[j][1],
                     values[j][2], values[j][3]);
    fence_async();
    __syncthreads();
    if (threadIdx.x == 0) {
      store_tile(&out, staged, 0, (blockIdx.x * tiles + i) * 64);
      commit_stores();
    }
  }
  if (threadIdx.x == 0) wait_stores<0>();
}
