// recognise_attention_test.cpp: attention spelled out in primitives, as its authors write it, and near
// misses.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {

/// The passes that stand before it in the pipeline, then itself, then what tidies up.
bool pass(Graph& graph, Remarks& remarks) {
  bool changed = simplify(graph);
  changed |= fold_constants(graph);
  changed |= eliminate_common(graph);
  changed |= fold_layouts(graph);
  changed |= recognise_attention(graph, remarks);
  changed |= simplify(graph);
  return eliminate_dead(graph) || changed;
}

constexpr char kInputs[] = "q: f32[2, 4, T, 8]; k: f32[2, 4, T, 8]; v: f32[2, 4, T, 8]";

std::string recognised(const std::vector<std::string>& body, const std::string& more = "") {
  Rewritten result = check_rewrite({kInputs + more, body}, pass);
  CHECK(result.remarks.empty());
  return result.text;
}

std::string attention(const std::string& operands, const std::string& attributes) {
  return "%y = attention " + operands + " {" + attributes + "} : f32[2, 4, T, 8]\nreturn %y\n";
}

}  // namespace

TEST_CASE("scale on q, on k, on both, on the scores; the product with a transpose of the keys") {
  for (const char* scores : {"q @ transpose(k) * 0.5", "q @ transpose(k) / 2.0", "(q * 0.5) @ transpose(k)",
                             "q @ transpose(k * 0.5)", "(q / 4.0) @ transpose(k * 2.0)",
                             "0.5 * (q @ transpose(k, perm=[0, 1, 3, 2]))"}) {
    CAPTURE(scores);
    CHECK(recognised({std::string("s = ") + scores, "y = softmax(s) @ v"}) ==
          attention("%q, %k, %v", "scale = 0.5"));
  }
}

TEST_CASE("masks: additive, boolean, the additive spelling of a boolean one") {
  CHECK(recognised({"y = softmax(q @ transpose(k) * 0.5 + m) @ v"}, "; m: f32[T, T]") ==
        attention("%q, %k, %v, %m", "mask = true, scale = 0.5"));
  // c is true on the diagonal, so that each row sees a key and -inf gives no NaN before the rewrite
  std::vector<std::string> diagonal = {"i = iota(T, dtype=\"i32\")",
                                       "c = or(d, equal(unsqueeze(i, axis=0), unsqueeze(i, axis=1)))"};
  for (const char* masked :
       {"where(c, s, -inf)", "where(not(c), -1e30, s)", "where(c, s, -10000.0)", "s + where(c, zero, -inf)",
        "s + (1.0 - cast(c, dtype=\"f32\")) * -1e30", "s + where(not(c), -3.4e38, zero)"}) {
    CAPTURE(masked);
    std::vector<std::string> body = diagonal;
    body.insert(body.end(), {"s = q @ transpose(k) * 0.5", "zero = full(shape=[], value=0.0, dtype=\"f32\")",
                             std::string("y = softmax(") + masked + ") @ v"});
    std::string text = recognised(body, "; d: bool[2, 1, T, T]");
    CHECK(text.find("attention %q, %k, %v, %c {mask = true, scale = 0.5}") != std::string::npos);
    CHECK(text.find("softmax") == std::string::npos);
  }
}

TEST_CASE("causal masks built from iotas") {
  std::vector<std::string> positions = {"i = unsqueeze(iota(T, dtype=\"i32\"), axis=1)",
                                        "j = unsqueeze(iota(T, dtype=\"i32\"), axis=0)",
                                        "s = q @ transpose(k)"};
  struct Case {
    const char *masked, *attributes;
  };
  for (Case c :
       {Case{"where(less_equal(j, i), s, -inf)", "causal = true, scale = 1.0"},
        Case{"where(greater_equal(i, j), s, -inf)", "causal = true, scale = 1.0"},
        Case{"where(less(j, i + 1), s, -1e9)", "causal = true, scale = 1.0"},
        Case{"where(greater(j, i), -inf, s)", "causal = true, scale = 1.0"},
        Case{"where(not(greater(j - i, 0)), s, -inf)", "causal = true, scale = 1.0"},
        Case{"s + where(less_equal(j, i), full(shape=[], value=0.0, dtype=\"f32\"), -inf)",
             "causal = true, scale = 1.0"},
        Case{"where(less_equal(expand(reshape(j, shape=[1, 1, 1, T]), shape=[2, 4, T, T]), i), s, -inf)",
             "causal = true, scale = 1.0"},
        Case{"where(and(less_equal(j, i), greater(j, i - 3)), s, -inf)",
             "causal = true, scale = 1.0, window = 3"},
        Case{"where(less_equal(j, i), where(greater(j + 2, i), s, -inf), -inf)",
             "causal = true, scale = 1.0, window = 2"}}) {
    CAPTURE(c.masked);
    std::vector<std::string> body = positions;
    body.push_back(std::string("y = softmax(") + c.masked + ") @ v");
    CHECK(recognised(body) == attention("%q, %k, %v", c.attributes));
  }
}

TEST_CASE("causal with an offset: a number, and a scalar input") {
  const char* inputs = "q: f32[2, 4, T, 8]; k: f32[2, 4, 32, 8]; v: f32[2, 4, 32, 8]; past: i32[]";
  std::vector<std::string> body = {"i = unsqueeze(iota(T, dtype=\"i32\"), axis=1)",
                                   "j = unsqueeze(iota(32, dtype=\"i32\"), axis=0)"};
  auto masked = [&](const char* condition) {
    std::vector<std::string> lines = body;
    lines.push_back(std::string("y = softmax(where(") + condition + ", q @ transpose(k), -inf)) @ v");
    return check_rewrite({inputs, lines}, pass).text;
  };
  CHECK(masked("less_equal(j, i + past)") ==
        attention("%q, %k, %v, %past", "causal = true, offset = true, scale = 1.0"));
  CHECK(masked("less_equal(j - past, i)") ==
        attention("%q, %k, %v, %past", "causal = true, offset = true, scale = 1.0"));
  CHECK(masked("less_equal(j, i + 7)") ==
        attention("%q, %k, %v, 7", "causal = true, offset = true, scale = 1.0"));
  CHECK(masked("less(j, i + past + 3)").find("add %past, 2") != std::string::npos);
  CHECK(masked("and(less_equal(j, i + past), greater(j, i + past - 4))") ==
        attention("%q, %k, %v, %past", "causal = true, offset = true, scale = 1.0, window = 4"));
  // the other way round is no causal mask: it stays a boolean one
  CHECK(masked("less_equal(j, 40 - i)").find("mask = true") != std::string::npos);
}

TEST_CASE("an additive mask beside a causal one, a boolean mask beside it") {
  std::vector<std::string> body = {"i = unsqueeze(iota(T, dtype=\"i32\"), axis=1)",
                                   "j = unsqueeze(iota(T, dtype=\"i32\"), axis=0)"};
  std::vector<std::string> additive = body, boolean = body;
  additive.push_back("y = softmax(where(less_equal(j, i), q @ transpose(k) + m, -inf)) @ v");
  CHECK(recognised(additive, "; m: f32[4, T, T]") ==
        attention("%q, %k, %v, %m", "causal = true, mask = true, scale = 1.0"));
  boolean.push_back(
      "y = softmax(where(and(less_equal(j, i), or(c, equal(i, j))), q @ transpose(k), -inf)) @ v");
  CHECK(recognised(boolean, "; c: bool[T, T]").find("causal = true, mask = true") != std::string::npos);
}

TEST_CASE("soft cap and casts around the softmax") {
  CHECK(recognised({"y = softmax(tanh(q @ transpose(k) * 0.5 / 30.0) * 30.0) @ v"}).find("softcap = 30.0") !=
        std::string::npos);
  const char* narrow = "q: bf16[2, 4, T, 8]; k: bf16[2, 4, T, 8]; v: bf16[2, 4, T, 8]; m: bf16[T, T]";
  Equations equations{narrow,
                      {"s = cast(q @ transpose(k), dtype=\"f32\") * 0.125 + cast(m, dtype=\"f32\")",
                       "y = cast(softmax(s), dtype=\"bf16\") @ v"}};
  // before, probabilities are rounded to bf16 (2^-9 relative); afterwards they are not
  CHECK(check_rewrite(equations, pass, {.value = 4e-3}).text ==
        "%y = attention %q, %k, %v, %m {mask = true, scale = 0.125} : bf16[2, 4, T, 8]\nreturn %y\n");
}

TEST_CASE("grouped queries: key heads repeated by expand") {
  Equations equations{
      "q: f32[2, 6, T, 8]; k: f32[2, 3, T, 8]; v: f32[2, 3, T, 8]",
      {"kk = reshape(expand(unsqueeze(k, axis=2), shape=[2, 3, 2, T, 8]), shape=[2, 6, T, 8])",
       "vv = reshape(expand(unsqueeze(v, axis=2), shape=[2, 3, 2, T, 8]), shape=[2, 6, T, 8])",
       "y = softmax(q @ transpose(kk) * 0.125) @ vv"}};
  CHECK(check_rewrite(equations, pass).text ==
        "%y = attention %q, %k, %v {scale = 0.125} : f32[2, 6, T, 8]\nreturn %y\n");
}

TEST_CASE("grouped queries: five axes that broadcast") {
  Equations equations{"q: f32[2, 6, T, 8]; k: f32[2, 3, T, 8]; v: f32[2, 3, T, 8]; c: bool[2, 1, 1, 1, T]",
                      {"qq = reshape(q, shape=[2, 3, 2, T, 8])", "i = iota(T, dtype=\"i32\")",
                       "d = or(c, equal(unsqueeze(i, axis=0), unsqueeze(i, axis=1)))",
                       "s = where(d, qq @ transpose(unsqueeze(k, axis=2)), -inf)",
                       "y = reshape(softmax(s) @ unsqueeze(v, axis=2), shape=[2, 6, T, 8])"}};
  std::string text = check_rewrite(equations, pass).text;
  CHECK(text.find("attention %q, %k, %v, %2 {mask = true, scale = 1.0} : f32[2, 6, T, 8]") !=
        std::string::npos);
}

TEST_CASE("one head, and heads folded into the batch") {
  CHECK(
      check_rewrite({"q: f32[T, 8]; k: f32[7, 8]; v: f32[7, 3]", {"y = softmax(q @ transpose(k)) @ v"}}, pass)
          .text.find("attention %0, %1, %2 {scale = 1.0} : f32[1, 1, T, 3]") != std::string::npos);
  CHECK(check_rewrite({"q: f32[6, T, 8]; k: f32[6, 7, 8]; v: f32[6, 7, 3]; m: f32[6, 1, 7]",
                       {"y = softmax(q @ transpose(k) + m) @ v"}},
                      pass)
            .text.find("{mask = true, scale = 1.0} : f32[6, 1, T, 3]") != std::string::npos);
}

TEST_CASE("heads split in GPT-2's way, keys transposed in one go") {
  Equations equations{
      "x: f32[2, T, 96]",
      {"q, k, v = split(x, parts=3)", "q = transpose(reshape(q, shape=[2, T, 4, 8]), perm=[0, 2, 1, 3])",
       "k = transpose(reshape(k, shape=[2, T, 4, 8]), perm=[0, 2, 3, 1])",
       "v = transpose(reshape(v, shape=[2, T, 4, 8]), perm=[0, 2, 1, 3])",
       "y = merge_heads(softmax(q @ k) @ v)"}};
  std::string text = check_rewrite(equations, pass).text;
  CHECK(text.find("attention") != std::string::npos);
  CHECK(text.find("perm = [0, 2, 3, 1]") == std::string::npos);
}

TEST_CASE("an attention that is given a causal mask says causal") {
  CHECK(
      recognised({"i = iota(T, dtype=\"i32\")", "c = less_equal(unsqueeze(i, axis=0), unsqueeze(i, axis=1))",
                  "y = attention(q, k, v, mask=reshape(c, shape=[1, 1, T, T]), scale=0.5)"}) ==
      attention("%q, %k, %v", "causal = true, scale = 0.5"));
}

TEST_CASE("near misses name what is in the way") {
  struct Miss {
    std::vector<std::string> body;
    const char* reason;
  };
  for (const Miss& miss :
       {Miss{{"p = softmax(q @ transpose(k))", "y = p @ v + sum(p, axis=none)"},
             "the probabilities are read elsewhere"},
        Miss{{"s = q @ transpose(k)", "y = softmax(s) @ v + sum(s, axis=none)"},
             "the scores are read elsewhere"},
        Miss{{"y = softmax(relu(q @ transpose(k))) @ v"}, "relu stands between q @ k and softmax"},
        Miss{{"y = softmax((q @ transpose(k) + m) * 0.5) @ v"},
             "the mask is scaled together with the scores"},
        Miss{{"y = softmax(q @ transpose(k) + m + n) @ v"}, "two masks are added"},
        Miss{{"y = softmax(where(c, q @ transpose(k) + m, -inf)) @ v"},
             "an additive mask stands beside a boolean one"}}) {
    CAPTURE(miss.reason);
    std::string more = "; m: f32[T, T]; n: f32[T, T]; c: bool[T, T]";
    auto graph = graph_of({kInputs + more, miss.body});
    Remarks remarks;
    pass(*graph, remarks);
    CHECK(verify(*graph) == "");
    REQUIRE(remarks.size() == 1);
    CHECK(remarks[0].pattern == "attention");
    CHECK(remarks[0].reason == miss.reason);
    CHECK(remarks[0].location.line > 0);
    CHECK(text_without_sources(*graph).find("attention") == std::string::npos);
  }
}
