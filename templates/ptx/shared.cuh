// Shared memory: its 32-bit addresses, and the dynamic part that the launch sizes (16-byte aligned).
#pragma once

namespace tenon::ptx {

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

__device__ __forceinline__ unsigned char* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char dynamic_shared_memory[];
  return dynamic_shared_memory;
}

}  // namespace tenon::ptx
