// Sums of rows: inlined and called functions, static and dynamic shared memory, tables, printf.
__constant__ float scale_table[4];
__device__ float bias_table[3] = {1.f, 0.5f, -2.f};
__device__ const float* bias_pointer = bias_table + 1;
extern __shared__ float staged[];

__device__ __noinline__ float scaled(float x, int row) { return x * scale_table[row & 3] + bias_pointer[row & 1]; }

__device__ __forceinline__ float lane_sum(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

__device__ __forceinline__ float block_sum(float x) {
  __shared__ float partial[32];
  x = lane_sum(x);
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = x;
  __syncthreads();
  return lane_sum(threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x % 32] : 0.f);
}

struct Shape {
  int rows, columns, pitch;
};

extern "C" __global__ void __launch_bounds__(256, 2) row_sum(const float* in, float* out, Shape shape) {
  float sum = 0;
  for (int i = threadIdx.x; i < shape.columns; i += blockDim.x) {
    staged[threadIdx.x] = in[blockIdx.x * (long long)shape.pitch + i];
    sum += staged[threadIdx.x];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[blockIdx.x] = scaled(sum, blockIdx.x);
  if (sum != sum) printf("row %d\n", (int)blockIdx.x);
}
