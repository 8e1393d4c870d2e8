// eliminate_common_test.cpp: equal expressions are computed once, different ones never merged.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

TEST_CASE("equal expressions become one, operands of commutative ops in any order") {
  CHECK(check_rewrite({"x: f32[T]; z: f32[T]", {"a = exp(x + z)", "b = exp(z + x)", "y = a * b"}},
                      eliminate_common)
            .text == "%0 = add %x, %z : f32[T]\n%a = exp %0 : f32[T]\n%y = mul %a, %a : f32[T]\nreturn %y\n");
}

TEST_CASE("operands, attributes, types and the sign of zero tell expressions apart") {
  for (const char* line : {"y = (x - z) * (z - x)", "y = sum(x, axis=0) + sum(x, axis=0, keepdims=true)",
                           "y = (x / 0.0) + (x / -0.0)", "y = leaky_relu(x, 0.1) * leaky_relu(x, 0.2)"}) {
    CAPTURE(line);
    CHECK_FALSE(check_rewrite({"x: f32[T]; z: f32[T]", {line}}, eliminate_common).changed);
  }
}

TEST_CASE("extents that are equal by chance do not merge what is not the same") {
  Equations equations{
      "x: f32[T]; z: f32[5]",
      {"a = sum(full(shape=[T], value=2.0, dtype=\"f32\"))",
       "b = sum(full(shape=[5], value=2.0, dtype=\"f32\"))", "y = (sum(x) * a) + (sum(z) * b)"}};
  CHECK_FALSE(check_rewrite(equations, eliminate_common).changed);
}

TEST_CASE("ops of several results merge as a whole") {
  CHECK(
      check_rewrite({"x: f32[T, 4]", {"a, i = topk(x, 2)", "b, j = topk(x, 2)", "y = a + b"}},
                    eliminate_common)
          .text ==
      "%a, %i = topk %x {axis = 1, k = 2} : f32[T, 2], i64[T, 2]\n%y = add %a, %a : f32[T, 2]\nreturn %y\n");
}

TEST_CASE("weights of one tensor stay two weights") {
  Equations equations{"x: f32[T]", {"y = x * v * w"}, "v: f32[5]; w: f32[5]"};
  auto graph = graph_of(equations);
  CHECK_FALSE(eliminate_common(*graph));
}
