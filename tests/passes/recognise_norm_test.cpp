// recognise_norm_test.cpp: norms as models write them out.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {
Rewritten recognised(const Equations& equations, double tolerance = 1e-12) {
  auto pass = [](Graph& graph, Remarks& remarks) {
    bool changed = simplify(graph);
    changed |= eliminate_common(graph);
    return recognise_norm(graph, remarks) || changed;
  };
  return check_rewrite(equations, pass, {.value = tolerance});
}
const char kInputs[] = "x: f32[T, 4, 6]; w: f32[6]; b: f32[6]";
}  // namespace

TEST_CASE("layernorm, however its variance and its root are written") {
  for (const char* scaled : {"d * rsqrt(mean(d * d, axis=-1, keepdims=true) + 0.5)",
                             "d / sqrt(mean(d ** 2.0, axis=-1, keepdims=true) + 0.5)",
                             "d * (1.0 / sqrt(0.5 + mean(d * d, axis=-1, keepdims=true)))",
                             "d * (mean(d * d, axis=-1, keepdims=true) + 0.5) ** -0.5",
                             "d / (sum(d * d, axis=-1, keepdims=true) / 6.0 + 0.5) ** 0.5"}) {
    CAPTURE(scaled);
    std::vector<std::string> body = {"d = x - mean(x, axis=-1, keepdims=true)", std::string("n = ") + scaled,
                                     "y = n * w + b"};
    CHECK(recognised({kInputs, body}).text ==
          "%y = layernorm %x, %w, %b {axis = 2, bias = true, eps = 0.5, weight = true} : f32[T, 4, "
          "6]\nreturn %y\n");
  }
}

TEST_CASE("norms over several last axes, without weight, and a weight given to a norm that has none") {
  CHECK(recognised({kInputs,
                    {"d = x - mean(x, axis=[1, 2], keepdims=true)",
                     "y = d * rsqrt(mean(d * d, axis=[1, 2], keepdims=true) + 1e-5)"}})
            .text == "%y = layernorm %x {axis = 1, eps = 1e-05} : f32[T, 4, 6]\nreturn %y\n");
  CHECK(recognised({kInputs, {"y = w * rmsnorm(x, eps=0.25)"}}).text ==
        "%y = rmsnorm %x, %w {axis = 2, eps = 0.25, weight = true} : f32[T, 4, 6]\nreturn %y\n");
  CHECK(recognised({kInputs, {"y = layernorm(x, eps=0.25) + b"}}).text ==
        "%y = layernorm %x, %b {axis = 2, bias = true, eps = 0.25} : f32[T, 4, 6]\nreturn %y\n");
}

TEST_CASE("rmsnorm as Hugging Face's Llama writes it: f32 inside, the weight after the cast back") {
  Equations equations{"x: bf16[T, 6]; w: bf16[6]",
                      {"h = cast(x, dtype=\"f32\")", "v = mean(h ** 2.0, axis=-1, keepdims=true)",
                       "h = h * rsqrt(v + 1e-6)", "y = w * cast(h, dtype=\"bf16\")"}};
  // before, the norm is rounded to bf16 (2^-9 relative) before the weight; afterwards it is not
  CHECK(recognised(equations, 4e-3).text ==
        "%y = rmsnorm %x, %w {axis = 1, eps = 1e-06, weight = true} : bf16[T, 6]\nreturn %y\n");
}

TEST_CASE("what does not fit a row, or is a number, stays outside") {
  CHECK(recognised({"x: f32[T, 4, 6]; w: f32[4, 1]", {"y = rmsnorm(x) * w"}}).text.find("mul") !=
        std::string::npos);
  CHECK(recognised({kInputs, {"y = rmsnorm(x) * 2.0"}}).text.find("mul") != std::string::npos);
  CHECK(recognised({kInputs, {"y = rmsnorm(x) + b"}}).text.find("add") != std::string::npos);
  CHECK(recognised({kInputs, {"n = rmsnorm(x)", "y = n * w + n"}}).text.find("add") != std::string::npos);
  CHECK(recognised({kInputs, {"y = layernorm(x) + b + w"}}).text.find("add") != std::string::npos);
}

TEST_CASE("near misses") {
  auto reason = [](const std::vector<std::string>& body) {
    Rewritten result = recognised({kInputs, body});
    CHECK(result.text.find("norm") == std::string::npos);
    return result.remarks.size() == 1 ? result.remarks[0].reason
                                      : std::to_string(result.remarks.size()) + " remarks";
  };
  CHECK(reason({"y = x * rsqrt(mean(x * x, axis=1, keepdims=true) + 1e-5)"}) ==
        "its axes are not the last ones");
  CHECK(reason({"d = x - 1.0", "y = x * rsqrt(mean(d * d, axis=-1, keepdims=true) + 1e-5)"}) ==
        "what was squared is not what is scaled");
  CHECK(recognised({kInputs, {"y = x / sqrt(sum(x * x, axis=-1, keepdims=true))"}})
            .remarks.empty());  // an L2 norm
}
