// wrong_swizzle.cu: transposes a 32x32 tile that the copy engine has swizzled: in row r chunk c lies at c ^ (r % 8). No rule is
// broken where it is read from elsewhere: the values are wrong.
// run: --target sm_90a --block 256 --arg tensormap:x:32x32:128 --arg out:f32:32x32 --buffer x=in:f32:32x32:iota
// finds: nothing
#include "hopper.cuh"

extern "C" __global__ void transpose(const __grid_constant__ TensorMap x, float* y) {
  __shared__ alignas(1024) float tile[32][32];
  __shared__ Mbarrier full;
#ifdef FIXED
  constexpr int kChunks = 8;
#else
  constexpr int kChunks = 4;
#endif
  if (threadIdx.x == 0) init(full, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    arrive_expecting(full, sizeof tile);
    load_box(tile, x, 0, 0, full);
  }
  wait(full, 0);
  const int row = threadIdx.x % 32;
  for (int column = threadIdx.x / 32; column < 32; column += 8) {
    const int chunk = column / 4 ^ row % kChunks;
    y[column * 32 + row] = tile[row][chunk * 4 + column % 4];
  }
}
