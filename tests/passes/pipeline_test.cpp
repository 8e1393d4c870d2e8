// pipeline_test.cpp: all plain rewrites in their order, on the tree's own models and on a deep one.
#include "passes/pipeline.h"

#include <fstream>
#include <numeric>

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
    std::ifstream file(TENON_SOURCE_DIR "/tests/bench/gpt-175b.toml");
    std::string text((std::istreambuf_iterator<char>(file)), {});
    size_t at = text.find("L = 96");
    REQUIRE(at != std::string::npos);
    text.replace(at, 6, "L = " + std::to_string(layers));
    Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", text}));
    std::vector<double> best;  // of each stage: a busy machine slows some stages of some runs
    for (int i = 0; i < 7; ++i) {
      auto graph = model.build(model.bind({}, {}));
      Remarks remarks;
      size_t stage = 0;
      run_pipeline(*graph, remarks, [&](llvm::StringRef, const Graph&, double us) {
        if (stage == best.size()) best.push_back(us);
        best[stage] = std::min(best[stage], us);
        ++stage;
      });
    }
    return std::accumulate(best.begin(), best.end(), 0.0) * 1e-6;
  };
  double shallow = seconds(48), deep = seconds(192);
  MESSAGE("plain rewrites: ", shallow * 1e3, " ms for 48 layers, ", deep * 1e3, " ms for 192");
  CHECK(deep < 8 * shallow);  // 4 times the nodes; a quadratic pass would need 16 times
}
