// matrix_descriptor.cpp: see matrix_descriptor.h.
#include "runtime/emulator/instructions/matrix_descriptor.h"

namespace tenon::emulator {
namespace {

constexpr uint32_t kUnit = 16;  // bytes: what a swizzle moves

uint32_t field(uint64_t bits, int first) { return static_cast<uint32_t>(bits >> first & 0x3fff) << 4; }

/// Units change places within 128 bytes by the number of the 128 bytes, modulo the swizzle's units.
uint32_t swizzled(uint32_t address, int units) {
  return address ^ ((address >> 7 & static_cast<uint32_t>(units - 1)) << 4);
}

}  // namespace

MatrixDescriptor matrix_descriptor(uint64_t bits) {
  MatrixDescriptor d;
  d.start = field(bits, 0);
  d.leading = field(bits, 16);
  d.stride = field(bits, 32);
  d.base_offset = static_cast<int>(bits >> 49 & 7);
  constexpr int kUnits[] = {1, 8, 4, 2};
  d.swizzle = kUnits[bits >> 62];
  return d;
}

std::string descriptor_error(const MatrixDescriptor& d) {
  if (d.base_offset != 0)
    return "a base offset of " + std::to_string(d.base_offset) + ": only 0 is supported";
  // A swizzle's pattern repeats every 8 rows of its width; a start within it needs a base offset.
  uint32_t row = d.start >> 7 & static_cast<uint32_t>(d.swizzle - 1);
  if (row != 0)
    return "the matrix starts " + std::to_string(row * 128) + " bytes into the pattern of its " +
           std::to_string(d.swizzle * static_cast<int>(kUnit)) + "-byte swizzle, which repeats every " +
           std::to_string(d.swizzle * 128) + " bytes: align it, or give a base offset";
  return "";
}

std::array<uint32_t, kCoreRows> core_addresses(const MatrixDescriptor& d, bool k_major, int block,
                                               int chunk) {
  const auto units = static_cast<uint32_t>(d.swizzle), b = static_cast<uint32_t>(block),
             c = static_cast<uint32_t>(chunk);
  uint32_t first = d.start;
  if (k_major)
    first += b * d.stride + (units == 1 ? c * d.leading : c * kUnit);
  else if (units == 1)
    first += b * d.stride + c * d.leading;
  else
    first += b % units * kUnit + b / units * d.leading + c * d.stride;
  std::array<uint32_t, kCoreRows> rows;
  for (uint32_t r = 0; r < kCoreRows; ++r) rows[r] = swizzled(first + r * units * kUnit, d.swizzle);
  return rows;
}

}  // namespace tenon::emulator
