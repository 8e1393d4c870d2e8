// Sums of columns by one cooperative grid: each block sums its rows as bulk copies bring them, all meet at a barrier in
// global memory, then each block adds the others' sums of its columns; a second barrier, of releases and acquires,
// stands before the result is turned round.
#include "hopper.cuh"

constexpr int kColumns = 256, kStages = 2, kRows = 4;  // rows a copy

struct Storage {
  float rows[kStages][kRows * kColumns];
  float result[kColumns];
  Barrier full[kStages];
};

// Fences and an atomic, the way that CUDA C++ has offered from its beginnings.
DEVICE void meet_by_fences(unsigned* counter) {
  __syncthreads();
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd(counter, 1u);
    while (*static_cast<volatile unsigned*>(counter) < gridDim.x) __nanosleep(20);
    __threadfence();
  }
  __syncthreads();
}

// A release and an acquire.
DEVICE void meet_by_release(unsigned* counter) {
  __syncthreads();
  if (threadIdx.x == 0) {
    asm volatile("red.release.gpu.global.add.u32 [%0], 1;" ::"l"(counter) : "memory");
    unsigned seen;
    do {
      asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(seen) : "l"(counter) : "memory");
    } while (seen < gridDim.x);
  }
  __syncthreads();
}

DEVICE void load_rows(Storage& s, const float* in, int step) {
  const int stage = step % kStages;
  arrive_expect(&s.full[stage], sizeof(s.rows[0]));
  load_bytes(s.rows[stage], in + step * kRows * kColumns, sizeof(s.rows[0]), &s.full[stage]);
}

extern "C" __global__ void __launch_bounds__(kColumns)
    grid_barrier(const float* in, float* partial, float* sums, float* turned, unsigned* counters, int steps) {
  __shared__ alignas(128) Storage s;
  const int column = threadIdx.x, mine = kColumns / gridDim.x;
  in += blockIdx.x * steps * kRows * kColumns;
  if (column == 0) {
    for (int i = 0; i < kStages; ++i) init(&s.full[i], 1);
    fence_init();
    for (int i = 0; i < kStages; ++i) load_rows(s, in, i);
  }
  __syncthreads();
  float sum = 0;
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    wait(&s.full[step % kStages], step / kStages % 2);
    for (int row = 0; row < kRows; ++row) sum += s.rows[step % kStages][row * kColumns + column];
    __syncthreads();
    if (column == 0 && step + kStages < steps) load_rows(s, in, step + kStages);
  }
  partial[blockIdx.x * kColumns + column] = sum;
  meet_by_fences(counters);

  if (column < mine) {
    float total = 0;
    for (int block = 0; block < gridDim.x; ++block)
      total += partial[block * kColumns + blockIdx.x * mine + column];
    sums[blockIdx.x * mine + column] = total;
  }
  meet_by_release(counters + 1);

  s.result[column] = sums[kColumns - 1 - column];
  fence_async();
  __syncthreads();
  if (column == 0) {
    store_bytes(turned + blockIdx.x * kColumns, s.result, sizeof(s.result));
    commit_stores();
    wait_stores<0>();
  }
}
