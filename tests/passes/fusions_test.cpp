// fusions_test.cpp: every region that the fusions offer is well formed and has the values of the nodes that
// it covers.
#include <doctest/doctest.h>

#include <cmath>
#include <random>

#include "ir/evaluate.h"
#include "ir/model.h"
#include "ir/print.h"
#include "ir/verify.h"
#include "llvm/ADT/StringMap.h"
#include "passes/family.h"
#include "passes/passes.h"
#include "passes/sites.h"

using namespace tenon;

namespace {

std::unique_ptr<Graph> build(const std::string& text, const DimBinding& dims = {}) {
  auto file = std::make_shared<const SourceFile>(SourceFile{"m.toml", text});
  Model model = Model::parse(file);
  return model.build(model.bind(dims, {}));
}

/// Reals of σ = 1 around `mean`, small non-negative integers; the same for the same name.
HostTensor draw(const Node& node, llvm::StringRef name, double mean) {
  HostTensor tensor = HostTensor::zeros(node.type());
  std::mt19937 random(static_cast<unsigned>(std::hash<std::string>()(name.str())));
  std::normal_distribution<double> normal(mean, 1);
  for (double& x : tensor.reals) x = node.type().dtype == DType::kBool ? random() % 2 : normal(random);
  for (int64_t& x : tensor.integers) x = random() % 3;
  return tensor;
}

std::vector<HostTensor> values_of(const Graph& body, double mean) {
  return evaluate(body,
                  [&](const Node& node) {
                    return draw(node, std::to_string(node.attributes.integer("index")), mean);
                  })
      .outputs;
}

double relative_error(const HostTensor& a, const HostTensor& b) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < a.type.elements(); ++i) {
    difference += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i));
    norm += b.at(i) * b.at(i);
  }
  return std::sqrt(difference / std::max(norm, 1e-300));
}

/// Checks all regions offered for a graph; returns the proposers' notes by site.
std::map<std::string, std::vector<std::string>> check_offers(Graph& graph, double mean = 0) {
  std::map<std::string, std::vector<std::string>> notes;
  Proposals proposals = propose_fusions(graph);
  name_sites(proposals.regions);
  for (Region& region : proposals.regions) {
    INFO(region.proposer, ": ", region.note, "\n", region.key);
    CHECK(verify(*region.body) == "");
    CHECK(region.key == print(*region.body));
    // The plain copy of the covered nodes has the same inputs in the same order unless the proposer reordered
    // them.
    Region plain = make_region(region.pattern, region.nodes, "test");
    REQUIRE(plain.inputs == region.inputs);
    REQUIRE(plain.outputs == region.outputs);
    auto expected = values_of(*plain.body, mean), actual = values_of(*region.body, mean);
    for (size_t i = 0; i < expected.size(); ++i) {
      REQUIRE(expected[i].type == actual[i].type);
      CHECK(relative_error(actual[i], expected[i]) <
            1e-5);  // packed values of f32 weights are rounded to f32 once
    }
    notes[region.site].push_back(region.proposer + ": " + region.note);
  }
  CHECK(verify(graph) == "");
  return notes;
}

bool offered(const std::vector<std::string>& notes, llvm::StringRef text) {
  return llvm::any_of(notes, [&](const std::string& note) { return llvm::StringRef(note).contains(text); });
}

const char* const kLlamaLayer = R"(
tenon = 1
[model]
name = "layer"
dtype = "f32"
[dims]
T = "1..64"
[inputs]
x = { shape = [1, "T", 16] }
position = { shape = [], dtype = "i32" }
[weights]
n1 = { shape = [16] }
n2 = { shape = [16] }
wq = { shape = [16, 16] }
wk = { shape = [8, 16] }
wv = { shape = [8, 16] }
wo = { shape = [16, 16] }
gate = { shape = [24, 16] }
up = { shape = [24, 16] }
down = { shape = [16, 24] }
[state]
kc = { shape = [1, 2, 32, 4] }
vc = { shape = [1, 2, 32, 4] }
[graph]
body = [
  'h = rmsnorm(x, n1, eps=1e-5)',
  'q = rope(heads(linear(h, wq), 4), position)',
  'k = rope(heads(linear(h, wk), 2), position)',
  'v = heads(linear(h, wv), 2)',
  'k, v = cache(kc, vc, k, v, position)',
  'a = attention(q, k, v, causal=true, offset=position)',
  'x = x + linear(merge_heads(a), wo)',
  'h = rmsnorm(x, n2, eps=1e-5)',
  'y = x + linear(silu(linear(h, gate)) * linear(h, up), down)',
]
outputs = ["y"]
)";

const char* const kGptLayer = R"(
tenon = 1
[model]
name = "layer"
dtype = "f32"
[inputs]
x = { shape = [1, 5, 16] }
[weights]
g1 = { shape = [16] }
b1 = { shape = [16] }
wa = { shape = [16, 48] }
ba = { shape = [48] }
wo = { shape = [16, 16] }
g2 = { shape = [16] }
b2 = { shape = [16] }
wf = { shape = [16, 64] }
bf = { shape = [64] }
wp = { shape = [64, 16] }
[graph]
body = [
  'q, k, v = split(layernorm(x, g1, b1) @ wa + ba, parts=3, axis=-1)',
  'a = attention(heads(q, 4), heads(k, 4), heads(v, 4), causal=true)',
  'x = x + merge_heads(a) @ wo',
  'm = gelu(layernorm(x, g2, b2) @ wf + bf, approximate="tanh")',
  'y = x + m @ wp',
]
outputs = ["y"]
)";

}  // namespace

TEST_CASE("every region offered for a Llama layer has the values of what it covers") {
  auto graph = build(kLlamaLayer, {{"T", 7}});
  auto notes = check_offers(*graph);
  CHECK(offered(notes["attn.qkv"],
                "fuse_qkv: rmsnorm folded into 3 products as one + head split + rope + cache write"));
  CHECK(offered(notes["attn"], "fuse_attention: attention, heads merged on the way out"));
  CHECK(offered(notes["attn.out"], "product + add"));
  CHECK(offered(notes["mlp.in"], "fuse_gated: rmsnorm folded into two products and their gate"));
  CHECK(offered(notes["mlp.out"], "product + add"));
}

TEST_CASE("every region offered for a GPT layer has the values of what it covers, with large means too") {
  for (double mean : {0.0, 300.0}) {
    auto graph = build(kGptLayer);
    auto notes = check_offers(*graph, mean);
    CHECK(offered(notes["attn.qkv"], "fuse_norm: layernorm folded into the product and its tail"));
    CHECK(offered(notes["mlp.in"], "fuse_norm: layernorm folded into the product and its tail"));
    CHECK(offered(notes["mlp.in"], "product + add + gelu_tanh"));
  }
}

/// The Llama layer's text with other equations for q and k.
std::string with_heads(const std::string& q, const std::string& k, const char* weights = "") {
  std::string text = kLlamaLayer;
  for (const auto& [from, to] :
       {std::pair{std::string("  'q = rope(heads(linear(h, wq), 4), position)',\n"), q},
        {"  'k = rope(heads(linear(h, wk), 2), position)',\n", k},
        {"[state]\n", std::string(weights) + "[state]\n"}})
    text.replace(text.find(from), from.size(), to);
  return text;
}

TEST_CASE("norms of heads join q | k | v, with or without a bias, another eps or another reader") {
  constexpr char kWeights[] = "nq = { shape = [4] }\nnk = { shape = [4] }\nbq = { shape = [16] }\n";
  const std::string plain_k = "  'k = rope(rmsnorm(heads(linear(h, wk), 2), nk, eps=1e-6), position)',\n";
  const std::string folded =
      "fuse_qkv: rmsnorm folded into 3 products as one + head split + head norm + rope + cache write";
  for (const char* q : {"  'q = rope(rmsnorm(heads(linear(h, wq), 4), nq, eps=1e-6), position)',\n",
                        "  'q = rope(rmsnorm(heads(linear(h, wq, bq), 4), nq, eps=1e-3), position)',\n",
                        "  'r = rmsnorm(heads(linear(h, wq), 4), nq)', 'q = rope(r, position) + r',\n"}) {
    auto graph = build(with_heads(q, plain_k, kWeights), {{"T", 7}});
    auto notes = check_offers(*graph);
    CHECK(offered(notes["attn.qkv"], folded));
    // For families that have no whole heads at hand.
    CHECK(offered(notes["attn.qkv"],
                  "fuse_qkv: rmsnorm folded into 3 products as one + head split + cache write"));
    CHECK(offered(notes["attn.qkv"], " + reshape + transpose + rmsnorm + rope"));
  }
}

TEST_CASE("norms of more than a head's elements, or with a weight that the products make, are left out") {
  constexpr char kWeights[] = "nq = { shape = [16] }\nnt = { shape = [4] }\n";
  const std::string plain_k = "  'k = rope(heads(linear(h, wk), 2), position)',\n";
  for (const char* q : {"  'q = rope(heads(rmsnorm(linear(h, wq), nq), 4), position)',\n",
                        "  'q = rope(rmsnorm(heads(linear(h, wq), 4), axis=2), position)',\n",
                        "  'q = rope(layernorm(heads(linear(h, wq), 4), nt), position)',\n"}) {
    auto graph = build(with_heads(q, plain_k, kWeights), {{"T", 7}});
    Proposals proposals = propose_fusions(*graph);
    bool joined = false;
    for (const Region& region : proposals.regions) {
      CHECK(!llvm::StringRef(region.note).contains("head norm"));
      joined |= region.proposer == "fuse_qkv";
      if (region.pattern != Pattern::kProduct) continue;
      const auto is_norm = [](const Node* node) {
        return node->op() == Op::kRmsnorm || node->op() == Op::kLayernorm;
      };
      CHECK(llvm::count_if(region.nodes, is_norm) <= 1);  // the one before the products
    }
    CHECK(joined);
  }
}

TEST_CASE("quantised weights stay in the regions that read them, joined as integers, and take no norm in") {
  std::string text = kLlamaLayer;
  for (llvm::StringRef name : {"wq", "wk", "wv", "wo", "gate", "up", "down"}) {
    const size_t line = text.find("\n" + name.str() + " = ");
    text.insert(text.find(" }", line), ", quant = { scheme = \"int4\", group = 8 }");
  }
  auto graph = build(text, {{"T", 7}});
  auto notes = check_offers(*graph);
  CHECK(offered(notes["attn.qkv"], "fuse_qkv: 3 products as one + head split + rope + cache write"));
  CHECK(offered(notes["mlp.in"], "fuse_gated: two products and their gate in one kernel"));
  Proposals proposals = propose_fusions(*graph);
  for (const Region& region : proposals.regions) {
    CHECK(!llvm::StringRef(region.note).contains("folded"));
    for (const Node* node : region.nodes) CHECK(node->op() != Op::kDequantise);
    if (region.proposer != "fuse_qkv") continue;
    Estimate work;
    count_work(region, work);
    const int64_t x = 7 * 16 * 4, integers = 32 * 16 / 2, scales = 32 * 2 * 4, position = 4;
    CHECK(work.bytes_read == x + integers + scales + position);
  }
  REQUIRE(proposals.near_misses.size() == 2);
  for (const SiteNotFused& miss : proposals.near_misses)
    CHECK(miss.reason == "the product's weight is quantised: its integers cannot take the norm's factors");
}

TEST_CASE("of a quantised table the rows that are asked for count, in the bytes that they have") {
  auto graph = build(R"(
tenon = 1
[model]
dtype = "bf16"
[inputs]
ids = { shape = [3], dtype = "i32" }
[weights]
e = { shape = [50, 64], quant = { scheme = "int4", group = 32 } }
[graph]
body = ['h = embedding(e, ids)']
outputs = ["h"]
)");
  Proposals proposals = propose_fusions(*graph);
  REQUIRE(proposals.regions.size() == 1);
  Estimate work;
  count_work(proposals.regions[0], work);
  CHECK(work.bytes_read == 3 * 4 + 3 * 32 + 3 * 2 * 2);
  CHECK(work.bytes_written == 3 * 64 * 2);
}

TEST_CASE("a norm that something else reads is a near miss that names it") {
  auto graph = build(R"(
tenon = 1
[model]
name = "m"
dtype = "f32"
[inputs]
x = { shape = [3, 8] }
[weights]
w = { shape = [8, 8] }
[graph]
body = ['n = rmsnorm(x)', 'y = n + linear(n, w)']
outputs = ["y"]
)");
  Proposals proposals = propose_fusions(*graph);
  REQUIRE(proposals.near_misses.size() == 1);
  CHECK(proposals.near_misses[0].site == "n");
  CHECK(proposals.near_misses[0].pattern == "norm + product");
  CHECK(
      llvm::StringRef(proposals.near_misses[0].reason).contains("also read by something that is no product"));
}
