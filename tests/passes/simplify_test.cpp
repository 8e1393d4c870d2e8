// simplify_test.cpp: what simplify drops, what it must leave, bit for bit with NaN, infinities and both
// zeros.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {

std::string simplified(const Equations& equations) {
  return check_rewrite(equations, simplify, {.value = 0, .special = true}).text;
}
std::string simplified(const std::string& inputs, const std::vector<std::string>& body) {
  return simplified(Equations{inputs, body});
}

}  // namespace

TEST_CASE("arithmetic that does nothing goes") {
  for (const char* nothing :
       {"x * 1.0", "1.0 * x", "x / 1.0", "x - 0.0", "x ** 1.0", "neg(neg(x))", "maximum(x, x)", "x + -0.0",
        "cast(x, dtype=\"f32\")", "where(true, x, z)", "where(false, z, x)"}) {
    CAPTURE(nothing);
    CHECK(simplified("x: f32[T, 3]; z: f32[T, 3]", {std::string("y = ") + nothing}) == "return %x\n");
  }
}

TEST_CASE("what is not exact stays") {
  CHECK(simplified("x: f32[T, 3]", {"y = x + 0.0"}) == "%y = add %x, 0.0 : f32[T, 3]\nreturn %y\n");
  CHECK(simplified("x: f32[T, 3]", {"y = x * 0.0"}) == "%y = mul %x, 0.0 : f32[T, 3]\nreturn %y\n");
  CHECK(simplified("x: f32[T, 3]", {"y = x - x"}) == "%y = sub %x, %x : f32[T, 3]\nreturn %y\n");
  CHECK(simplified("x: f32[T, 3]", {"y = x / 3.0"}) == "%y = div %x, 3.0 : f32[T, 3]\nreturn %y\n");
  CHECK(simplified("x: f32[3]", {"y = x * full(shape=[T, 3], value=1.0, dtype=\"f32\")"}).find("mul") !=
        std::string::npos);
}

TEST_CASE("a positive value plus zero, and integers, are exact") {
  CHECK(simplified("x: f32[T, 3]", {"y = exp(x) + 0.0"}) == "%y = exp %x : f32[T, 3]\nreturn %y\n");
  CHECK(simplified("x: i32[T]", {"y = x + 0"}) == "return %x\n");
  CHECK(simplified("x: i32[T]", {"y = x - x"}) == "%0 = constant {value = 0.0} : i32[T]\nreturn %0\n");
  CHECK(simplified("x: i32[T]", {"y = floor(x)"}) == "return %x\n");
}

TEST_CASE("simpler spellings") {
  CHECK(simplified("x: f32[T]", {"y = 1.0 / sqrt(x)"}) == "%y = rsqrt %x : f32[T]\nreturn %y\n");
  CHECK(simplified("x: f32[T]", {"y = x ** 2.0"}) == "%y = mul %x, %x : f32[T]\nreturn %y\n");
  CHECK(simplified("x: f32[T]", {"y = x / 8.0"}) == "%y = mul %x, 0.125 : f32[T]\nreturn %y\n");
  CHECK(simplified("x: f32[T]; z: f32[T]", {"y = x + neg(z)"}) == "%y = sub %x, %z : f32[T]\nreturn %y\n");
  CHECK(simplified("x: f32[T]", {"y = 2.0 * x"}) == "%y = mul %x, 2.0 : f32[T]\nreturn %y\n");
  CHECK(simplified("c: bool[T]; x: f32[T]; z: f32[T]", {"y = where(not(c), x, z)"}) ==
        "%y = where %c, %z, %x : f32[T]\nreturn %y\n");
}

TEST_CASE("casts that lose nothing need not be") {
  CHECK(simplified("x: bf16[T]", {"y = cast(cast(x, dtype=\"f32\"), dtype=\"bf16\")"}) == "return %x\n");
  CHECK(simplified("x: bf16[T]", {"y = cast(cast(x, dtype=\"f32\"), dtype=\"f16\")"}) ==
        "%y = cast %x : f16[T]\nreturn %y\n");
  CHECK(simplified("x: f32[T]", {"y = cast(cast(x, dtype=\"bf16\"), dtype=\"f32\")"}).find("bf16") !=
        std::string::npos);
}

TEST_CASE("a float between two integers stays where it saturates what would wrap") {
  Graph graph;
  Builder builder(graph);
  Value* x = builder.source(Op::kInput, "x", {DType::kI8, {2}});
  graph.add_output("wraps", builder.cast(builder.cast(x, DType::kI32), DType::kU8));
  graph.add_output("saturates", builder.cast(builder.cast(x, DType::kF32), DType::kU8));
  CHECK(simplify(graph));
  CHECK(text_without_sources(graph) ==
        "%0 = cast %x : u8[2]\n%1 = cast %x : f32[2]\n%2 = cast %1 : u8[2]\nreturn %0, %2\n");
}

TEST_CASE("movement that moves nothing goes, movement of movement is one") {
  CHECK(simplified("x: f32[T, 6]", {"y = reshape(reshape(x, shape=[T, 2, 3]), shape=[T, 6])"}) ==
        "return %x\n");
  CHECK(simplified("x: f32[T, 6]", {"y = reshape(reshape(x, shape=[T, 2, 3]), shape=[T*6])"}) ==
        "%y = reshape %x : f32[T*6]\nreturn %y\n");
  CHECK(simplified("x: f32[T, 2, 3]", {"y = transpose(transpose(x, perm=[1, 2, 0]), perm=[2, 0, 1])"}) ==
        "return %x\n");
  CHECK(simplified("x: f32[T, 2, 3]", {"y = transpose(transpose(x, perm=[1, 0, 2]), perm=[2, 1, 0])"}) ==
        "%y = transpose %x {perm = [2, 0, 1]} : f32[3, T, 2]\nreturn %y\n");
  CHECK(simplified("x: f32[T, 6]", {"y = slice(x, axis=1, start=0, stop=6)"}) == "return %x\n");
  CHECK(simplified("x: f32[T, 9]",
                   {"y = slice(slice(x, axis=1, start=1, stop=8, step=2), axis=1, start=1, stop=3)"}) ==
        "%y = slice %x {axis = 1, start = 3, step = 2} : f32[T, 2]\nreturn %y\n");
  CHECK(simplified("x: f32[T, 6]", {"a, b = split(x, parts=2)", "y = concat(a, b, axis=-1)"}) ==
        "return %x\n");
  CHECK(
      simplified("x: f32[T, 6]", {"a, b = split(x, parts=2)", "y = concat(b, a, axis=-1)"}).find("concat") !=
      std::string::npos);
  CHECK(simplified("x: f32[T, 2]; z: f32[T, 3]",
                   {"y = slice(concat(x, z, axis=1), axis=1, start=2, stop=5)"}) == "return %z\n");
  CHECK(simplified("x: f32[T, 2]", {"y = pad(x, before=[0, 0], after=[0, 0])"}) == "return %x\n");
}

TEST_CASE("elementwise ops broadcast by themselves") {
  CHECK(simplified("x: f32[T, 2, 3]; b: f32[3]", {"y = x + reshape(b, shape=[1, 1, 3])"}) ==
        "%y = add %x, %b : f32[T, 2, 3]\nreturn %y\n");
  CHECK(simplified("x: f32[T, 3]; b: f32[3]", {"y = x + expand(b, shape=[T, 3])"}) ==
        "%y = add %x, %b : f32[T, 3]\nreturn %y\n");
  CHECK(simplified("x: f32[3]; b: f32[3]", {"y = x + expand(b, shape=[T, 3])"}).find("expand") !=
        std::string::npos);
}
