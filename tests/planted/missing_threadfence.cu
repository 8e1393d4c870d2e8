// missing_threadfence.cu: every block leaves a sum; when all have come to the barrier, the first adds the sums up.
// run: --grid 4 --block 32 --cooperative --check global_races --arg in:f32:128:iota --arg inout:f32:4 --arg inout:u32:1 --arg out:f32:1
// finds: global_race
__device__ void grid_barrier(unsigned* arrived) {
  __syncthreads();
  if (threadIdx.x == 0) {
#ifdef FIXED
    __threadfence();
#endif
    atomicAdd(arrived, 1);
    while (*static_cast<volatile unsigned*>(arrived) < gridDim.x) {}
#ifdef FIXED
    __threadfence();
#endif
  }
  __syncthreads();
}

extern "C" __global__ void sum(const float* x, float* sums, unsigned* arrived, float* y) {
  float value = x[blockIdx.x * 32 + threadIdx.x];
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(~0u, value, distance);
  if (threadIdx.x == 0) sums[blockIdx.x] = value;  // noted
  grid_barrier(arrived);
  if (blockIdx.x == 0 && threadIdx.x == 0) {
    float total = 0;
    for (int i = 0; i < gridDim.x; ++i) total += sums[i];  // reported
    *y = total;
  }
}
