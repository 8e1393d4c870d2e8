// One warp's product on tensor cores, by the type of its elements. Fragments lie as ptx/mma.cuh says.
#pragma once
#include "templates/ptx/mma.cuh"
#include "templates/scalar.cuh"

namespace tenon {

// sum += a b: m16n8k16 of bf16 and f16; m16n8k8 of f32, whose words are rounded to tf32.
template <class T>
TENON_DEVICE void multiply_fragments(float (&sum)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  if constexpr (kSame<T, bf16>)
    ptx::mma_m16n8k16_bf16(sum, a, b);
  else if constexpr (kSame<T, f16>)
    ptx::mma_m16n8k16_f16(sum, a, b);
  else
    ptx::mma_m16n8k8_tf32(sum, a, b);
}

}  // namespace tenon
