// matrix_descriptor.h: where a wgmma finds the core matrices of an operand in shared memory (PTX ISA 9.0, 9.7.15.5.1).
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "runtime/emulator/instructions/tensor_core.h"

namespace tenon::emulator {

/// The 64 bits of a matrix descriptor, taken apart; all in bytes.
struct MatrixDescriptor {
  uint32_t start = 0;    ///< a shared address
  uint32_t leading = 0;  ///< "leading dimension byte offset"
  uint32_t stride = 0;   ///< "stride dimension byte offset"
  int base_offset = 0;
  int swizzle = 1;  ///< 16-byte units over which the swizzle runs: 1 (none), 2, 4, 8
};
MatrixDescriptor matrix_descriptor(uint64_t bits);
/// What is wrong with it: "" where nothing is.
std::string descriptor_error(const MatrixDescriptor& descriptor);

/// The shared addresses of the 8 rows (16 bytes each) of core matrix (block, chunk): block of 8 rows of A or columns of B,
/// chunk of k. K-major: a row holds the chunk's elements of one row of A. Else (M- or N-major, 16-bit elements only): a row
/// holds the block's 8 elements of one k, k = 8 * chunk + row.
std::array<uint32_t, kCoreRows> core_addresses(const MatrixDescriptor& descriptor, bool k_major, int block,
                                               int chunk);

}  // namespace tenon::emulator
