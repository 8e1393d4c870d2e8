// tensor_map.cpp: see tensor_map.h.
#include "runtime/tensor_map.h"

namespace tenon {
namespace {

constexpr uint64_t kMostStride = 1ull << 40;
constexpr uint64_t kMostDim = 1ull << 32;
constexpr int64_t kMostBoxBytes = 228 << 10;  // seen: the driver of an H200 refuses more

bool is_float(TensorElement element) { return element >= TensorElement::kF16; }

std::string at(const char* what, int i) { return std::string(what) + " of dimension " + std::to_string(i); }

std::string fault_in_dimension(const TensorTiling& map, int i) {
  if (map.dims[i] < 1 || map.dims[i] > kMostDim) return at("the size", i) + " is not 1 to 2^32";
  if (map.box[i] < 1 || map.box[i] > 256) return at("the box's size", i) + " is not 1 to 256";
  if (map.element_strides[i] < 1 || map.element_strides[i] > 8)
    return at("the element stride", i) + " is not 1 to 8";
  if (i == 0) return "";
  const uint64_t stride = map.strides[i - 1], unit = map.interleave == TensorInterleave::k32 ? 32 : 16;
  if (stride % unit != 0)
    return at("the stride", i) + " is no multiple of " + std::to_string(unit) + " bytes";
  if (stride >= kMostStride) return at("the stride", i) + " is not below 2^40 bytes";
  return "";
}

std::string fault_in_layout(const TensorTiling& map) {
  const int64_t row = map.box_row_bytes();
  if (map.interleave == TensorInterleave::kNone) {
    if (row % 16 != 0) return "a row of the box is no multiple of 16 bytes";
    if (map.swizzle != TensorSwizzle::kNone && row > swizzle_span(map.swizzle))
      return "a row of the box has " + std::to_string(row) + " bytes, more than the swizzle's span of " +
             std::to_string(swizzle_span(map.swizzle));
  } else if (map.rank < 3) {
    return "an interleaved layout needs rank 3 at least";
  }
  if (map.box_bytes() > kMostBoxBytes)
    return "the box has " + std::to_string(map.box_bytes()) + " bytes, more than the " +
           std::to_string(kMostBoxBytes) + " of shared memory";
  return "";
}

}  // namespace

int64_t TensorTiling::box_row_bytes() const { return static_cast<int64_t>(box[0]) * element_bytes(element); }

int64_t TensorTiling::box_bytes() const {
  int64_t bytes = box_row_bytes();
  for (int i = 1; i < rank; ++i) bytes *= box[i];
  return bytes;
}

int element_bytes(TensorElement element) {
  switch (element) {
    case TensorElement::kU8: return 1;
    case TensorElement::kU16:
    case TensorElement::kF16:
    case TensorElement::kBf16: return 2;
    case TensorElement::kU64:
    case TensorElement::kI64:
    case TensorElement::kF64: return 8;
    default: return 4;
  }
}

int swizzle_span(TensorSwizzle swizzle) { return 16 << static_cast<int>(swizzle); }

std::string fault_in(const TensorTiling& map) {
  if (map.rank < 1 || map.rank > TensorTiling::kMostRank) return "the rank is not 1 to 5";
  if (map.element > TensorElement::kTf32Ftz || map.interleave > TensorInterleave::k32 ||
      map.swizzle > TensorSwizzle::k128 || map.fill > TensorFill::kNan ||
      map.promotion > TensorPromotion::k256)
    return "a value that no enumerator has";
  const int alignment = map.interleave == TensorInterleave::k32 ? 32 : 16;
  if (map.base % alignment != 0)
    return "the address is not aligned to " + std::to_string(alignment) + " bytes";
  for (int i = 0; i < map.rank; ++i)
    if (std::string fault = fault_in_dimension(map, i); !fault.empty()) return fault;
  if (map.fill == TensorFill::kNan && !is_float(map.element)) return "only floats can be filled with NaN";
  return fault_in_layout(map);
}

}  // namespace tenon
