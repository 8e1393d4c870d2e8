// The copy engine's reductions, element by element.
#include "runtime/emulator/instructions/reduce_bytes.h"

#include <doctest/doctest.h>

#include <vector>

using namespace tenon::emulator;
using tenon::ptx::Type;

namespace {

template <class T>
std::vector<T> reduced(ReduceOp op, Type type, std::vector<T> target, const std::vector<T>& source) {
  reduce_bytes(op, type, reinterpret_cast<std::byte*>(target.data()),
               reinterpret_cast<const std::byte*>(source.data()),
               static_cast<int64_t>(target.size() * sizeof(T)));
  return target;
}

}  // namespace

TEST_CASE("emulator: reductions of integers") {
  using U = std::vector<uint32_t>;
  using S = std::vector<int32_t>;
  CHECK(reduced<uint32_t>(ReduceOp::kAdd, Type::kU32, {1, ~0u}, {2, 1}) == U{3, 0});
  CHECK(reduced<uint32_t>(ReduceOp::kMin, Type::kU32, {1, ~0u}, {2, 1}) == U{1, 1});
  CHECK(reduced<int32_t>(ReduceOp::kMin, Type::kS32, {1, -1}, {2, 1}) == S{1, -1});
  CHECK(reduced<int32_t>(ReduceOp::kMax, Type::kS32, {1, -1}, {2, 1}) == S{2, 1});
  CHECK(reduced<uint32_t>(ReduceOp::kInc, Type::kU32, {0, 4, 5, 6}, {5, 5, 5, 5}) == U{1, 5, 0, 0});
  CHECK(reduced<uint32_t>(ReduceOp::kDec, Type::kU32, {0, 4, 5, 6}, {5, 5, 5, 5}) == U{5, 3, 4, 5});
  CHECK(reduced<uint32_t>(ReduceOp::kAnd, Type::kB32, {0xff}, {0x0f0}) == U{0xf0});
  CHECK(reduced<uint32_t>(ReduceOp::kOr, Type::kB32, {0xff}, {0xf00}) == U{0xfff});
  CHECK(reduced<uint32_t>(ReduceOp::kXor, Type::kB32, {0xff}, {0x0f0}) == U{0x0f});
  CHECK(reduced<int64_t>(ReduceOp::kAdd, Type::kS64, {-5}, {3}) == std::vector<int64_t>{-2});
}

TEST_CASE("emulator: reductions of floats round once") {
  CHECK(reduced<float>(ReduceOp::kAdd, Type::kF32, {1.5f}, {0.25f}) == std::vector<float>{1.75f});
  CHECK(reduced<double>(ReduceOp::kAdd, Type::kF64, {1.5}, {0.25}) == std::vector<double>{1.75});
  // bf16: 256 + 1 is halfway to 258, and goes to the even 256; 258 + 1 goes up to the even 260.
  CHECK(reduced<uint16_t>(ReduceOp::kAdd, Type::kBf16, {0x4380, 0x4381}, {0x3f80, 0x3f80}) ==
        std::vector<uint16_t>{0x4380, 0x4382});
  CHECK(reduced<uint16_t>(ReduceOp::kMax, Type::kBf16, {0x4380, 0xc381}, {0x3f80, 0x3f80}) ==
        std::vector<uint16_t>{0x4380, 0x3f80});
  // f16: 2048 + 1 goes to the even 2048.
  CHECK(reduced<uint16_t>(ReduceOp::kAdd, Type::kF16, {0x6800, 0x3c00}, {0x3c00, 0x3c00}) ==
        std::vector<uint16_t>{0x6800, 0x4000});
  CHECK(reduced<uint16_t>(ReduceOp::kMin, Type::kF16, {0x6800}, {0x3c00}) == std::vector<uint16_t>{0x3c00});
}

TEST_CASE("emulator: reductions that the copy engine lacks") {
  CHECK_FALSE(can_reduce(ReduceOp::kMin, Type::kF32));
  CHECK_FALSE(can_reduce(ReduceOp::kInc, Type::kS32));
  CHECK_FALSE(can_reduce(ReduceOp::kAnd, Type::kU32));
  CHECK_FALSE(can_reduce(ReduceOp::kAdd, Type::kB8));
  CHECK(can_reduce(ReduceOp::kMin, Type::kBf16));
}
