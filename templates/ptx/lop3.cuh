// Three words' bits in one instruction, which the compiler does not make of two constants by itself.
#pragma once

namespace tenon::ptx {

/// (word & mask) ^ bits
__device__ __forceinline__ unsigned and_xor(unsigned word, unsigned mask, unsigned bits) {
  unsigned result;
  asm("lop3.b32 %0, %1, %2, %3, 0x6a;" : "=r"(result) : "r"(word), "r"(mask), "r"(bits));
  return result;
}

}  // namespace tenon::ptx
