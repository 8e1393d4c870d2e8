// Instructions of sm_90 that the kernels of this folder synchronise with, one function each.
#pragma once

struct alignas(64) TensorMap {
  unsigned long long opaque[16];
};

using Barrier = unsigned long long;  // an mbarrier

#define DEVICE __device__ __forceinline__

DEVICE unsigned shared(const void* p) { return static_cast<unsigned>(__cvta_generic_to_shared(p)); }

// --- mbarriers
DEVICE void init(Barrier* barrier, int arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared(barrier)), "r"(arrivals) : "memory");
}
DEVICE void fence_init() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }
DEVICE void arrive(Barrier* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared(barrier)) : "memory");
}
DEVICE void arrive_expect(Barrier* barrier, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared(barrier)), "r"(bytes)
               : "memory");
}
// On the barrier at the same place in block `rank` of the cluster.
DEVICE void arrive_at(Barrier* barrier, int rank) {
  asm volatile(
      "{\n .reg .b32 remote;\n mapa.shared::cluster.u32 remote, %0, %1;\n"
      " mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}" ::"r"(shared(barrier)),
      "r"(rank)
      : "memory");
}
DEVICE void wait(Barrier* barrier, unsigned parity) {
  asm volatile(
      "{\n .reg .pred passed;\n AGAIN:\n mbarrier.try_wait.parity.shared::cta.b64 passed, [%0], %1;\n"
      " @!passed bra AGAIN;\n}" ::"r"(shared(barrier)),
      "r"(parity)
      : "memory");
}
// Where other blocks of the cluster arrive too.
DEVICE void wait_cluster(Barrier* barrier, unsigned parity) {
  asm volatile(
      "{\n .reg .pred passed;\n AGAIN:\n"
      " mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 passed, [%0], %1;\n"
      " @!passed bra AGAIN;\n}" ::"r"(shared(barrier)),
      "r"(parity)
      : "memory");
}

// --- barriers of the block and of the cluster
template <int kBarrier, int kThreads>
DEVICE void named_sync() {
  asm volatile("bar.sync %0, %1;" ::"n"(kBarrier), "n"(kThreads) : "memory");
}
template <int kBarrier, int kThreads>
DEVICE void named_arrive() {
  asm volatile("bar.arrive %0, %1;" ::"n"(kBarrier), "n"(kThreads) : "memory");
}
DEVICE void group_sync(int barrier, int threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(barrier), "r"(threads) : "memory");
}
DEVICE void cluster_sync() {
  asm volatile("barrier.cluster.arrive.release.aligned;" ::: "memory");
  asm volatile("barrier.cluster.wait.acquire.aligned;" ::: "memory");
}
DEVICE int cluster_rank() {
  int rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  return rank;
}

// --- the async proxy
DEVICE void fence_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
DEVICE void load_tile(void* tile, const TensorMap* map, Barrier* barrier, int x, int y) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4}], "
      "[%2];" ::"r"(shared(tile)),
      "l"(map), "r"(shared(barrier)), "r"(x), "r"(y)
      : "memory");
}
DEVICE void load_tile_of_all(void* tile, const TensorMap* map, Barrier* barrier, int x, int y,
                             unsigned short blocks) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%0], "
      "[%1, {%3, %4}], [%2], %5;" ::"r"(shared(tile)),
      "l"(map), "r"(shared(barrier)), "r"(x), "r"(y), "h"(blocks)
      : "memory");
}
DEVICE void store_tile(const TensorMap* map, const void* tile, int x, int y) {
  asm volatile("cp.async.bulk.tensor.2d.global.shared::cta.bulk_group [%0, {%2, %3}], [%1];" ::"l"(map),
               "r"(shared(tile)), "r"(x), "r"(y)
               : "memory");
}
DEVICE void load_bytes(void* to, const void* from, int bytes, Barrier* barrier) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
          shared(to)),
      "l"(__cvta_generic_to_global(from)), "r"(bytes), "r"(shared(barrier))
      : "memory");
}
DEVICE void store_bytes(void* to, const void* from, int bytes) {
  asm volatile(
      "cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(__cvta_generic_to_global(to)),
      "r"(shared(from)), "r"(bytes)
      : "memory");
}
DEVICE void commit_stores() { asm volatile("cp.async.bulk.commit_group;" ::: "memory"); }
template <int kPending>
DEVICE void wait_stores_read() {
  asm volatile("cp.async.bulk.wait_group.read %0;" ::"n"(kPending) : "memory");
}
template <int kPending>
DEVICE void wait_stores() {
  asm volatile("cp.async.bulk.wait_group %0;" ::"n"(kPending) : "memory");
}

// --- matrices
DEVICE void store_matrices(void* row, unsigned a, unsigned b, unsigned c, unsigned d) {
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1, %2, %3, %4};" ::"r"(shared(row)), "r"(a),
               "r"(b), "r"(c), "r"(d)
               : "memory");
}
DEVICE unsigned pack(float low, float high) {
  unsigned r;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(r) : "f"(high), "f"(low));
  return r;
}

DEVICE void fence_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
DEVICE void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// `sums` are in flight until here: the operands keep the compiler from reading them before.
template <int kPending>
DEVICE void wait_products(float (&sums)[32]) {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kPending) : "memory");
#pragma unroll
  for (int i = 0; i < 32; ++i) asm volatile("" : "+f"(sums[i])::"memory");
}

// A tile of rows of 128 bytes in the 128-byte swizzle; groups of eight rows are 1024 bytes apart.
DEVICE unsigned long long descriptor(const void* tile) {
  constexpr unsigned long long kRest = 1ull << 62 | 64ull << 32 | 1ull << 16;
  return kRest | (shared(tile) & 0x3ffff) >> 4;
}

#define SUMS                                                                                              \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, " \
  "%22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define SUM4(i) "+f"(sums[i]), "+f"(sums[i + 1]), "+f"(sums[i + 2]), "+f"(sums[i + 3])
#define SUM32 SUM4(0), SUM4(4), SUM4(8), SUM4(12), SUM4(16), SUM4(20), SUM4(24), SUM4(28)

// 64x64 sums (+)= a tile of 64 rows by 16, times one of 64 columns by 16, both contiguous along the 16.
DEVICE void multiply(float (&sums)[32], unsigned long long a, unsigned long long b, bool add) {
  asm volatile(
      "{\n .reg .pred add;\n setp.ne.b32 add, %34, 0;\n"
      " wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " SUMS ", %32, %33, add, 1, 1, 0, 0;\n}"
      : SUM32
      : "l"(a), "l"(b), "r"(static_cast<int>(add)));
}
// `a` in registers; b's 64 columns are contiguous.
DEVICE void multiply_registers(float (&sums)[32], const unsigned (&a)[4], unsigned long long b) {
  asm volatile(
      "{\n .reg .pred add;\n setp.ne.b32 add, 1, 0;\n"
      " wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " SUMS
      ", {%32, %33, %34, %35}, %36, add, 1, 1, 1;\n}"
      : SUM32
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
