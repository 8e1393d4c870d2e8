// Loads past L1, for what another block of the same launch has written.
#pragma once

namespace tenon::ptx {

__device__ __forceinline__ float load_l2(const float* p) {
  float r;
  asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(r) : "l"(__cvta_generic_to_global(p)) : "memory");
  return r;
}
// Four floats at a 16-byte aligned global address.
__device__ __forceinline__ void load_l2(float (&r)[4], const void* p) {
  asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(r[0]), "=f"(r[1]), "=f"(r[2]), "=f"(r[3])
               : "l"(__cvta_generic_to_global(p))
               : "memory");
}

}  // namespace tenon::ptx
