// Boxes of tensors against five plain loops over elements, with coordinates before, inside and beyond the tensor.
#include "runtime/emulator/machine/tensor_map.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <set>
#include <vector>

using namespace tenon;
using namespace tenon::emulator;

namespace {

/// By plain offset in the box: the address of each element, or 0 where it is outside.
std::vector<uint64_t> naive_addresses(const TensorTiling& map, const int32_t (&first)[5]) {
  std::vector<uint64_t> all;
  const uint64_t strides[5] = {static_cast<uint64_t>(element_bytes(map.element)), map.strides[0],
                               map.strides[1], map.strides[2], map.strides[3]};
  uint32_t at[5];
  auto size = [&](int i) { return i < map.rank ? map.box[i] : 1; };
  for (at[4] = 0; at[4] < size(4); ++at[4])
    for (at[3] = 0; at[3] < size(3); ++at[3])
      for (at[2] = 0; at[2] < size(2); ++at[2])
        for (at[1] = 0; at[1] < size(1); ++at[1])
          for (at[0] = 0; at[0] < size(0); ++at[0]) {
            uint64_t address = map.base;
            for (int i = 0; i < map.rank; ++i) {
              const int64_t position = int64_t{first[i]} + at[i];
              const bool inside = position >= 0 && position < static_cast<int64_t>(map.dims[i]);
              address = inside && address ? address + static_cast<uint64_t>(position) * strides[i] : 0;
            }
            all.push_back(address);
          }
  return all;
}

std::vector<uint64_t> walked_addresses(const TensorTiling& map, const int32_t (&first)[5]) {
  const int64_t element = element_bytes(map.element);
  std::vector<uint64_t> all(map.box_bytes() / element, ~0ull);
  for_each_row(map, first, [&](const BoxRow& row) {
    CHECK(row.before + row.inside + row.after == map.box_row_bytes());
    for (int64_t at = 0; at < map.box_row_bytes(); at += element) {
      const bool inside = at >= row.before && at < row.before + row.inside;
      all.at((row.offset + at) / element) = inside ? row.address + static_cast<uint64_t>(at - row.before) : 0;
    }
  });
  return all;
}

TensorTiling drawn_map(std::mt19937& random) {
  auto draw = [&](int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); };
  TensorTiling map;
  map.base = 0x10000;
  map.rank = draw(1, 5);
  map.element = static_cast<TensorElement>(draw(0, 12));
  uint64_t stride = 0;
  for (int i = 0; i < map.rank; ++i) {
    map.dims[i] = static_cast<uint64_t>(draw(1, 9));
    map.box[i] = static_cast<uint32_t>(i == 0 ? 16 / element_bytes(map.element) * draw(1, 2) : draw(1, 4));
    stride = i == 0 ? 16u * static_cast<uint64_t>(draw(5, 9)) : stride * static_cast<uint64_t>(draw(1, 9));
    if (i < 4) map.strides[i] = stride;
  }
  return map;
}

}  // namespace

TEST_CASE("emulator: tensor map: a box's rows are five loops over elements") {
  std::mt19937 random(7);
  for (int i = 0; i < 500; ++i) {
    const TensorTiling map = drawn_map(random);
    REQUIRE(fault_in(map) == "");
    int32_t first[5];
    for (int32_t& c : first) c = std::uniform_int_distribution<int>(-6, 10)(random);
    CHECK(walked_addresses(map, first) == naive_addresses(map, first));
  }
}

TEST_CASE("emulator: tensor map: coordinates at the ends of what 32 bits hold") {
  TensorTiling map;
  map.rank = 2;
  map.base = 0x1000;
  map.dims[0] = 1ull << 32, map.dims[1] = 4;
  map.strides[0] = 16;
  map.box[0] = 8, map.box[1] = 2;
  for (int32_t c : {INT32_MIN, INT32_MIN + 7, -8, -1, 0, INT32_MAX - 7, INT32_MAX}) {
    const int32_t first[5] = {c, 3};
    CHECK(walked_addresses(map, first) == naive_addresses(map, first));
  }
}

TEST_CASE("emulator: tensor map: the opaque bytes give the map back, and only an encoder's own") {
  std::mt19937 random(11);
  for (int i = 0; i < 50; ++i) {
    TensorTiling map = drawn_map(random);
    map.swizzle = TensorSwizzle::k128;
    map.promotion = TensorPromotion::k256;
    alignas(64) std::byte opaque[kTensorMapBytes];
    encode_tensor_map(map, opaque);
    const std::optional<TensorTiling> back = decode_tensor_map(opaque);
    REQUIRE(back);
    CHECK(back->base == map.base);
    CHECK(back->rank == map.rank);
    CHECK(back->element == map.element);
    CHECK(back->swizzle == map.swizzle);
    CHECK(back->promotion == map.promotion);
    for (int d = 0; d < 5; ++d) {
      CHECK(back->dims[d] == map.dims[d]);
      CHECK(back->box[d] == map.box[d]);
      if (d < 4) CHECK(back->strides[d] == map.strides[d]);
    }
    const size_t at = random() % kTensorMapBytes;
    opaque[at] ^= std::byte{1};
    CHECK_FALSE(decode_tensor_map(opaque));
  }
}

TEST_CASE("emulator: tensor map: a swizzled box fills whole spans and comes back") {
  for (TensorSwizzle swizzle :
       {TensorSwizzle::kNone, TensorSwizzle::k32, TensorSwizzle::k64, TensorSwizzle::k128}) {
    for (uint32_t address : {0x400u, 0x480u, 0x780u}) {
      std::vector<std::byte> box(2048), shared(2048, std::byte{0xee}), back(2048);
      for (size_t i = 0; i < box.size(); ++i) box[i] = static_cast<std::byte>(i / 16);
      swizzle_box(swizzle, address, shared.data(), box.data(), 2048);
      for (uint32_t at = 0; at < 2048; at += 16)
        CHECK(shared[swizzled(swizzle, address + at) - address] == box[at]);
      unswizzle_box(swizzle, address, shared.data(), back.data(), 2048);
      CHECK(back == box);
      // Each span holds the chunks that it would hold unswizzled.
      const uint32_t span = static_cast<uint32_t>(swizzle_span(swizzle));
      for (uint32_t begin = 0; begin < 2048; begin += span) {
        auto chunks = [&](const std::vector<std::byte>& bytes) {
          std::multiset<std::byte> all(bytes.begin() + begin, bytes.begin() + begin + span);
          return all;
        };
        CHECK(chunks(shared) == chunks(box));
      }
    }
  }
}
