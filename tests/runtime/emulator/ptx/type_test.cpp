#include "runtime/emulator/ptx/type.h"

#include <doctest/doctest.h>

namespace tenon::ptx {

TEST_CASE("a type's name, size and kind") {
  CHECK(type_named("pred") == Type::kPred);
  CHECK(type_named("e5m2x2") == Type::kE5m2x2);
  CHECK(!type_named("f8"));
  CHECK(!type_named(""));
  CHECK(!type_named(".b32"));
  for (int i = 0; i <= static_cast<int>(Type::kE5m2x2); ++i)
    CHECK(type_named(name(static_cast<Type>(i))) == static_cast<Type>(i));
  CHECK(bits(Type::kPred) == 1);
  CHECK(bytes(Type::kB128) == 16);
  CHECK(bytes(Type::kBf16x2) == 4);
  CHECK(bytes(Type::kE4m3x2) == 2);
  CHECK(bytes(Type::kTf32) == 4);
  CHECK(is_signed(Type::kS16));
  CHECK(!is_signed(Type::kU16));
  CHECK(!is_signed(Type::kF32));
  CHECK(is_float(Type::kE4m3));
  CHECK(is_float(Type::kF16x2));
  CHECK(!is_float(Type::kB32));
  CHECK(is_packed(Type::kF16x2));
  CHECK(!is_packed(Type::kF32));
}

}  // namespace tenon::ptx
