// tensor_map.h: tensor maps as the emulator's kernels see them: 128 opaque bytes; and which bytes of a tensor a box holds.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>

#include "runtime/tensor_map.h"

namespace tenon::emulator {

constexpr int kTensorMapBytes = 128;
constexpr int kTensorMapAlignment = 64;

/// Writes the kTensorMapBytes of a map without a fault.
void encode_tensor_map(const TensorTiling& map, std::byte* opaque);
/// The map, or nothing where the bytes are none that encode_tensor_map() wrote.
std::optional<TensorTiling> decode_tensor_map(const std::byte* opaque);

/// A row of a box along dimension 0: bytes before, inside and after the tensor. Nothing of a row is inside where a
/// coordinate of another dimension is not.
struct BoxRow {
  uint32_t offset = 0;   ///< in the box, not swizzled
  uint64_t address = 0;  ///< of the first byte inside
  int32_t before = 0, inside = 0, after = 0;
};

/// Calls visit(BoxRow) for every row of the box whose first element has these coordinates, in the order in which the rows lie in
/// shared memory. Coordinates may be negative and the box may overhang.
template <class Visit>
void for_each_row(const TensorTiling& map, const int32_t (&first)[TensorTiling::kMostRank], Visit visit) {
  const int64_t row_bytes = map.box_row_bytes(), element = element_bytes(map.element);
  const int64_t size = static_cast<int64_t>(map.dims[0]), begin = first[0], end = begin + map.box[0];
  const int64_t inside_begin = std::clamp<int64_t>(0, begin, end),
                inside_end = std::clamp(size, inside_begin, end);
  BoxRow inner;
  inner.before = static_cast<int32_t>((inside_begin - begin) * element);
  inner.inside = static_cast<int32_t>((inside_end - inside_begin) * element);
  inner.after = static_cast<int32_t>((end - inside_end) * element);
  const BoxRow outer{0, 0, static_cast<int32_t>(row_bytes), 0, 0};
  uint32_t at[TensorTiling::kMostRank] = {};  // in the box
  for (uint32_t offset = 0;; offset += static_cast<uint32_t>(row_bytes)) {
    BoxRow row = inner;
    row.address = map.base + static_cast<uint64_t>(inside_begin * element);
    for (int i = 1; i < map.rank; ++i) {
      const int64_t position = int64_t{first[i]} + at[i];
      if (position < 0 || position >= static_cast<int64_t>(map.dims[i])) row = outer;
      row.address += static_cast<uint64_t>(position) * map.strides[i - 1];
    }
    row.offset = offset;
    visit(row);
    int i = 1;
    while (i < map.rank && ++at[i] == map.box[i]) at[i++] = 0;
    if (i >= map.rank) return;
  }
}

/// Moves the 16-byte chunks of a box between its plain order and shared memory, whose byte `address` is at `shared`.
void swizzle_box(TensorSwizzle swizzle, uint32_t address, std::byte* shared, const std::byte* box,
                 int64_t bytes);
void unswizzle_box(TensorSwizzle swizzle, uint32_t address, const std::byte* shared, std::byte* box,
                   int64_t bytes);

}  // namespace tenon::emulator
