// Copies from global to shared memory that bypass registers. What was issued since the last commit is one
// group; nothing of it may be read before cp_async_wait<n> has left at most the n newest groups pending and a
// barrier has followed. `bytes` says how many are read (0 to kSize); the rest of the kSize bytes written are
// zeros. Both addresses are aligned to kSize.
#pragma once
#include "templates/ptx/shared.cuh"

namespace tenon::ptx {

template <int kSize>
__device__ __forceinline__ void cp_async(void* shared, const void* global, int bytes = kSize) {
  static_assert(kSize == 4 || kSize == 8 || kSize == 16);
  if constexpr (kSize == 16)  // past L1: a tile is read once by a block
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "r"(bytes)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(shared)),
                 "l"(__cvta_generic_to_global(global)), "n"(kSize), "r"(bytes)
                 : "memory");
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int kPending>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

}  // namespace tenon::ptx
