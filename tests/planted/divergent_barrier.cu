// divergent_barrier.cu: each element less the mean of its block; the last block is not full.
// run: --grid 2 --block 64 --arg in:f32:100:iota --arg out:f32:100 --arg i32:100
// finds: divergent_collective
extern "C" __global__ void centre(const float* x, float* y, int n) {
  __shared__ float sum;
  const int i = blockIdx.x * 64 + threadIdx.x, count = min(n - blockIdx.x * 64, 64);
  if (threadIdx.x == 0) sum = 0;
#ifdef FIXED
  __syncthreads();
  if (i < n) atomicAdd(&sum, x[i]);
#else
  if (i < n) {
    __syncthreads();  // noted
    atomicAdd(&sum, x[i]);
  }
#endif
  __syncthreads();  // reported
  if (i < n) y[i] = x[i] - sum / count;
}
