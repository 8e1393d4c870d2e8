// tensor_map.cpp: see tensor_map.h.
#include "runtime/emulator/machine/tensor_map.h"

#include <cstring>
#include <iterator>

namespace tenon::emulator {
namespace {

constexpr uint64_t kMagic = 0x70616d5f726f7374ull;
constexpr int64_t kChunk = 16;

/// What the opaque bytes hold. `sum` shows a map of which a part was copied or changed.
struct Encoded {
  uint64_t magic = kMagic, base = 0, strides[TensorTiling::kMostRank - 1] = {};
  uint32_t dims_less_one[TensorTiling::kMostRank] = {};
  uint16_t box[TensorTiling::kMostRank] = {};
  uint8_t element_strides[TensorTiling::kMostRank] = {};
  uint8_t rank = 0, element = 0, interleave = 0, swizzle = 0, fill = 0, promotion = 0;
  uint8_t unused[35] = {};
  uint32_t sum = 0;
};
static_assert(sizeof(Encoded) == kTensorMapBytes);

uint32_t sum_of(const Encoded& encoded) {
  unsigned char bytes[offsetof(Encoded, sum)];
  std::memcpy(bytes, &encoded, sizeof bytes);
  uint32_t sum = 2166136261u;  // FNV-1a
  for (unsigned char byte : bytes) sum = (sum ^ byte) * 16777619u;
  return sum;
}

}  // namespace

void encode_tensor_map(const TensorTiling& map, std::byte* opaque) {
  Encoded encoded;
  encoded.base = map.base;
  std::copy(std::begin(map.strides), std::end(map.strides), encoded.strides);
  for (int i = 0; i < TensorTiling::kMostRank; ++i) {
    encoded.dims_less_one[i] = static_cast<uint32_t>(map.dims[i] - 1);
    encoded.box[i] = static_cast<uint16_t>(map.box[i]);
    encoded.element_strides[i] = static_cast<uint8_t>(map.element_strides[i]);
  }
  encoded.rank = static_cast<uint8_t>(map.rank);
  encoded.element = static_cast<uint8_t>(map.element);
  encoded.interleave = static_cast<uint8_t>(map.interleave);
  encoded.swizzle = static_cast<uint8_t>(map.swizzle);
  encoded.fill = static_cast<uint8_t>(map.fill);
  encoded.promotion = static_cast<uint8_t>(map.promotion);
  encoded.sum = sum_of(encoded);
  std::memcpy(opaque, &encoded, sizeof encoded);
}

// The sum can be forged, so what a copy relies on is checked again.
std::optional<TensorTiling> decode_tensor_map(const std::byte* opaque) {
  Encoded encoded;
  std::memcpy(&encoded, opaque, sizeof encoded);
  if (encoded.magic != kMagic || encoded.sum != sum_of(encoded)) return std::nullopt;
  TensorTiling map;
  map.base = encoded.base;
  std::copy(std::begin(encoded.strides), std::end(encoded.strides), map.strides);
  for (int i = 0; i < TensorTiling::kMostRank; ++i) {
    map.dims[i] = uint64_t{encoded.dims_less_one[i]} + 1;
    map.box[i] = encoded.box[i];
    map.element_strides[i] = encoded.element_strides[i];
  }
  map.rank = encoded.rank;
  map.element = static_cast<TensorElement>(encoded.element);
  map.interleave = static_cast<TensorInterleave>(encoded.interleave);
  map.swizzle = static_cast<TensorSwizzle>(encoded.swizzle);
  map.fill = static_cast<TensorFill>(encoded.fill);
  map.promotion = static_cast<TensorPromotion>(encoded.promotion);
  if (!fault_in(map).empty()) return std::nullopt;
  return map;
}

void swizzle_box(TensorSwizzle swizzle, uint32_t address, std::byte* shared, const std::byte* box,
                 int64_t bytes) {
  if (swizzle == TensorSwizzle::kNone) {
    std::memcpy(shared, box, bytes);
    return;
  }
  for (int64_t at = 0; at < bytes; at += kChunk) {
    const uint32_t plain = address + static_cast<uint32_t>(at);
    std::memcpy(shared + (swizzled(swizzle, plain) - address), box + at, kChunk);
  }
}

void unswizzle_box(TensorSwizzle swizzle, uint32_t address, const std::byte* shared, std::byte* box,
                   int64_t bytes) {
  if (swizzle == TensorSwizzle::kNone) {
    std::memcpy(box, shared, bytes);
    return;
  }
  for (int64_t at = 0; at < bytes; at += kChunk) {
    const uint32_t plain = address + static_cast<uint32_t>(at);
    std::memcpy(box + at, shared + (swizzled(swizzle, plain) - address), kChunk);
  }
}

}  // namespace tenon::emulator
