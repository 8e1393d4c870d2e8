// missing_fence_before_wgmma.cu: c[64, 8] = a[64, 16] b[8, 16]^T; threads copy a and b to shared memory for the tensor cores.
// run: --target sm_90a --block 128 --arg in:bf16:64x16:normal:1 --arg in:bf16:8x16:normal:2 --arg out:f32:64x8
// finds: proxy_fence
#include "hopper.cuh"

extern "C" __global__ void product(const unsigned short* a, const unsigned short* b, float* c) {
  __shared__ alignas(128) unsigned short left[64 * 16], right[8 * 16];
  const int thread = threadIdx.x, row = thread / 32 * 16 + thread % 32 / 4, column = thread % 4 * 2;
  for (int i = thread; i < 64 * 16; i += 128) left[place(i / 16, i % 16)] = a[i];
  right[place(thread / 16, thread % 16)] = b[thread];
#ifdef FIXED
  fence_async();
#endif
  __syncthreads();
  float sum[4];
  wgmma(sum, left, right);  // reported
  wgmma_wait();
  for (int i = 0; i < 4; ++i) c[(row + i / 2 * 8) * 8 + column + i % 2] = sum[i];
}
