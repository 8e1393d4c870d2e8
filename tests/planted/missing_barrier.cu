// missing_barrier.cu: the elements of each block in reverse.
// run: --grid 2 --block 128 --arg in:f32:256:iota --arg out:f32:256
// finds: shared_race
extern "C" __global__ void reverse(const float* x, float* y) {
  __shared__ float turned[128];
  const int i = blockIdx.x * 128 + threadIdx.x;
  turned[127 - threadIdx.x] = x[i];  // noted
#ifdef FIXED
  __syncthreads();
#endif
  y[i] = turned[threadIdx.x];  // reported
}
