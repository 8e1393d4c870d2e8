// Blocks of a cluster read each other's shared memory in turn, round after round.
#include "hopper.cuh"

constexpr int kThreads = 128;

DEVICE int read_from(const int* place, int rank) {
  int value;
  asm volatile(
      "{\n .reg .b32 remote;\n mapa.shared::cluster.u32 remote, %1, %2;\n"
      " ld.shared::cluster.b32 %0, [remote];\n}"
      : "=r"(value)
      : "r"(shared(place)), "r"(rank)
      : "memory");
  return value;
}

extern "C" __global__ void __cluster_dims__(2, 1, 1) __launch_bounds__(kThreads)
    cluster_exchange(const int* in, int* out, int rounds) {
  __shared__ int values[kThreads];
  const int at = blockIdx.x * kThreads + threadIdx.x, other = cluster_rank() ^ 1;
  int value = in[at];
#pragma unroll 1
  for (int round = 0; round < rounds; ++round) {
    values[threadIdx.x] = value;
    cluster_sync();
    value = value * 2 + read_from(&values[kThreads - 1 - threadIdx.x], other);
    cluster_sync();
  }
  out[at] = value;
}
