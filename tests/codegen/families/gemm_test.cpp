// The gemm family: which regions it takes, what it proposes, and the values and text of its kernels.
#include "codegen/families/gemm.h"
#include "codegen/families/gemv.h"

#include <doctest/doctest.h>

#include <cmath>

#include "codegen/families/cublaslt.h"
#include "codegen/families/gemm_configs.h"
#include "passes/passes.h"
#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

/// A graph under construction, and the region over all its computing nodes.
struct Site {
  Graph graph;
  Builder builder{graph};

  Value* input(const char* name, DType type, Shape shape) {
    return builder.source(Op::kInput, name, {type, std::move(shape)});
  }
  Value* weight(const char* name, DType type, Shape shape) {
    return builder.source(Op::kWeight, name, {type, std::move(shape)});
  }
  Value* op(Op what, llvm::ArrayRef<Value*> operands, Attributes attributes = {}) {
    return builder.make(what, operands, std::move(attributes));
  }

  Region region(Pattern pattern, llvm::ArrayRef<Value*> outputs) {
    for (Value* output : outputs) graph.add_output(output->name().empty() ? "y" : output->name(), output);
    return region_of(graph, pattern);
  }
};

/// Positions are small and not negative.
HostTensor draw(llvm::StringRef name, const Type& type) {
  HostTensor tensor = draw_normal(name, type);
  for (int64_t& x : tensor.integers) x = (x + 12) % 12;
  if (name == "pages")  // of a pool of 12, each in one place of the table
    for (size_t i = 0; i < tensor.integers.size(); ++i) tensor.integers[i] = static_cast<int64_t>(i * 5 % 12);
  if (name == "straddling") tensor.integers = {13, 31};  // two rows whose tokens lie on two pages
  return tensor;
}

/// Runs the candidates whose config begins so, and gives the source of the last.
std::string check(const Region& region, const char* config, double tolerance = 0) {
  return check_kernel(gemm_family(), region, {.draw = draw, .config = config, .tolerance = tolerance});
}

constexpr DType kBf16 = DType::kBF16;

Region ffn(Site& site, Dim tokens) {
  Value* x = site.input("x", kBf16, {tokens, 64});
  Value* h = site.builder.matmul(x, site.weight("w1", kBf16, {64, 96}));
  h->set_name("h");
  Value* b = site.op(Op::kAdd, {h, site.weight("b1", kBf16, {96})});
  b->set_name("b");
  Value* y = site.op(Op::kGeluTanh, {b});
  y->set_name("y");
  return site.region(Pattern::kProduct, {y});
}

}  // namespace

TEST_CASE("matmul + bias + gelu is one readable kernel with the right values") {
  Site site;
  check_golden("gemm_bias_gelu", check(ffn(site, Dim(70, "T")), "64x64"));
}

TEST_CASE("every tile of the menu gives the right values") {
  Site site;
  Value* x = site.input("x", kBf16, {200, 320});
  Region region = site.region(Pattern::kProduct,
                              {site.builder.matmul(x, site.weight("w", kBf16, {264, 320}), false, true)});
  check_kernel(gemm_family(), region, {.all_candidates = true});
  Site f32;
  Value* a = f32.input("a", DType::kF32, {130, 20});
  region = f32.region(Pattern::kProduct, {f32.builder.matmul(a, f32.weight("w", DType::kF32, {20, 136}))});
  check_kernel(gemm_family(), region, {.all_candidates = true, .tolerance = 2e-6});
}

TEST_CASE("a product may be transposed, batched, broadcast, unaligned or empty of terms") {
  struct Case {
    Shape a, b;
    bool transpose_a, transpose_b;
    DType type;
    const char* config;
  };
  const Case cases[] = {{{33, 40}, {40, 24}, false, false, kBf16, "64x64"},
                        {{40, 33}, {24, 40}, true, true, kBf16, "64x64"},
                        {{37, 5}, {37, 3}, true, false, DType::kF16, "32x64"},
                        {{2, 3, 17, 16}, {2, 3, 16, 9}, false, false, kBf16, "32x64"},
                        {{2, 3, 17, 16}, {3, 9, 16}, false, true, kBf16, "32x64"},
                        {{2, 5, 16}, {16, 8}, false, false, kBf16, "16x64"},
                        {{2, 16, 5}, {1, 16, 8}, true, false, kBf16, "32x64"},
                        {{1, 1}, {1, 1}, false, false, kBf16, "16x64"},
                        {{3, 0}, {0, 5}, false, false, kBf16, "16x64"},
                        {{1, 2048}, {2048, 48}, false, false, kBf16, "16x128"},
                        {{65, 33}, {33, 17}, false, false, DType::kF32, "64x64"},
                        {{3, 20, 12}, {3, 7, 20}, true, true, DType::kF32, "16x64"}};
  for (const Case& c : cases) {
    Site site;
    Value* a = site.input("a", c.type, c.a);
    Value* b = site.input("b", c.type, c.b);
    check(site.region(Pattern::kProduct, {site.builder.matmul(a, b, c.transpose_a, c.transpose_b)}), c.config,
          c.type == DType::kF32 ? 2e-6 : 0);
  }
}

TEST_CASE("movement of an operand becomes strides") {
  Site site;  // q k^T of heads that still lie as the projections left them
  const auto heads = [&](const char* name) {
    Value* x = site.builder.reshape(site.input(name, kBf16, {2, Dim(19, "T"), 48}), {2, Dim(19, "T"), 3, 16});
    return site.builder.transpose(x, {0, 2, 1, 3});
  };
  Value *q = heads("q"), *k = heads("k");
  Value* scores =
      site.op(Op::kMul, {site.builder.matmul(q, k, false, true), site.builder.constant(0.25, kBf16)});
  check(site.region(Pattern::kProduct, {scores}), "32x64");
}

TEST_CASE("a tail reads columns, rows and whole matrices, and writes several outputs of several types") {
  Site site;
  const Dim tokens(37, "T");
  Value* h = site.builder.matmul(site.input("x", kBf16, {2, tokens, 32}), site.weight("w", kBf16, {40, 32}),
                                 false, true);
  Value* residual = site.op(Op::kAdd, {h, site.input("residual", kBf16, {2, tokens, 40})});
  Value* scaled = site.op(Op::kMul, {residual, site.input("row_scale", kBf16, {tokens, 1})});
  Value* kept = site.op(
      Op::kWhere, {site.input("keep", DType::kBool, {2, 1, 40}), scaled, site.builder.constant(0, kBf16)});
  Value* wide = site.builder.cast(kept, DType::kF32);
  Value* turned = site.builder.transpose(site.op(Op::kNeg, {h}), {0, 2, 1});
  check(site.region(Pattern::kProduct, {residual, wide, turned}), "64x64");
}

TEST_CASE("heads are normalised by tiles that hold them whole") {
  struct Case {
    DType type;
    int64_t head, k;
  };
  for (const Case& c : {Case{kBf16, 64, 96}, {kBf16, 32, 1024}, {DType::kF32, 16, 40}, {kBf16, 48, 64}}) {
    INFO("heads of ", c.head);
    Site site;
    const Dim tokens(37, "T");
    Value* y = site.builder.matmul(site.input("x", c.type, {1, tokens, c.k}),
                                   site.weight("w", c.type, {3 * c.head, c.k}), false, true);
    y = site.op(Op::kAdd, {y, site.weight("b", c.type, {3 * c.head})});
    Value* heads = site.builder.transpose(site.builder.reshape(y, {1, tokens, 3, c.head}), {0, 2, 1, 3});
    Value* q = site.op(Op::kRmsnorm, {heads, site.weight("g", c.type, {c.head})},
                       {{"eps", 1e-6}, {"axis", Dim(-1)}, {"weight", true}});
    Value* turned = site.op(Op::kRope, {q, site.input("position", DType::kI32, {})}, {{"theta", 10000.0}});
    const Region region = site.region(Pattern::kProduct, {turned});
    if (64 % c.head == 0) {
      check_kernel(gemm_family(), region,
                   {.all_candidates = true, .tolerance = c.type == DType::kF32 ? 1e-5 : 0.02});
      continue;
    }
    for (const Candidate& candidate : gemm_family().candidates(region, {find_target("h200")}))
      CHECK(llvm::StringRef(candidate.why_not).endswith("columns cut heads of 48"));
  }
}

TEST_CASE("elementwise ops before a product are its head") {
  Site site;
  const Dim tokens(21, "T");
  Value* gate = site.input("gate", kBf16, {tokens, 72});
  Value* h = site.op(Op::kMul, {site.op(Op::kSilu, {gate}), site.input("up", kBf16, {tokens, 72})});
  h = site.op(Op::kMul, {h, site.weight("scale", kBf16, {72})});
  h = site.op(Op::kAdd, {h, site.input("shift", kBf16, {tokens, 1})});
  Value* y = site.builder.matmul(h, site.weight("w", kBf16, {72, 40}));
  Region region = site.region(Pattern::kProduct, {site.op(Op::kRelu, {y})});
  check_golden("gemm_head",
               check(region, "32x128", 0.02));  // the head is rounded on its way to shared memory
}

TEST_CASE("a head over one element a row is spread over its chunk") {
  Site site;
  Value* h = site.op(Op::kExp, {site.input("x", kBf16, {Dim(21, "T"), 1})});
  Value* y = site.builder.matmul(h, site.weight("w", kBf16, {1, 40}));
  const Region region = site.region(Pattern::kProduct, {y});
  CHECK(check(region, "32x128", 0.02).find("return splat<8>(cast<bf16>(") != std::string::npos);
}

TEST_CASE("a norm folded into a product takes its statistics from the tiles") {
  for (const Op norm : {Op::kRmsnorm, Op::kLayernorm}) {
    Site site;
    const Dim tokens(45, "T");
    Value* x = site.input("x", kBf16, {tokens, 200});
    Value *gamma = site.weight("gamma", kBf16, {200}), *beta = site.weight("beta", kBf16, {200});
    Value* n = norm == Op::kRmsnorm
                   ? site.op(norm, {x, gamma}, {{"eps", 1e-5}, {"axis", Dim(-1)}, {"weight", true}})
                   : site.op(norm, {x, gamma, beta},
                             {{"eps", 1e-5}, {"axis", Dim(-1)}, {"weight", true}, {"bias", true}});
    Value* y = site.builder.matmul(n, site.weight("w", kBf16, {72, 200}), false, true);
    Region region = site.region(Pattern::kProduct, {site.op(Op::kAdd, {y, site.weight("b", kBf16, {72})})});
    REQUIRE(fold_norm(*region.body) == "");
    seal(region);
    check(region, "16x128");
    check_golden(norm == Op::kRmsnorm ? "gemm_rmsnorm" : "gemm_layernorm", check(region, "64x64"));
  }
}

TEST_CASE("statistics of rows are summed over the slices of k") {
  Site site;
  Value* x = site.input("x", kBf16, {Dim(7, "T"), 1024});
  Value* n = site.op(Op::kLayernorm, {x}, {{"eps", 1e-5}, {"axis", Dim(-1)}});
  Region region = site.region(Pattern::kProduct,
                              {site.builder.matmul(n, site.weight("w", kBf16, {72, 1024}), false, true)});
  REQUIRE(fold_norm(*region.body) == "");
  seal(region);
  Target target;
  target.card = find_target("h200");
  bool split = false;
  for (const Candidate& candidate : gemm_family().candidates(region, target))
    split |= candidate.why_not.empty() && llvm::StringRef(candidate.config).contains("split");
  CHECK(split);
  check_kernel(gemm_family(), region, {.draw = draw, .all_candidates = true});
}

TEST_CASE("two products and their gate are one kernel") {
  Site site;
  Value* x = site.input("x", kBf16, {Dim(50, "T"), 64});
  Value* gate = site.builder.matmul(x, site.weight("wg", kBf16, {80, 64}), false, true);
  Value* up = site.builder.matmul(x, site.weight("wu", kBf16, {80, 64}), false, true);
  Region region = site.region(Pattern::kGated, {site.op(Op::kMul, {site.op(Op::kSilu, {gate}), up})});
  check_golden("gemm_gated", check(region, "64x64"));
}

namespace {

/// q | k | v of 4 and 2 heads of `d`, split into heads, q and k turned, k and v written to caches; with `pages`, to
/// pools of pages.
Region qkv(Site& site, Dim tokens, int64_t d, const Attributes& rope, Shape position_shape, bool per_row,
           DType type = kBf16, Value* pages = nullptr) {
  const int64_t width = 64, heads = 4, kv = 2;
  Value* x = site.input("x", type, {2, tokens, width});
  Value* position = site.input("position", DType::kI32, position_shape);
  Value* write_at = pages     ? site.input("straddling", DType::kI32, {2})
                    : per_row ? site.input("write_at", DType::kI64, {2})
                              : position;
  const auto split = [&](const char* name, int64_t n) {
    Value* y = site.builder.matmul(x, site.weight(name, type, {n * d, width}), false, true);
    y = site.op(Op::kAdd, {y, site.weight((std::string("b") + name).c_str(), type, {n * d})});
    y = site.builder.reshape(y, {2, tokens, Dim(n), Dim(d)});
    y = site.builder.transpose(y, {0, 2, 1, 3});
    return y;
  };
  const auto turned = [&](Value* y) {
    llvm::SmallVector<Value*, 3> operands{y, position};
    if (rope.flag("frequencies")) operands.push_back(site.weight("frequencies", DType::kF32, {Dim(d / 2)}));
    return site.op(Op::kRope, operands, rope);
  };
  const auto cached = [&](const char* name, Value* y) {
    if (pages)
      return site.op(Op::kCacheWrite, {site.input(name, type, {12, Dim(kv), 16, Dim(d)}), y, write_at, pages},
                     {{"pages", true}});
    return site.op(Op::kCacheWrite, {site.input(name, type, {2, Dim(kv), 24, Dim(d)}), y, write_at});
  };
  Value* q = turned(split("q", heads));
  Value* k = cached("k_cache", turned(split("k", kv)));
  Value* v = cached("v_cache", split("v", kv));
  Region region = site.region(Pattern::kProduct, {q, k, v});
  join_products(*region.body);
  seal(region);
  return region;
}

}  // namespace

TEST_CASE(
    "slices of different columns of a product that meet are refused: their elements lie in different tiles") {
  Site site;
  Value* p = site.builder.matmul(site.input("x", kBf16, {16, 64}), site.weight("w", kBf16, {64, 128}));
  Value* gate = site.builder.slice(p, 1, 0, 64);
  Value* up = site.builder.slice(p, 1, 64, 64);
  Region region = site.region(Pattern::kProduct, {site.op(Op::kMul, {gate, up})});
  CHECK(llvm::StringRef(gemm_family().refuses(region, {})).contains("joins elements of different places"));
}

TEST_CASE("columns before a split count from the product's own first column") {
  Site site;
  Value* p =
      site.builder.matmul(site.input("x", kBf16, {Dim(40, "T"), 64}), site.weight("w", kBf16, {64, 192}));
  Value* biased = site.op(Op::kAdd, {p, site.weight("b", kBf16, {192})});
  Value* second = site.builder.slice(biased, 1, 64, 64);
  Value* own = site.op(Op::kMul, {second, site.weight("s", kBf16, {64})});
  Value* third = site.builder.reshape(site.builder.slice(biased, 1, 128, 64), {1, Dim(40, "T"), 2, 32});
  Value* heads = site.builder.transpose(third, {0, 2, 1, 3});
  Value* turned = site.op(Op::kRope, {heads, site.builder.source(Op::kInput, "position", {DType::kI32, {}})});
  check(site.region(Pattern::kProduct, {site.builder.slice(biased, 1, 0, 64), own, turned}), "64x64");
}

TEST_CASE(
    "q, k and v are one product whose segments are turned, split into heads and written to the caches") {
  Site halves, interleaved, partial, rows, table, exact;
  check_golden("gemm_qkv", check(qkv(halves, Dim(7, "T"), 32, {{"theta", 10000.0}}, {}, false), "32x128"));
  check(qkv(interleaved, 5, 16, {{"theta", 500.0}, {"interleaved", true}, {"scale", 1.5}}, {2, 5}, true),
        "32x64");
  check(qkv(partial, 5, 32, {{"theta", 500.0}, {"rotary_dim", Dim(16)}}, {5}, true), "32x64");
  check(qkv(rows, 1, 64, {{"theta", 500.0}}, {2, 1}, true), "16x64");
  check(qkv(table, 9, 32, {{"frequencies", true}}, {2, 9}, true, DType::kF16), "32x64", 0x1p-9);
  check(qkv(exact, 5, 32, {{"theta", 500.0}}, {}, false, DType::kF32), "32x64", 1e-5);
}

TEST_CASE("new keys and values go to the pages that the table names, and nowhere else") {
  Site site, wide;
  Value* table = site.input("pages", DType::kI32, {2, 3});
  check_golden("gemm_paged_qkv",
               check(qkv(site, Dim(7, "T"), 32, {{"theta", 500.0}}, {}, false, kBf16, table), "32x64"));
  // A table may be a part of a wider one.
  Value* part = wide.builder.slice(wide.input("pages", DType::kI64, {2, 5}), 1, 1, 3);
  check(qkv(wide, 2, 64, {{"theta", 500.0}}, {}, false, DType::kF32, part), "32x64", 1e-5);
}

TEST_CASE("what the family cannot do is refused with the op in the way") {
  Target target;
  target.card = find_target("h200");
  const auto refusal = [&](Site& site, Value* output) {
    return gemm_family().refuses(site.region(Pattern::kProduct, {output}), target);
  };
  const auto product = [](Site& site) {
    return site.builder.matmul(site.input("x", kBf16, {16, 32}), site.weight("w", kBf16, {32, 24}));
  };
  Site reduced, uneven, turned, softmax;
  CHECK(refusal(reduced, reduced.builder.reduce(Op::kSum, product(reduced), {1}, false)) ==
        "sum cannot join a product's epilogue");
  CHECK(refusal(uneven, uneven.builder.reshape(product(uneven), {24, 16})) ==
        "reshape to bf16[24, 16] cuts an axis unevenly");
  Value* square =
      turned.builder.matmul(turned.input("x", kBf16, {16, 32}), turned.weight("w", kBf16, {32, 16}));
  CHECK(refusal(turned, turned.op(Op::kAdd, {square, turned.builder.transpose(square, {1, 0})})) ==
        "add joins elements of different places");
  CHECK(refusal(softmax, softmax.op(Op::kSoftmax, {product(softmax)}, {{"axis", Dim(-1)}})) ==
        "softmax cannot join a product's epilogue");
}

namespace {

std::vector<Candidate> candidates_of(int64_t m, int64_t n, int64_t k, const char* card, DType type = kBf16) {
  Site site;
  Value* x = site.input("x", type, {m, k});
  Target target;
  target.card = find_target(card);
  return gemm_family().candidates(
      site.region(Pattern::kProduct, {site.builder.matmul(x, site.weight("w", type, {n, k}), false, true)}),
      target);
}

const Candidate& cheapest(const std::vector<Candidate>& candidates) {
  const Candidate* best = nullptr;
  for (const Candidate& c : candidates)
    if (c.why_not.empty() && (!best || c.estimate.us < best->estimate.us)) best = &c;
  REQUIRE(best);
  return *best;
}

}  // namespace

TEST_CASE("large products take large tiles, few rows take small ones with the sum split") {
  CHECK(cheapest(candidates_of(8192, 8192, 4096, "a100")).config.substr(0, 7) == "128x256");
  const std::string decode = cheapest(candidates_of(1, 4096, 4096, "h200")).config;
  CHECK(decode.substr(0, 3) == "16x");
  CHECK(cheapest(candidates_of(16, 512, 8192, "h200")).config.find("split") != std::string::npos);
  CHECK(cheapest(candidates_of(8192, 8192, 4096, "h200")).config.find("split") == std::string::npos);
}

TEST_CASE("every candidate fits its card or says why not") {
  for (const char* name : {"a100", "l4", "rtx4090", "h100", "h200", "b200", "rtx5090"}) {
    const Card& card = find_target(name);
    for (DType type : {kBf16, DType::kF32})
      for (const Candidate& c : candidates_of(1000, 1000, 1000, name, type)) {
        INFO(name, " ", c.config, " ", c.why_not);
        CHECK(c.why_not == "");
        CHECK(c.estimate.us > card.launch_us);
        for (const CostTerm& term : c.estimate.terms) CHECK(std::isfinite(term.us));
      }
  }
}

TEST_CASE("terms follow the problem: arithmetic by flops, DRAM by bytes, waves by what is left unfilled") {
  const auto term = [](const Candidate& candidate, llvm::StringRef name) {
    for (const CostTerm& t : candidate.estimate.terms)
      if (t.name == name) return t.us;
    return -1.0;
  };
  const auto of_tile = [](const std::vector<Candidate>& all, llvm::StringRef config) {
    for (const Candidate& c : all)
      if (llvm::StringRef(c.config).startswith(config)) return c;
    return Candidate();
  };
  const Candidate one = of_tile(candidates_of(2048, 4096, 4096, "h200"), "128x256"),
                  two = of_tile(candidates_of(4096, 4096, 4096, "h200"), "128x256");
  CHECK(term(two, "arithmetic") == doctest::Approx(2 * term(one, "arithmetic")));
  CHECK(term(one, "DRAM") ==
        doctest::Approx((2048 * 4096 + 4096 * 4096 + 2048 * 4096) * 2 / (4800e3 * 0.87)));
  // 2048 x 4096 in tiles of 128 x 256 are 256 blocks, 2 rounds on 132 SMs: 97 % filled.
  CHECK(term(one, "waves") == doctest::Approx((264.0 / 256 - 1) * term(one, "arithmetic")).epsilon(0.01));
}

TEST_CASE("the model knows two fusions that are known to lose") {
  // A tiled product of one row, 896 x 896, does not beat the one that streams its weight.
  Site site;
  Value* x = site.input("x", kBf16, {1, 896});
  const Region region = site.region(
      Pattern::kProduct, {site.builder.matmul(x, site.weight("w", kBf16, {896, 896}), false, true)});
  Target target;
  for (const Card& card : cards()) {
    INFO(card.name);
    target.card = card;
    const Candidate streamed = cheapest(gemv_family().candidates(region, target));
    CHECK(cheapest(gemm_family().candidates(region, target)).estimate.us > streamed.estimate.us);
  }
  target.card = find_target("h200");

  // One block that walks all of K reads DRAM at a fraction of its rate: without slices a batch-1 MLP is slower, however much it fuses.
  ProductProblem problem;
  REQUIRE(analyse_product(region, problem) == "");
  GemmChoice choice{.config = {.block_m = 16, .block_n = 128, .block_k = 64, .part_m = 16, .part_n = 32},
                    .tiles = 7};
  const double whole = estimate_gemm(problem, choice, region, target).us;
  choice.config.slices = 4;
  CHECK(estimate_gemm(problem, choice, region, target).us < whole);
}
