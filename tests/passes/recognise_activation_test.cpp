// recognise_activation_test.cpp: activations in the spellings that people use, and near misses with their
// reasons.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {

/// Constants are first brought right, as in the pipeline. Rounded constants change values by their rounding.
Rewritten recognised(const std::string& inputs, const std::vector<std::string>& body,
                     double tolerance = 5e-5) {
  auto pass = [](Graph& graph, Remarks& remarks) {
    bool changed = simplify(graph);
    return recognise_activation(graph, remarks) || changed;
  };
  return check_rewrite({inputs, body}, pass, {.value = tolerance});
}

}  // namespace

TEST_CASE("gelu with erf, however it is written") {
  for (const char* spelling :
       {"0.5 * x * (1.0 + erf(x / sqrt(2.0)))", "x * 0.5 * (1.0 + erf(x / 1.41421356))",
        "x * (erf(x * 0.7071) + 1.0) * 0.5", "(1.0 + erf(0.70710678 * x)) * (0.5 * x)",
        "x * (1.0 + erf(x / 1.41421356)) / 2.0", "(1.0 + erf(x / 1.41421356)) * 0.5 * x",
        "x * ((erf(x * 0.70710678) + 1.0) / 2.0)"}) {
    CAPTURE(spelling);
    CHECK(recognised("x: f32[T, 3]", {std::string("y = ") + spelling}).text ==
          "%y = gelu %x : f32[T, 3]\nreturn %y\n");
  }
}

TEST_CASE("gelu with tanh, however it is written") {
  for (const char* spelling : {"0.5 * x * (1.0 + tanh(sqrt(2.0 / 3.14159265) * (x + 0.044715 * x ** 3.0)))",
                               "0.5 * x * (1.0 + tanh(0.79788 * (x + 0.044715 * x * x * x)))",
                               "x * (tanh(x * 0.7978845608 * (1.0 + 0.044715 * x * x)) + 1.0) * 0.5",
                               "(x / 2.0) * (1.0 + tanh((x + x * x * x * 0.044715) * 0.7978845608))"}) {
    CAPTURE(spelling);
    CHECK(recognised("x: f32[T, 3]", {std::string("y = ") + spelling}).text ==
          "%y = gelu_tanh %x : f32[T, 3]\nreturn %y\n");
  }
}

TEST_CASE("the x of a gelu may be a product or a sum itself") {
  CHECK(
      recognised("u: f32[T, 3]; b: f32[3]", {"x = u * 0.5 + b", "y = 0.5 * x * (1.0 + erf(x / 1.41421356))"})
          .text ==
      "%0 = mul %u, 0.5 : f32[T, 3]\n%x = add %0, %b : f32[T, 3]\n%y = gelu %x : f32[T, 3]\nreturn %y\n");
  CHECK(recognised("u: f32[T]", {"x = u * 3.0", "y = 0.5 * x * (1.0 + erf(x / 1.41421356))"}).text ==
        "%x = mul %u, 3.0 : f32[T]\n%y = gelu %x : f32[T]\nreturn %y\n");
}

TEST_CASE("a gelu of bf16 knows that its constants were rounded") {
  CHECK(recognised("x: bf16[T]", {"y = 0.5 * x * (1.0 + erf(x * 0.70703125))"}, 1e-3).text.find("gelu %x") !=
        std::string::npos);
}

TEST_CASE("what is nearly a gelu says why it is none") {
  struct Miss {
    const char *line, *reason;
  };
  for (Miss miss :
       {Miss{"x * (1.0 + erf(x / 1.41421356))", "the whole is 1.0 x (1 + erf(..)) instead of 0.5"},
        Miss{"0.5 * z * (1.0 + erf(x / 1.41421356))",
             "1 + erf(..) is multiplied by something other than the x of its argument"},
        Miss{"0.5 * x * (1.0 + erf(x / 1.5))",
             "1 + erf(..) is multiplied by something other than the x of its argument"},
        Miss{"1.0 + erf(x)", "1 + erf(..) is not multiplied by the x in its argument"}}) {
    CAPTURE(miss.line);
    Rewritten result = recognised("x: f32[T]; z: f32[T]", {std::string("y = ") + miss.line});
    REQUIRE(result.remarks.size() == 1);
    CHECK(result.remarks[0].pattern == "gelu");
    CHECK(result.remarks[0].reason == miss.reason);
    CHECK(result.remarks[0].location.line > 0);
    CHECK(result.text.find("gelu") == std::string::npos);
  }
}

TEST_CASE("silu and sigmoid") {
  for (const char* spelling : {"x * sigmoid(x)", "sigmoid(x) * x", "x / (1.0 + exp(neg(x)))",
                               "x * (1.0 / (1.0 + exp(-x)))", "x * reciprocal(exp(x * -1.0) + 1.0)"}) {
    CAPTURE(spelling);
    CHECK(recognised("x: f32[T]", {std::string("y = ") + spelling}).text ==
          "%y = silu %x : f32[T]\nreturn %y\n");
  }
  CHECK(recognised("x: f32[T]", {"y = 1.0 / (1.0 + exp(-x))"}).text ==
        "%y = sigmoid %x : f32[T]\nreturn %y\n");
  Rewritten swish = recognised("x: f32[T]", {"y = x * sigmoid(1.702 * x)"});
  REQUIRE(swish.remarks.size() == 1);
  CHECK(swish.remarks[0].reason == "sigmoid takes 1.702 x, not x");
}
