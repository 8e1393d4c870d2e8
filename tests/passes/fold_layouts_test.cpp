// fold_layouts_test.cpp: transposes become flags, reshapes of leading axes sink.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {
std::string folded(const std::string& inputs, const std::vector<std::string>& body) {
  return check_rewrite({inputs, body}, fold_layouts).text;
}
}  // namespace

TEST_CASE("a transpose of the last two axes is a flag") {
  CHECK(folded("x: f32[T, 4]; w: f32[3, 4]", {"y = x @ transpose(w)"}) ==
        "%y = matmul %x, %w {transpose_b = true} : f32[T, 3]\nreturn %y\n");
  CHECK(folded("x: f32[4, T]; w: f32[4, 3]", {"y = transpose(x) @ w"}) ==
        "%y = matmul %x, %w {transpose_a = true} : f32[T, 3]\nreturn %y\n");
  CHECK(folded("x: f32[T, 4]; w: f32[4, 3]", {"y = linear(x, transpose(w))"}) ==
        "%y = matmul %x, %w : f32[T, 3]\nreturn %y\n");
}

TEST_CASE("a transpose that also moves heads keeps its other half") {
  CHECK(folded("q: f32[2, 3, T, 4]; k: f32[2, T, 3, 4]", {"y = q @ transpose(k, perm=[0, 2, 3, 1])"}) ==
        "%0 = transpose %k {perm = [0, 2, 1, 3]} : f32[2, 3, T, 4]\n"
        "%y = matmul %q, %0 {transpose_b = true} : f32[2, 3, T, T]\nreturn %y\n");
  CHECK_FALSE(
      check_rewrite({"q: f32[2, T, 3, 4]; k: f32[2, 3, 4, 2]", {"y = transpose(q, perm=[0, 2, 1, 3]) @ k"}},
                    fold_layouts)
          .changed);
}

TEST_CASE("tokens flattened for a product keep their axes") {
  Equations equations{"x: f32[2, T, 4]; b: f32[3]; n: f32[3]",
                      {"r = reshape(x, shape=[2*T, 4])", "h = rmsnorm(gelu(r @ w + b), n)",
                       "y = reshape(h, shape=[2, T, 3])"},
                      "w: f32[4, 3]"};
  CHECK(check_rewrite(equations, fold_layouts).text ==
        "%0 = matmul %x, %w : f32[2, T, 3]\n%1 = add %0, %b : f32[2, T, 3]\n%2 = gelu %1 : f32[2, T, 3]\n"
        "%h = rmsnorm %2, %n {axis = 2, eps = 1e-06, weight = true} : f32[2, T, 3]\nreturn %h\n");
}

TEST_CASE("a residual of two flattened values sinks too, one with a value of its own shape does not") {
  CHECK(folded("x: f32[2, T, 4]; z: f32[2, T, 4]",
               {"y = reshape(x, shape=[2*T, 4]) + reshape(z, shape=[2*T, 4])"}) ==
        "%y = add %x, %z : f32[2, T, 4]\n%y.2 = reshape %y : f32[2*T, 4]\nreturn %y.2\n");
  CHECK_FALSE(
      check_rewrite({"x: f32[2, T, 4]; z: f32[2*T, 4]", {"y = reshape(x, shape=[2*T, 4]) + z"}}, fold_layouts)
          .changed);
}

TEST_CASE("splitting heads stays where it is") {
  CHECK_FALSE(check_rewrite({"x: f32[2, T, 12]", {"y = heads(x, 3) * 2.0"}}, fold_layouts).changed);
  CHECK_FALSE(check_rewrite({"x: f32[2, 3, T, 4]", {"y = merge_heads(x) * 2.0"}}, fold_layouts).changed);
}
