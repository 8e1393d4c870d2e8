// ldmatrix.cuh: loads of 8x8 matrices of 16-bit elements from shared memory in the layout of mma operands
// (sm_75 and later). Lane l gives the address of row l % 8 of matrix l / 8 (16 bytes, 16-byte aligned) and
// receives, of each matrix, the elements (row l / 4, columns 2 (l % 4) and + 1) in one register, the lower
// column in the lower half.
#pragma once
#include "templates/ptx/shared_address.cuh"

namespace tenon::ptx {

__device__ __forceinline__ void ldmatrix_x4(unsigned (&d)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(row)
               : "memory");
}

// Each matrix transposed: lane l receives the elements (rows 2 (l % 4) and + 1, column l / 4).
__device__ __forceinline__ void ldmatrix_x4_trans(unsigned (&d)[4], SharedAddress row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"(row)
               : "memory");
}

}  // namespace tenon::ptx
