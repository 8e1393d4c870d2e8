// large_box.cu: copies a tile; the tensor map's box has 64 rows.
// run: --target sm_90a --block 128 --arg tensormap:x:64x32:none --arg out:f32:64x32 --buffer x=in:f32:64x32:iota
// finds: out_of_bounds
#include "hopper.cuh"

#ifdef FIXED
constexpr int kRows = 64;
#else
constexpr int kRows = 32;
#endif

extern "C" __global__ void copy_tile(const __grid_constant__ TensorMap x, float* y) {
  __shared__ alignas(128) float tile[kRows * 32];
  __shared__ Mbarrier full;
  if (threadIdx.x == 0) init(full, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    arrive_expecting(full, sizeof tile);
    load_box(tile, x, 0, 0, full);  // reported
  }
  wait(full, 0);
  for (int i = threadIdx.x; i < kRows * 32; i += 128) y[i] = tile[i];
}
