// Tiles of a matrix come by TMA to the blocks of a cluster: scopes with labels of one name, a parameter by its
// address, cluster directives.
struct alignas(64) TensorMap {
  unsigned long long opaque[16];
};

__device__ __forceinline__ unsigned address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }

__device__ __forceinline__ void wait(unsigned barrier, unsigned parity) {
  asm volatile(
      "{\n .reg .pred P1;\n WAIT:\n mbarrier.try_wait.parity.shared::cta.b64 P1, [%0], %1;\n @P1 bra.uni DONE;\n"
      " bra.uni WAIT;\n DONE:\n}" ::"r"(barrier),
      "r"(parity)
      : "memory");
}

__device__ __forceinline__ void load(unsigned tile, const TensorMap* map, unsigned barrier, int x, int y) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 8192;" ::"r"(barrier) : "memory");
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], [%2];" ::"r"(tile),
      "l"(map), "r"(barrier), "r"(x), "r"(y)
      : "memory");
}

extern "C" __global__ void __cluster_dims__(2, 1, 1)
    tile_copy(const __grid_constant__ TensorMap map, unsigned short* out, int tiles) {
  __shared__ alignas(128) unsigned short tile[64 * 64];
  __shared__ alignas(8) unsigned long long barrier;
  if (threadIdx.x == 0) asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(address(&barrier)) : "memory");
  __syncthreads();
#pragma unroll 1
  for (int i = 0; i < tiles; i += 2) {
    if (threadIdx.x == 0) load(address(tile), &map, address(&barrier), i * 64, blockIdx.x * 64);
    wait(address(&barrier), 0);
    out[i * 4096 + threadIdx.x] = tile[threadIdx.x];
    __syncthreads();
    if (threadIdx.x == 0) load(address(tile), &map, address(&barrier), i * 64 + 64, blockIdx.x * 64);
    wait(address(&barrier), 1);
    out[i * 4096 + 4096 + threadIdx.x] = tile[threadIdx.x];
    __syncthreads();
  }
}
