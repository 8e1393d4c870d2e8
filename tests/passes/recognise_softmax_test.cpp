// recognise_softmax_test.cpp: softmax and log_softmax from their definitions.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {
Rewritten recognised(const std::vector<std::string>& body) {
  auto pass = [](Graph& graph, Remarks& remarks) {
    bool changed = simplify(graph);
    return recognise_softmax(graph, remarks) || changed;
  };
  return check_rewrite({"x: f32[T, 4, 3]", body}, pass);
}
}  // namespace

TEST_CASE("softmax along any axis, kept or squeezed, divided or multiplied") {
  const char* last = "%y = softmax %x {axis = 2} : f32[T, 4, 3]\nreturn %y\n";
  CHECK(recognised({"e = exp(x - max(x, axis=-1, keepdims=true))", "y = e / sum(e, axis=-1, keepdims=true)"})
            .text == last);
  CHECK(recognised(
            {"e = exp(x - unsqueeze(max(x, axis=2), axis=2))", "y = e / unsqueeze(sum(e, axis=2), axis=2)"})
            .text == last);
  CHECK(recognised(
            {"e = exp(x - max(x, axis=-1, keepdims=true))", "y = e * (1.0 / sum(e, axis=-1, keepdims=true))"})
            .text == last);
  CHECK(recognised({"e = exp(x - max(x, axis=1, keepdims=true))", "y = e / sum(e, axis=1, keepdims=true)"})
            .text == "%y = softmax %x {axis = 1} : f32[T, 4, 3]\nreturn %y\n");
}

TEST_CASE("log_softmax in its three spellings") {
  const char* expected = "%y = log_softmax %x {axis = 2} : f32[T, 4, 3]\nreturn %y\n";
  CHECK(recognised(
            {"d = x - max(x, axis=-1, keepdims=true)", "y = d - log(sum(exp(d), axis=-1, keepdims=true))"})
            .text == expected);
  CHECK(recognised({"m = max(x, axis=-1, keepdims=true)",
                    "y = x - (m + log(sum(exp(x - m), axis=-1, keepdims=true)))"})
            .text == expected);
  CHECK(recognised({"y = log(softmax(x))"}).text == expected);
}

TEST_CASE("near misses") {
  auto reason = [](const std::vector<std::string>& body) {
    Rewritten result = recognised(body);
    CHECK(result.text.find("softmax") == std::string::npos);
    return result.remarks.size() == 1 ? result.remarks[0].reason
                                      : std::to_string(result.remarks.size()) + " remarks";
  };
  CHECK(reason({"e = exp(x)", "y = e / sum(e, axis=-1, keepdims=true)"}) ==
        "exp takes its operand without the maximum subtracted");
  CHECK(reason({"e = exp(x - max(x, axis=[1, 2], keepdims=true))",
                "y = e / sum(e, axis=[1, 2], keepdims=true)"}) == "the sum is over several axes");
  CHECK(reason({"e = exp(x - max(x, axis=1, keepdims=true))", "y = e / sum(e, axis=2, keepdims=true)"}) ==
        "the maximum and the sum are along different axes");
  CHECK(recognised({"y = x / sum(x, axis=-1, keepdims=true)"}).remarks.empty());
}
