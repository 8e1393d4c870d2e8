// cp_async.cuh: copies from global to shared memory that do not pass through registers (sm_80 and later).
// Copies are gathered into groups, and waited for by the number of groups that may still be in flight.
#pragma once
#include "templates/ptx/shared_address.cuh"

namespace tenon::ptx {

// Copies the first `valid` (0 to kBytes) of kBytes bytes and writes zeros for the rest. Both addresses are
// multiples of kBytes. `global` is not read where `valid` is 0, yet must be a global address.
template <int kBytes>
__device__ __forceinline__ void cp_async(SharedAddress shared, const void* global, int valid = kBytes) {
  static_assert(kBytes == 4 || kBytes == 8 || kBytes == 16);
  const unsigned long long source = __cvta_generic_to_global(global);
  if constexpr (kBytes == 16) {  // .cg: past L1, which tiles would only flush
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared), "l"(source), "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared), "l"(source), "n"(kBytes),
                 "r"(valid)
                 : "memory");
  }
}

// Closes the group of all copies issued since the last one; a group may be empty.
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;" ::: "memory"); }

// Waits until at most kInFlight of this thread's groups are unfinished.
template <int kInFlight>
__device__ __forceinline__ void cp_async_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kInFlight) : "memory");
}

}  // namespace tenon::ptx
