// What a tensor map may be, and where its swizzles put bytes.
#include "runtime/tensor_map.h"

#include <doctest/doctest.h>

using namespace tenon;

namespace {

TensorTiling plain() {
  TensorTiling map;
  map.base = 0x1000;
  map.rank = 3;
  map.dims[0] = 72, map.dims[1] = 100, map.dims[2] = 3;
  map.strides[0] = 144, map.strides[1] = 14400;
  map.box[0] = 64, map.box[1] = 32, map.box[2] = 1;
  map.swizzle = TensorSwizzle::k128;
  return map;
}

template <class Change>
std::string fault_after(Change change) {
  TensorTiling map = plain();
  change(map);
  return fault_in(map);
}

}  // namespace

TEST_CASE("a tensor map's faults are told in words") {
  CHECK(fault_in(plain()) == "");
  CHECK(plain().box_row_bytes() == 128);
  CHECK(plain().box_bytes() == 4096);
  CHECK(fault_after([](TensorTiling& m) { m.rank = 6; }) == "the rank is not 1 to 5");
  CHECK(fault_after([](TensorTiling& m) { m.rank = 0; }) == "the rank is not 1 to 5");
  CHECK(fault_after([](TensorTiling& m) { m.base = 8; }) == "the address is not aligned to 16 bytes");
  CHECK(fault_after([](TensorTiling& m) { m.dims[1] = 0; }) == "the size of dimension 1 is not 1 to 2^32");
  CHECK(fault_after([](TensorTiling& m) { m.dims[0] = 1ull << 32; }) == "");
  CHECK(fault_after([](TensorTiling& m) { m.dims[0] = (1ull << 32) + 1; }) ==
        "the size of dimension 0 is not 1 to 2^32");
  CHECK(fault_after([](TensorTiling& m) { m.box[1] = 257; }) ==
        "the box's size of dimension 1 is not 1 to 256");
  CHECK(fault_after([](TensorTiling& m) { m.box[2] = 0; }) ==
        "the box's size of dimension 2 is not 1 to 256");
  CHECK(fault_after([](TensorTiling& m) { m.strides[0] = 136; }) ==
        "the stride of dimension 1 is no multiple of 16 bytes");
  CHECK(fault_after([](TensorTiling& m) { m.strides[1] = 1ull << 40; }) ==
        "the stride of dimension 2 is not below 2^40 bytes");
  CHECK(fault_after([](TensorTiling& m) { m.element_strides[1] = 9; }) ==
        "the element stride of dimension 1 is not 1 to 8");
  CHECK(fault_after([](TensorTiling& m) { m.box[1] = 256, m.box[2] = 8; }) ==
        "the box has 262144 bytes, more than the 233472 of shared memory");
  CHECK(fault_after([](TensorTiling& m) { m.box[0] = 4; }) == "a row of the box is no multiple of 16 bytes");
  CHECK(fault_after([](TensorTiling& m) { m.swizzle = TensorSwizzle::k64; }) ==
        "a row of the box has 128 bytes, more than the swizzle's span of 64");
  CHECK(fault_after([](TensorTiling& m) {
          m.fill = TensorFill::kNan;
          m.element = TensorElement::kU16;
        }) == "only floats can be filled with NaN");
}

TEST_CASE("swizzles exchange 16-byte chunks by the bits of the address above them") {
  CHECK(swizzled(TensorSwizzle::kNone, 0x3f7) == 0x3f7);
  // 32 bytes: two chunks, by bit 7.
  CHECK(swizzled(TensorSwizzle::k32, 0x013) == 0x013);
  CHECK(swizzled(TensorSwizzle::k32, 0x083) == 0x093);
  CHECK(swizzled(TensorSwizzle::k32, 0x193) == 0x183);
  // 64 bytes: four chunks, by bits 7 and 8.
  CHECK(swizzled(TensorSwizzle::k64, 0x100) == 0x120);
  CHECK(swizzled(TensorSwizzle::k64, 0x1b0) == 0x180);
  // 128 bytes: eight chunks, by bits 7 to 9.
  CHECK(swizzled(TensorSwizzle::k128, 0x380) == 0x3f0);
  CHECK(swizzled(TensorSwizzle::k128, 0x2f5) == 0x2a5);
  CHECK(swizzled(TensorSwizzle::k128, 0x470) == 0x470);
}
