// tensor_map.h: what the tensor copy engine of sm_90 is told of a tensor in device memory: its shape and strides, the box
// that one copy moves, and how the box lies in shared memory. Who launches makes one of these; a driver (the card's or the
// emulator's) encodes it into 128 bytes that a kernel takes as a parameter.
#pragma once
#include <cstdint>
#include <string>

namespace tenon {

// The values are cuda.h's: CUtensorMapDataType, ...Swizzle, ...Interleave, ...FloatOOBfill, ...L2promotion.
enum class TensorElement : uint8_t {
  kU8,
  kU16,
  kU32,
  kI32,
  kU64,
  kI64,
  kF16,
  kF32,
  kF64,
  kBf16,
  kF32Ftz,
  kTf32,
  kTf32Ftz,
};
/// The 16-byte chunks of each 32, 64 or 128 bytes are exchanged by bits of the address above them, so that columns of a box
/// meet all banks.
enum class TensorSwizzle : uint8_t { kNone, k32, k64, k128 };
enum class TensorInterleave : uint8_t { kNone, k16, k32 };
enum class TensorFill : uint8_t { kZero, kNan };  ///< of a box's elements outside the tensor
enum class TensorPromotion : uint8_t { kNone, k64, k128, k256 };

/// Dimension 0 is the fastest and contiguous. Sizes are in elements, strides in bytes.
struct TensorTiling {
  static constexpr int kMostRank = 5;
  uint64_t base = 0;
  int rank = 1;
  TensorElement element = TensorElement::kBf16;
  uint64_t dims[kMostRank] = {1, 1, 1, 1, 1};
  uint64_t strides[kMostRank - 1] = {};  ///< of dimensions 1 to rank - 1
  uint32_t box[kMostRank] = {1, 1, 1, 1, 1};
  uint32_t element_strides[kMostRank] = {1, 1, 1, 1, 1};
  TensorInterleave interleave = TensorInterleave::kNone;
  TensorSwizzle swizzle = TensorSwizzle::kNone;
  TensorFill fill = TensorFill::kZero;
  TensorPromotion promotion = TensorPromotion::kNone;

  int64_t box_row_bytes() const;  ///< of one row of dimension 0
  int64_t box_bytes() const;
};

int element_bytes(TensorElement element);
/// Bytes within which the swizzle exchanges chunks: 16 (none), 32, 64, 128.
int swizzle_span(TensorSwizzle swizzle);
/// Where the byte at shared address `address` of a box goes.
inline uint32_t swizzled(TensorSwizzle swizzle, uint32_t address) {
  const uint32_t mask = (1u << static_cast<int>(swizzle)) - 1;
  return address ^ ((address >> 7 & mask) << 4);
}

/// What cuTensorMapEncodeTiled refuses in a map, in words; "" where it takes it. Its own answer is a bare "invalid value".
std::string fault_in(const TensorTiling& map);

}  // namespace tenon
