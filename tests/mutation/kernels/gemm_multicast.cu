// C[m, n] = A[m, k] B[n, k]^T in bf16, by persistent clusters of two blocks: a producer warp keeps a ring of tiles filled,
// each block loading half of B's tile for both; two warpgroups multiply, and store by way of shared memory.
#include "hopper.cuh"

constexpr int kStages = 3, kConsumers = 2;
constexpr int kRow = 64, kTile = 64 * kRow;  // elements; rows of 128 bytes
constexpr int kLoaded = (kConsumers + 1) * kTile * 2;

struct Storage {
  unsigned short a[kStages][kConsumers * kTile];
  unsigned short b[kStages][kTile];
  unsigned short c[kConsumers][kTile];
  Barrier full[kStages], empty[kStages];
};

struct Ring {
  int stage = 0;
  unsigned phase = 0;
  DEVICE void step() {
    if (++stage == kStages) stage = 0, phase ^= 1;
  }
};

DEVICE void produce(Storage& s, const TensorMap& a, const TensorMap& b, int steps, int tiles, int rank) {
  Ring at;
#pragma unroll 1
  for (int tile = 0; tile < tiles; ++tile)
#pragma unroll 1
    for (int step = 0; step < steps; ++step, at.step()) {
      wait_cluster(&s.empty[at.stage], at.phase ^ 1);
      arrive_expect(&s.full[at.stage], kLoaded);
      load_tile(s.a[at.stage], &a, &s.full[at.stage], step * kRow, blockIdx.x * kConsumers * 64);
      load_tile_of_all(s.b[at.stage] + rank * kTile / 2, &b, &s.full[at.stage], step * kRow,
                       tile * 64 + rank * 32, 3);
    }
}

// Warp w of four holds rows 16 w to 16 w + 15; sums 8 j to 8 j + 7 are columns 16 j to 16 j + 15.
DEVICE void stage_result(unsigned short* c, const float (&sums)[32], int thread) {
  const int lane = thread % 32, row = thread / 32 * 16 + lane % 16;
#pragma unroll
  for (int j = 0; j < 4; ++j) {
    const int chunk = (j * 2 + lane / 16) ^ (row % 8);
    store_matrices(c + row * kRow + chunk * 8, pack(sums[8 * j], sums[8 * j + 1]),
                   pack(sums[8 * j + 2], sums[8 * j + 3]), pack(sums[8 * j + 4], sums[8 * j + 5]),
                   pack(sums[8 * j + 6], sums[8 * j + 7]));
  }
}

DEVICE void consume(Storage& s, const TensorMap& c, int steps, int tiles, int group) {
  const int thread = threadIdx.x % 128;
  Ring at;
#pragma unroll 1
  for (int tile = 0; tile < tiles; ++tile) {
    float sums[32];
    int before = 0;
#pragma unroll 1
    for (int step = 0; step < steps; ++step, at.step()) {
      wait(&s.full[at.stage], at.phase);
      fence_products();
#pragma unroll
      for (int k = 0; k < kRow; k += 16)
        multiply(sums, descriptor(s.a[at.stage] + group * kTile + k), descriptor(s.b[at.stage] + k),
                 step > 0 || k > 0);
      commit_products();
      wait_products<1>(sums);
      if (step > 0 && thread < 2) arrive_at(&s.empty[before], thread);
      before = at.stage;
    }
    wait_products<0>(sums);
    if (thread < 2) arrive_at(&s.empty[before], thread);
    if (thread == 0) wait_stores_read<0>();  // of the tile before
    group_sync(1 + group, 128);
    stage_result(s.c[group], sums, thread);
    fence_async();
    group_sync(1 + group, 128);
    if (thread == 0) {
      store_tile(&c, s.c[group], tile * 64, (blockIdx.x * kConsumers + group) * 64);
      commit_stores();
    }
  }
  if (thread == 0) wait_stores<0>();
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(384, 1)
    gemm_multicast(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
                   const __grid_constant__ TensorMap c, int steps, int tiles) {
  extern __shared__ __align__(1024) unsigned char memory[];
  Storage& s = *reinterpret_cast<Storage*>((reinterpret_cast<unsigned long long>(memory) + 1023) & ~1023ull);
  const int group = threadIdx.x / 128, rank = cluster_rank();
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; ++i) init(&s.full[i], 1), init(&s.empty[i], kConsumers * 2);
    fence_init();
  }
  cluster_sync();
  if (group == kConsumers) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
    if (threadIdx.x == kConsumers * 128) produce(s, a, b, steps, tiles, rank);
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
    consume(s, c, steps, tiles, group);
  }
  cluster_sync();  // the other block may still arrive here
}
