// shared_address.cuh: addresses in shared memory as instructions take them: 32-bit bytes, which are cheaper
// to carry than generic pointers.
#pragma once

namespace tenon::ptx {

using SharedAddress = unsigned;

// The address of `pointer`, which must point into shared memory.
__device__ __forceinline__ SharedAddress shared_address(const void* pointer) {
  return static_cast<SharedAddress>(__cvta_generic_to_shared(pointer));
}

}  // namespace tenon::ptx
