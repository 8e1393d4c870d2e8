// pipeline_test.cpp: all plain rewrites in their order, on the tree's own models and on a deep one.
#include "passes/pipeline.h"

#include <ctime>
#include <fstream>

#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {

std::unique_ptr<Graph> example(const std::string& path, int64_t t) {
  Model model = Model::read(TENON_SOURCE_DIR + path);
  return model.build(model.bind({{"T", t}}, {}));
}

int count(const Graph& graph, Op op) {
  int found = 0;
  for (const Node& node : graph.nodes()) found += node.op() == op;
  return found;
}

}  // namespace

TEST_CASE("attention_primitives.toml becomes one attention") {
  for (int64_t t : {1, 17, 512}) {
    auto graph = example("/examples/models/attention_primitives.toml", t);
    Remarks remarks;
    run_pipeline(*graph, remarks);
    CHECK(remarks.empty());
    CHECK(text_without_sources(*graph) ==
          "%y = attention %q, %k, %v {causal = true, scale = 0.125} : bf16[1, 16, T, 64]\nreturn %y\n");
  }
}

TEST_CASE("a layer in primitives becomes the composites of the short form") {
  std::vector<std::string> spelled = {"d = x - mean(x, axis=-1, keepdims=true)",
                                      "h = d / sqrt(mean(d ** 2.0, axis=-1, keepdims=true) + 1e-5) * g + b",
                                      "s = (h @ p) / sqrt(8.0)",
                                      "e = exp(s - max(s, axis=-1, keepdims=true))",
                                      "s = e / sum(e, axis=-1, keepdims=true)",
                                      "h = s @ w",
                                      "y = x + h * 0.5 * (1.0 + erf(h / sqrt(2.0)))"};
  std::vector<std::string> brief = {
      "y = x + gelu(softmax(layernorm(x, g, b, eps=1e-5) @ p / sqrt(8.0)) @ w)"};
  auto pass = [](Graph& graph, Remarks& remarks) {
    run_pipeline(graph, remarks);
    return true;
  };
  const char *inputs = "x: f32[T, 6]", *weights = "g: f32[6]; b: f32[6]; p: f32[6, 7]; w: f32[7, 6]";
  auto drop_names = [](Graph& graph) {
    for (Node& node : graph.nodes())
      if (node.kind() != OpKind::kSource) node.result()->set_name("");
  };
  std::string texts[2];
  for (bool is_brief : {false, true}) {
    auto graph = graph_of({inputs, is_brief ? brief : spelled, weights});
    Remarks remarks;
    pass(*graph, remarks);
    drop_names(*graph);
    texts[is_brief] = text_without_sources(*graph);
  }
  CHECK(texts[0] == texts[1]);
  check_rewrite({inputs, spelled, weights}, pass);
}

TEST_CASE("a Llama layer as Hugging Face writes it") {
  Equations equations{
      "x: bf16[1, T, 32]",
      {// norms in f32, cast back before the weight
       "h = cast(x, dtype=\"f32\")", "h = h * rsqrt(mean(h ** 2.0, axis=-1, keepdims=true) + 1e-6)",
       "h = n1 * cast(h, dtype=\"bf16\")",
       // heads by view and transpose, two key heads repeated for four query heads
       "q = transpose(reshape(linear(h, wq), shape=[1, T, 4, 8]), perm=[0, 2, 1, 3])",
       "k = transpose(reshape(linear(h, wk), shape=[1, T, 2, 8]), perm=[0, 2, 1, 3])",
       "v = transpose(reshape(linear(h, wv), shape=[1, T, 2, 8]), perm=[0, 2, 1, 3])",
       "k = reshape(expand(unsqueeze(k, axis=2), shape=[1, 2, 2, T, 8]), shape=[1, 4, T, 8])",
       "v = reshape(expand(unsqueeze(v, axis=2), shape=[1, 2, 2, T, 8]), shape=[1, 4, T, 8])",
       // an additive mask of zeros and the smallest bf16
       "past = iota(T, dtype=\"i64\")",
       "m = where(greater(unsqueeze(past, axis=0), unsqueeze(past, axis=1)), full(shape=[], value=-3.38e38, "
       "dtype=\"bf16\"), 0.0)",
       "s = q @ transpose(k, perm=[0, 1, 3, 2]) / sqrt(8.0) + unsqueeze(unsqueeze(m, axis=0), axis=0)",
       "p = cast(softmax(cast(s, dtype=\"f32\")), dtype=\"bf16\")",
       "a = reshape(transpose(p @ v, perm=[0, 2, 1, 3]), shape=[1, T, 32])", "x = x + linear(a, wo)",
       // the second half on flattened tokens
       "f = reshape(x, shape=[T, 32])", "h = cast(f, dtype=\"f32\")",
       "h = h / sqrt(mean(h * h, axis=-1, keepdims=true) + 1e-6)", "h = cast(h, dtype=\"bf16\") * n2",
       "g = linear(h, gate)", "f = f + linear(g * sigmoid(g) * linear(h, up), down)",
       "y = reshape(f, shape=[1, T, 32])"},
      "n1: bf16[32]; n2: bf16[32]; wq: bf16[32, 32]; wk: bf16[16, 32]; wv: bf16[16, 32]; wo: bf16[32, 32]; "
      "gate: bf16[48, 32]; up: bf16[48, 32]; down: bf16[32, 48]"};
  auto pass = [](Graph& graph, Remarks& remarks) {
    run_pipeline(graph, remarks);
    return true;
  };
  // bf16 roundings of the norms and of the probabilities before, none after: 2^-9 relative each
  Rewritten result = check_rewrite(equations, pass, {.value = 1e-2});
  CHECK(result.remarks.empty());
  CHECK(result.text == R"(%h = rmsnorm %x, %n1 {axis = 2, eps = 1e-06, weight = true} : bf16[1, T, 32]
%0 = matmul %h, %wq {transpose_b = true} : bf16[1, T, 32]
%1 = reshape %0 : bf16[1, T, 4, 8]
%q = transpose %1 {perm = [0, 2, 1, 3]} : bf16[1, 4, T, 8]
%2 = matmul %h, %wk {transpose_b = true} : bf16[1, T, 16]
%3 = reshape %2 : bf16[1, T, 2, 8]
%k = transpose %3 {perm = [0, 2, 1, 3]} : bf16[1, 2, T, 8]
%4 = matmul %h, %wv {transpose_b = true} : bf16[1, T, 16]
%5 = reshape %4 : bf16[1, T, 2, 8]
%v = transpose %5 {perm = [0, 2, 1, 3]} : bf16[1, 2, T, 8]
%6 = attention %q, %k, %v {causal = true, scale = 0.35355339059327373} : bf16[1, 4, T, 8]
%7 = transpose %6 {perm = [0, 2, 1, 3]} : bf16[1, T, 4, 8]
%a = reshape %7 : bf16[1, T, 32]
%8 = matmul %a, %wo {transpose_b = true} : bf16[1, T, 32]
%x.2 = add %x, %8 : bf16[1, T, 32]
%h.2 = rmsnorm %x.2, %n2 {axis = 2, eps = 1e-06, weight = true} : bf16[1, T, 32]
%g = matmul %h.2, %gate {transpose_b = true} : bf16[1, T, 48]
%9 = silu %g : bf16[1, T, 48]
%10 = matmul %h.2, %up {transpose_b = true} : bf16[1, T, 48]
%11 = mul %9, %10 : bf16[1, T, 48]
%12 = matmul %11, %down {transpose_b = true} : bf16[1, T, 32]
%f = add %x.2, %12 : bf16[1, T, 32]
return %f
)");
}

TEST_CASE("models in the short form keep their ops") {
  for (const char* name : {"gpt2", "minilm", "llama-3.2-1b", "qwen2.5-0.5b", "llama-3-8b", "ffn"}) {
    CAPTURE(name);
    auto graph = example(std::string("/examples/models/") + name + ".toml", 17);
    int matmuls = count(*graph, Op::kMatmul), attentions = count(*graph, Op::kAttention);
    Remarks remarks;
    std::vector<std::string> stages;
    run_pipeline(*graph, remarks, [&](llvm::StringRef stage, const Graph& at, double microseconds) {
      stages.push_back(stage.str());
      CHECK(verify(at) == "");
      CHECK(microseconds >= 0);
    });
    CHECK(remarks.empty());
    CHECK(count(*graph, Op::kMatmul) == matmuls);
    CHECK(count(*graph, Op::kAttention) == attentions);
    CHECK(stages.front() == "simplify");
    CHECK(stages.back() == "eliminate_dead");
  }
}

TEST_CASE("a pipeline that ran has nothing left to do") {
  for (const char* name : {"gpt2", "minilm", "llama-3.2-1b", "attention_primitives"}) {
    CAPTURE(name);
    auto graph = example(std::string("/examples/models/") + name + ".toml", 17);
    Remarks remarks;
    run_pipeline(*graph, remarks);
    std::string once = print(*graph);
    run_pipeline(*graph, remarks);
    CHECK(print(*graph) == once);
  }
}

TEST_CASE("time grows linearly with depth") {
  auto seconds = [](int64_t layers) {
    std::ifstream file(TENON_SOURCE_DIR "/examples/models/gpt-175b.toml");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    size_t at = text.find("L = 96");
    REQUIRE(at != std::string::npos);
    text.replace(at, 6, "L = " + std::to_string(layers));
    Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", text}));
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
      auto graph = model.build(model.bind({}, {}));
      Remarks remarks;
      std::clock_t start = std::clock();  // of this process: other programs do not count
      run_pipeline(*graph, remarks);
      best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
    return best;
  };
  double shallow = seconds(48), deep = seconds(192);
  MESSAGE("plain rewrites and their verification: ", shallow * 1e3, " ms for 48 layers, ", deep * 1e3,
          " ms for 192");
  CHECK(deep < 10 * shallow);  // 4 times the nodes in larger tables; a quadratic pass would need 16 times
}
