// Tensor maps through the driver's interface, with the emulator as the driver.
#include "runtime/cuda/tensor_map_encoder.h"

#include <doctest/doctest.h>

#include "runtime/emulator/device/emulated_driver.h"
#include "runtime/emulator/machine/tensor_map.h"

using namespace tenon;
using namespace tenon::cuda;

namespace {

TensorTiling some_map() {
  TensorTiling map;
  map.base = 0x7000'0000'1230;
  map.rank = 3;
  map.element = TensorElement::kF16;
  map.dims[0] = 72, map.dims[1] = 100, map.dims[2] = 3;
  map.strides[0] = 144, map.strides[1] = 14400;
  map.box[0] = 32, map.box[1] = 32, map.box[2] = 2;
  map.swizzle = TensorSwizzle::k64;
  map.fill = TensorFill::kNan;
  map.promotion = TensorPromotion::k128;
  return map;
}

}  // namespace

TEST_CASE("a tensor map goes through the driver's interface whole") {
  const TensorTiling map = some_map();
  const EncodedTensorMap encoded = encode(emulator::emulated_driver_api(), map);
  const std::optional<TensorTiling> back = emulator::decode_tensor_map(encoded.bytes);
  REQUIRE(back);
  CHECK(back->base == map.base);
  CHECK(back->rank == 3);
  CHECK(back->element == TensorElement::kF16);
  for (int i = 0; i < 3; ++i) {
    CHECK(back->dims[i] == map.dims[i]);
    CHECK(back->box[i] == map.box[i]);
    if (i < 2) CHECK(back->strides[i] == map.strides[i]);
  }
  CHECK(back->interleave == TensorInterleave::kNone);
  CHECK(back->swizzle == TensorSwizzle::k64);
  CHECK(back->fill == TensorFill::kNan);
  CHECK(back->promotion == TensorPromotion::k128);
}

TEST_CASE("a tensor map that no driver takes is an error that says why") {
  const DriverApi api = emulator::emulated_driver_api();
  TensorTiling map = some_map();
  map.strides[0] = 150;
  CHECK_THROWS_WITH_AS(
      encode(api, map),
      doctest::Contains(
          "a tensor map that no driver takes: the stride of dimension 1 is no multiple of 16 bytes"),
      Error);
  // The driver itself refuses it too.
  EncodedTensorMap encoded;
  CHECK(api.cuTensorMapEncodeTiled(encoded.bytes, 6, 3, reinterpret_cast<void*>(map.base), map.dims,
                                   map.strides, map.box, map.element_strides, 0, 2, 0, 0) == 1);
  CHECK(api.cuTensorMapEncodeTiled(encoded.bytes + 8, 6, 3, reinterpret_cast<void*>(map.base), map.dims,
                                   map.strides, map.box, map.element_strides, 0, 2, 0, 0) == 1);
}
