// Two warps write tiles that two others read: a pair of named barriers for each of two buffers, one that says full and one
// that says free.
#include "hopper.cuh"

constexpr int kHalf = 64, kBuffers = 2;

extern "C" __global__ void __launch_bounds__(2 * kHalf) named_barriers(const int* in, int* out, int tiles) {
  __shared__ int buffers[kBuffers][kHalf];
  const int thread = threadIdx.x % kHalf;
  in += blockIdx.x * tiles * kHalf;
  out += blockIdx.x * tiles * kHalf;
  if (threadIdx.x < kHalf) {
#pragma unroll 1
    for (int i = 0; i < tiles; i += kBuffers) {
      if (i > 0) named_sync<3, 2 * kHalf>();
      buffers[0][thread] = in[i * kHalf + thread] * 3;
      named_arrive<1, 2 * kHalf>();
      if (i > 0) named_sync<4, 2 * kHalf>();
      buffers[1][thread] = in[(i + 1) * kHalf + thread] * 5;
      named_arrive<2, 2 * kHalf>();
    }
  } else {
#pragma unroll 1
    for (int i = 0; i < tiles; i += kBuffers) {
      named_sync<1, 2 * kHalf>();
      out[i * kHalf + thread] = buffers[0][kHalf - 1 - thread];
      if (i + kBuffers < tiles) named_arrive<3, 2 * kHalf>();
      named_sync<2, 2 * kHalf>();
      out[(i + 1) * kHalf + thread] = buffers[1][kHalf - 1 - thread];
      if (i + kBuffers < tiles) named_arrive<4, 2 * kHalf>();
    }
  }
}
