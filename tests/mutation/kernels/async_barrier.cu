// A ring of tiles filled by cp.async, whose arrivals an mbarrier counts, and emptied by other warps.
#include "hopper.cuh"

constexpr int kHalf = 64, kStages = 2;

DEVICE void copy(int* to, const int* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(shared(to)),
               "l"(__cvta_generic_to_global(from))
               : "memory");
}
DEVICE void arrive_when_copied(Barrier* barrier) {
  asm volatile("cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%0];" ::"r"(shared(barrier)) : "memory");
}

extern "C" __global__ void __launch_bounds__(2 * kHalf) async_barrier(const int* in, int* out, int tiles) {
  __shared__ int ring[kStages][kHalf];
  __shared__ Barrier full[kStages], empty[kStages];
  const int thread = threadIdx.x % kHalf;
  if (threadIdx.x == 0)
    for (int i = 0; i < kStages; ++i) init(&full[i], kHalf), init(&empty[i], kHalf);
  __syncthreads();
  if (threadIdx.x < kHalf) {
#pragma unroll 1
    for (int i = 0; i < tiles; ++i) {
      wait(&empty[i % kStages], i / kStages % 2 ^ 1);
      copy(&ring[i % kStages][thread], in + (blockIdx.x * tiles + i) * kHalf + thread);
      arrive_when_copied(&full[i % kStages]);
    }
  } else {
#pragma unroll 1
    for (int i = 0; i < tiles; ++i) {
      wait(&full[i % kStages], i / kStages % 2);
      out[(blockIdx.x * tiles + i) * kHalf + thread] = ring[i % kStages][kHalf - 1 - thread] + i;
      arrive(&empty[i % kStages]);
    }
  }
}
