// hopper.cuh: the instructions of sm_90a that these kernels use, one wrapper each.
#pragma once

struct alignas(64) TensorMap {
  unsigned long long opaque[16];
};

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

// --- Barriers of asynchronous copies

using Mbarrier = unsigned long long;

__device__ __forceinline__ void init(Mbarrier& bar, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n fence.mbarrier_init.release.cluster;" ::"r"(
                   shared_address(&bar)),
               "r"(arrivals)
               : "memory");
}
__device__ __forceinline__ void arrive(Mbarrier& bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(&bar)) : "memory");
}
__device__ __forceinline__ void arrive_expecting(Mbarrier& bar, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&bar)),
               "r"(bytes)
               : "memory");
}
__device__ __forceinline__ bool passed(Mbarrier& bar, int parity) {
  int done;
  asm volatile(
      "{\n .reg .pred p;\n mbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n selp.b32 %0, 1, 0, p;\n}"
      : "=r"(done)
      : "r"(shared_address(&bar)), "r"(parity)
      : "memory");
  return done;
}
__device__ __forceinline__ void wait(Mbarrier& bar, int parity) {
  while (!passed(bar, parity)) {
  }
}

// --- Copies

__device__ __forceinline__ void copy(void* to, const void* from, int bytes, Mbarrier& bar) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(&bar))
      : "memory");
}
__device__ __forceinline__ void load_box(void* to, const TensorMap& map, int x, int y, Mbarrier& bar) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], "
      "[%4];" ::"r"(shared_address(to)),
      "l"(&map), "r"(x), "r"(y), "r"(shared_address(&bar))
      : "memory");
}
__device__ __forceinline__ void store_box(const TensorMap& map, const void* from, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%1, %2}], [%3];" ::"l"(&map),
               "r"(x), "r"(y), "r"(shared_address(from))
               : "memory");
}
__device__ __forceinline__ void finish_stores() {
  asm volatile("cp.async.bulk.commit_group;\n cp.async.bulk.wait_group 0;" ::: "memory");
}
__device__ __forceinline__ void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// --- wgmma of one 64x8x16 product, tiles of 8 rows by 16 bytes lying side by side, those along k first

__device__ __forceinline__ unsigned long long tile(const void* p) {
  constexpr unsigned long long kAlongK = 128, kAlongRows = 256;  // bytes from tile to tile
  return (shared_address(p) & 0x3ffff) >> 4 | kAlongK >> 4 << 16 | kAlongRows >> 4 << 32;
}
// Where element (row, k) lies.
__device__ __forceinline__ int place(int row, int k) {
  return row / 8 * 128 + k / 8 * 64 + row % 8 * 8 + k % 8;
}

__device__ __forceinline__ void wgmma(float (&d)[4], const void* a, const void* b) {
  asm volatile(
      "{\n .reg .pred none;\n setp.ne.b32 none, 0, 0;\n wgmma.fence.sync.aligned;\n"
      " wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%0, %1, %2, %3}, %4, %5, none, 1, 1, 0, 0;\n"
      " wgmma.commit_group.sync.aligned;\n}"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "l"(tile(a)), "l"(tile(b))
      : "memory");
}
__device__ __forceinline__ void wgmma_wait() {
  asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");
}
