// Loads of what is read once: past L1, and first to leave L2. They stay in the order of the program, so that
// a thread's loads are all under way before it waits for one; plain ld.global, which no wait for an earlier
// kernel lets sink below it.
#pragma once

namespace tenon::ptx {

// An L2 policy; any value means the same memory.
__device__ __forceinline__ unsigned long long evict_first_policy() {
  unsigned long long policy;
  asm("createpolicy.fractional.L2::evict_first.b64 %0, 1.0;" : "=l"(policy));
  return policy;
}
// 16 bytes at a global address aligned to as many.
__device__ __forceinline__ void load_stream(unsigned (&r)[4], const void* p, unsigned long long policy) {
  asm volatile("ld.global.L1::no_allocate.L2::cache_hint.v4.u32 {%0, %1, %2, %3}, [%4], %5;"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "l"(__cvta_generic_to_global(p)), "l"(policy));
}

}  // namespace tenon::ptx
