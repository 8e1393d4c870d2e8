#include "runtime/tensor.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "runtime/file_tensor.h"

namespace tenon {
namespace {

TEST_CASE("storage is aligned, zeros are zero, copies share until copy()") {
  Tensor zeros = Tensor::zeros({DType::kF32, {3, 5}});
  CHECK(reinterpret_cast<uintptr_t>(zeros.data()) % 64 == 0);
  for (int i = 0; i < 15; ++i) CHECK(zeros.at(i) == 0);
  Tensor shared = zeros, own = zeros.copy();
  shared.mutable_data()[0] = std::byte{1};
  CHECK(zeros.data()[0] == std::byte{1});
  CHECK(own.data()[0] == std::byte{0});
  CHECK(zeros.reshaped({15}).type().text() == "f32[15]");
}

TEST_CASE("values round to the type, integers keep all bits through the evaluator's tensor") {
  Tensor bf16 = Tensor::of({DType::kBF16, {2}}, {1.00390625, 3.14159});
  CHECK(bf16.at(0) == 1.0);
  CHECK(bf16.at(1) == 3.140625);
  HostTensor host{{DType::kI64, {1}}, {}, {(int64_t{1} << 60) + 1}};
  CHECK(from_host(host).integer_at(0) == (int64_t{1} << 60) + 1);
  CHECK(to_host(from_host(host)).integers[0] == (int64_t{1} << 60) + 1);
  CHECK(to_host(bf16).reals[1] == 3.140625);
}

TEST_CASE("memory that the machine does not have is an error, no crash") {
  CHECK_THROWS_WITH_AS(Tensor::uninitialised({DType::kF32, {int64_t{1} << 55}}),
                       doctest::Contains("no memory"), Error);
}

FileTensor in_memory(FileType type, Extents shape, const void* data) {
  FileTensor tensor;
  tensor.name = "t";
  tensor.path = "f";
  tensor.type = type;
  tensor.shape = shape;
  tensor.data = static_cast<const std::byte*>(data);
  return tensor;
}

TEST_CASE("a tensor of the declared type is used where it lies, a misaligned one copied") {
  alignas(4) float values[3] = {1, 2, 3};
  bool converted = true;
  Tensor same = to_declared(in_memory(FileType::kF32, {3}, values), {DType::kF32, {3}}, &converted);
  CHECK(same.data() == reinterpret_cast<std::byte*>(values));
  CHECK(!converted);
  alignas(4) char shifted[13];
  std::memcpy(shifted + 1, values, 12);
  Tensor copy = to_declared(in_memory(FileType::kF32, {3}, shifted + 1), {DType::kF32, {3}}, nullptr);
  CHECK(reinterpret_cast<uintptr_t>(copy.data()) % 4 == 0);
  CHECK(copy.at(2) == 3);
}

TEST_CASE("floats convert with one rounding, integers where they fit, nothing else") {
  double doubles[2] = {1.0 + 0x1p-9 + 0x1p-40, -2.5};  // two roundings would give 1
  bool converted = false;
  Tensor bf16 = to_declared(in_memory(FileType::kF64, {2}, doubles), {DType::kBF16, {2}}, &converted);
  CHECK(converted);
  CHECK(bf16.at(0) == 1.0);
  double above_tie[1] = {1.0 + 0x1p-8 + 0x1p-40};
  CHECK(to_declared(in_memory(FileType::kF64, {1}, above_tie), {DType::kBF16, {1}}, nullptr).at(0) ==
        1.0078125);
  int64_t wide[2] = {7, int64_t{1} << 40};
  CHECK(to_declared(in_memory(FileType::kI64, {1}, wide), {DType::kI32, {1}}, nullptr).integer_at(0) == 7);
  CHECK_THROWS_WITH_AS(
      to_declared(in_memory(FileType::kI64, {2}, wide), {DType::kI32, {2}}, nullptr),
      doctest::Contains("f: tensor 't' is i64[2], the model declares i32[2]: element 1 does not fit"), Error);
  uint64_t huge[1] = {~uint64_t{0}};
  CHECK_THROWS_AS(to_declared(in_memory(FileType::kU64, {1}, huge), {DType::kI64, {1}}, nullptr), Error);
  CHECK_THROWS_WITH_AS(to_declared(in_memory(FileType::kF64, {2}, doubles), {DType::kI32, {2}}, nullptr),
                       doctest::Contains("do not convert"), Error);
  CHECK_THROWS_WITH_AS(to_declared(in_memory(FileType::kF64, {2}, doubles), {DType::kF32, {1, 2}}, nullptr),
                       doctest::Contains("f64[2], the model declares f32[1, 2]"), Error);
}

TEST_CASE("sizes are checked before they are multiplied") {
  int64_t big = int64_t{1} << 40;
  CHECK(checked_bytes({3, 4}, 2) == 24);
  CHECK(checked_bytes({}, 4) == 4);
  CHECK(checked_bytes({big, big, 0}, 8) == 0);
  CHECK(!checked_bytes({big, big}, 1));
  CHECK(!checked_bytes({-1, 0}, 1));
}

}  // namespace
}  // namespace tenon
