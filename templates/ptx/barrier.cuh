// Named barriers: a part of a block meets without the rest. Identifier 0 is __syncthreads; `threads` is a
// multiple of 32.
#pragma once

namespace tenon::ptx {

template <int kBarrier>
__device__ __forceinline__ void barrier_sync(int threads) {
  static_assert(kBarrier > 0 && kBarrier < 16);
  asm volatile("bar.sync %0, %1;" ::"n"(kBarrier), "r"(threads) : "memory");
}
template <int kBarrier>
__device__ __forceinline__ void barrier_arrive(int threads) {
  static_assert(kBarrier > 0 && kBarrier < 16);
  asm volatile("bar.arrive %0, %1;" ::"n"(kBarrier), "r"(threads) : "memory");
}

}  // namespace tenon::ptx
