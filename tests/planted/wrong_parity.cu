// wrong_parity.cu: sums a row chunk by chunk; one warp has the chunks copied, the other adds them up.
// run: --target sm_90a --block 64 --arg in:f32:8x32:iota --arg out:f32:32 --arg i32:8
// finds: deadlock
#include "hopper.cuh"

extern "C" __global__ void sum_chunks(const float* x, float* y, int chunks) {
  __shared__ alignas(16) float chunk[32];
  __shared__ Mbarrier full, empty;
  if (threadIdx.x == 0) {
    init(full, 1);
    init(empty, 32);
  }
  __syncthreads();
  if (threadIdx.x == 32) {
    for (int i = 0; i < chunks; ++i) {
#ifdef FIXED
      wait(empty, (i + 1) % 2);  // the first chunk waits for nobody
#else
      wait(empty, i % 2);  // noted
#endif
      arrive_expecting(full, sizeof chunk);
      copy(chunk, x + i * 32, sizeof chunk, full);
    }
  } else if (threadIdx.x < 32) {
    float sum = 0;
    for (int i = 0; i < chunks; ++i) {
      wait(full, i % 2);  // reported
      sum += chunk[threadIdx.x];
      arrive(empty);
    }
    y[threadIdx.x] = sum;
  }
}
