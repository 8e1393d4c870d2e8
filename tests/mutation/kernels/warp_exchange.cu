// Lanes of a warp talk through shared memory: a prefix sum, step by step, whose only order is __syncwarp's; then one elected
// lane gathers what the others left.
extern "C" __global__ void __launch_bounds__(64) warp_exchange(const int* in, int* out, int* totals) {
  __shared__ int values[2][32];
  int* mine = values[threadIdx.x / 32];
  const int lane = threadIdx.x % 32, at = blockIdx.x * 64 + threadIdx.x;
  mine[lane] = in[at];
  __syncwarp();
#pragma unroll 1
  for (int step = 1; step < 32; step *= 2) {
    const int sum = mine[lane] + (lane >= step ? mine[lane - step] : 0);
    __syncwarp();
    mine[lane] = sum;
    __syncwarp();
  }
  out[at] = mine[31 - lane];
  __syncwarp();
  mine[lane] = in[at] * lane;
  __syncwarp();
  int elected;
  asm volatile(
      "{\n .reg .pred one;\n elect.sync _|one, 0xffffffff;\n selp.b32 %0, 1, 0, one;\n}"
      : "=r"(elected));
  if (elected) {
    int total = 0;
    for (int i = 0; i < 32; ++i) total += mine[i];
    totals[at / 32] = total;
  }
}
