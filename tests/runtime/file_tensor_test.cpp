// Elements of every type that files hold, as f64.
#include "runtime/file_tensor.h"

#include <doctest/doctest.h>

namespace tenon {
namespace {

template <class T>
std::vector<double> read(FileType type, std::vector<T> stored) {
  FileTensor tensor{"x", "", type, {static_cast<int64_t>(stored.size())}, nullptr, nullptr};
  tensor.data = reinterpret_cast<const std::byte*>(stored.data());
  return values_of(tensor);
}

TEST_CASE("values of every type of a file") {
  using Values = std::vector<double>;
  CHECK(read<uint8_t>(FileType::kBool, {0, 1}) == Values{0, 1});
  CHECK(read<uint8_t>(FileType::kU8, {0, 255}) == Values{0, 255});
  CHECK(read<int8_t>(FileType::kI8, {-128, 127}) == Values{-128, 127});
  CHECK(read<uint16_t>(FileType::kU16, {65535}) == Values{65535});
  CHECK(read<int16_t>(FileType::kI16, {-2}) == Values{-2});
  CHECK(read<uint32_t>(FileType::kU32, {4294967295u}) == Values{4294967295.0});
  CHECK(read<int32_t>(FileType::kI32, {-3}) == Values{-3});
  CHECK(read<uint64_t>(FileType::kU64, {1ull << 63}) == Values{0x1p63});
  CHECK(read<int64_t>(FileType::kI64, {-5}) == Values{-5});
  CHECK(read<uint8_t>(FileType::kF8E4M3, {0x38, 0xb8, 0x7e}) == Values{1, -1, 448});
  CHECK(read<uint8_t>(FileType::kF8E5M2, {0x3c, 0x7b}) == Values{1, 57344});
  CHECK(read<uint16_t>(FileType::kF16, {0x3c00, 0xfbff}) == Values{1, -65504});
  CHECK(read<uint16_t>(FileType::kBF16, {0x3f80, 0xc040}) == Values{1, -3});
  CHECK(read<float>(FileType::kF32, {1.5f, -2}) == Values{1.5, -2});
  CHECK(read<double>(FileType::kF64, {0.1}) == Values{0.1});
}

}  // namespace
}  // namespace tenon
