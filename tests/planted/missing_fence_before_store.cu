// missing_fence_before_store.cu: doubles a 32x32 tile in shared memory; the copy engine stores it.
// run: --target sm_90a --block 256 --arg in:f32:32x32:iota --arg tensormap:y:32x32:none --buffer y=out:f32:32x32
// finds: proxy_fence
#include "hopper.cuh"

extern "C" __global__ void twice(const float* x, const __grid_constant__ TensorMap y) {
  __shared__ alignas(128) float doubled[32 * 32];
  for (int i = threadIdx.x; i < 32 * 32; i += 256) doubled[i] = 2 * x[i];  // noted
#ifdef FIXED
  fence_async();
#endif
  __syncthreads();
  if (threadIdx.x == 0) {
    store_box(y, doubled, 0, 0);  // reported
    finish_stores();
  }
}
