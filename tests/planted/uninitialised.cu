// uninitialised.cu: the sum of 128 elements: of each warp, then of the four warps' sums.
// run: --block 128 --arg in:f32:128:iota --arg out:f32:1
// finds: uninitialised
__device__ float warp_sum(float value) {
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  return value;
}

extern "C" __global__ void sum(const float* x, float* y) {
  __shared__ float sums[32];
  const float mine = warp_sum(x[threadIdx.x]);
  if (threadIdx.x % 32 == 0) sums[threadIdx.x / 32] = mine;
  __syncthreads();
  if (threadIdx.x >= 32) return;
#ifdef FIXED
  const float part = threadIdx.x < 4 ? sums[threadIdx.x] : 0;
#else
  const float part = sums[threadIdx.x];  // noted
#endif
  const float total = warp_sum(part);
  if (threadIdx.x == 0) *y = total;  // reported
}
