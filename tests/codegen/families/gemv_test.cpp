// The gemv family: which products it takes, how it shares them among threads, and the values and text of its
// kernels.
#include "codegen/families/gemv.h"

#include <doctest/doctest.h>

#include "codegen/families/gemm.h"
#include "codegen/families/gemv_configs.h"
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
  Value* linear(Value* x, const char* name, int64_t out, int64_t in) {
    return builder.matmul(x, weight(name, x->type().dtype, {out, in}), false, true);
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
  return tensor;
}

std::string check_all(const Region& region, double tolerance = 0) {
  return check_kernel(gemv_family(), region, {.draw = draw, .all_candidates = true, .tolerance = tolerance});
}

constexpr DType kBf16 = DType::kBF16;

/// q | k | v with rotary positions, k and v written to their caches.
Region qkv(Site& site, int tokens) {
  Value* x = site.input("x", kBf16, {1, Dim(tokens, "T"), 64});
  Value* position = site.input("position", DType::kI32, {});
  Value* y = site.linear(x, "w", 256, 64);
  const auto heads = [&](int64_t from, int64_t count) {
    Value* part = site.builder.slice(y, 2, from, count * 32);
    return site.builder.transpose(site.builder.reshape(part, {1, Dim(tokens, "T"), count, 32}), {0, 2, 1, 3});
  };
  const auto rope = [&](Value* v) { return site.op(Op::kRope, {v, position}, {{"theta", 10000.0}}); };
  Value* q = rope(heads(0, 4));
  q->set_name("q");
  Value* k =
      site.op(Op::kCacheWrite, {site.input("k_cache", kBf16, {1, 2, 24, 32}), rope(heads(128, 2)), position});
  Value* v =
      site.op(Op::kCacheWrite, {site.input("v_cache", kBf16, {1, 2, 24, 32}), heads(192, 2), position});
  return site.region(Pattern::kProduct, {q, k, v});
}

/// Heads of a product's columns, [1, T, n] to [1, n / head, T, head].
Value* heads_of(Site& site, Value* columns, int64_t head) {
  const Dim tokens = columns->type().shape[1], count = Dim(columns->type().shape[2].extent() / head);
  return site.builder.transpose(site.builder.reshape(columns, {1, tokens, count, Dim(head)}), {0, 2, 1, 3});
}
Value* head_norm(Site& site, Value* heads, Value* weight, double eps = 1e-6) {
  return site.op(Op::kRmsnorm, {heads, weight}, {{"eps", eps}, {"axis", Dim(-1)}, {"weight", true}});
}

/// q | k | v behind the row's norm, heads of q and k normalised and turned, k and v written to their caches.
Region normed_qkv(Site& site, int tokens, DType type, int64_t head) {
  Value* x = site.input("x", type, {1, Dim(tokens, "T"), 96});
  Value* position = site.input("position", DType::kI32, {});
  Value* n = site.op(Op::kRmsnorm, {x, site.weight("gamma", type, {96})},
                     {{"eps", 1e-6}, {"axis", Dim(-1)}, {"weight", true}});
  Value* y = site.linear(n, "w", 5 * head, 96);
  const auto heads = [&](int64_t from, int64_t count) {
    return heads_of(site, site.builder.slice(y, 2, from * head, count * head), head);
  };
  const auto turned = [&](Value* part, const char* weight, double eps) {
    Value* normed = head_norm(site, part, site.weight(weight, type, {head}), eps);
    return site.op(Op::kRope, {normed, position}, {{"theta", 10000.0}});
  };
  Value* q = turned(heads(0, 3), "norm_q", 1e-6);
  q->set_name("q");
  const auto cached = [&](const char* cache, Value* rows) {
    return site.op(Op::kCacheWrite, {site.input(cache, type, {1, 1, 24, head}), rows, position});
  };
  Value *k = cached("k_cache", turned(heads(3, 1), "norm_k", 1e-5)), *v = cached("v_cache", heads(4, 1));
  Region region = site.region(Pattern::kProduct, {q, k, v});
  REQUIRE(fold_norm(*region.body) == "");
  seal(region);
  return region;
}

Region gated(Site& site, Dim tokens, DType type, int64_t f, int64_t d) {
  Value* x = site.input("x", type, {tokens, d});
  Value *gate = site.linear(x, "gate", f, d), *up = site.linear(x, "up", f, d);
  Value* y = site.op(Op::kMul, {site.op(Op::kSilu, {gate}), up});
  y->set_name("h");
  return site.region(Pattern::kGated, {y});
}

Candidate best_of(const std::vector<Candidate>& all) {
  const Candidate* best = nullptr;
  for (const Candidate& candidate : all)
    if (candidate.why_not.empty() && (!best || candidate.estimate.us < best->estimate.us)) best = &candidate;
  REQUIRE(best);
  return *best;
}

}  // namespace

TEST_CASE("few rows: every candidate gives the right values, of every extent and alignment") {
  struct Case {
    int64_t m, n, k;
    DType type;
    bool out_in;
  };
  for (const Case& c : {Case{1, 40, 1024, kBf16, true},
                        {3, 17, 896, DType::kF16, true},
                        {1, 33, 97, kBf16, true},
                        {16, 40, 264, kBf16, true},
                        {2, 24, 100, DType::kF32, true},
                        {1, 72, 520, kBf16, false},
                        {9, 64, 136, DType::kF16, false},
                        {2, 33, 50, DType::kF32, false},
                        {1, 1, 1, kBf16, true},
                        {4, 5, 0, kBf16, true}}) {
    INFO(c.m, " x ", c.n, " x ", c.k);
    Site site;
    Value* x = site.input("x", c.type, {Dim(c.m, "T"), c.k});
    Value* w = site.weight("w", c.type, c.out_in ? Shape{c.n, c.k} : Shape{c.k, c.n});
    check_all(site.region(Pattern::kProduct, {site.builder.matmul(x, w, false, c.out_in)}),
              c.type == DType::kF32 ? 2e-6 : 0);
  }
}

TEST_CASE("products with vectors follow NumPy's rules") {
  struct Case {
    Shape a, b;
  };
  for (const Case& c : {Case{{40}, {40}},
                        {{40}, {40, 24}},
                        {{24, 40}, {40}},
                        {{3, 40}, {2, 40, 24}},
                        {{40}, {2, 40, 24}},
                        {{2, 3, 24, 40}, {40}}})
    for (const EmittingFamily* family : {&gemv_family(), &gemm_family()}) {
      if (family == &gemm_family() && c.a.size() * c.b.size() > 1 && c.a.size() + c.b.size() == 2) continue;
      Site site;
      Value *a = site.input("a", DType::kF32, c.a), *b = site.input("b", DType::kF32, c.b);
      check_kernel(*family, site.region(Pattern::kProduct, {site.builder.matmul(a, b)}), {.tolerance = 2e-6});
    }
}

TEST_CASE("a gate is one short kernel") {
  Site site;
  const Region region = gated(site, Dim(1, "T"), kBf16, 96, 512);
  check_all(region);
  check_golden("gemv_gated", check_kernel(gemv_family(), region, {.config = "1x8/"}));
  Site rows;
  check_all(gated(rows, Dim(11, "T"), kBf16, 40, 72));
}

TEST_CASE("q, k and v are turned and cached by blocks that hold both halves of a head's columns") {
  Site one;
  const Region region = qkv(one, 1);
  check_all(region);
  check_golden("gemv_qkv", check_kernel(gemv_family(), region, {.draw = draw, .config = "1x"}));
  Site more;
  check_all(qkv(more, 5));
}

TEST_CASE("heads of q and k are normalised by blocks that hold them whole, whatever their size") {
  Site one;
  const Region region = normed_qkv(one, 1, kBf16, 64);
  check_all(region, 0.02);  // to what the heads' rounding before their norm leaves
  check_golden("gemv_head_norm",
               check_kernel(gemv_family(), region, {.draw = draw, .config = "1x64/", .tolerance = 0.02}));
  struct Case {
    DType type;
    int tokens;
    int64_t head;
    bool all;
  };
  for (const Case& c : {Case{kBf16, 3, 24, true},
                        {DType::kF16, 12, 128, false},
                        {DType::kF32, 5, 24, false},
                        {kBf16, 1, 80, false}}) {
    INFO(c.tokens, " rows, heads of ", c.head);
    Site site;
    check_kernel(gemv_family(), normed_qkv(site, c.tokens, c.type, c.head),
                 {.draw = draw, .all_candidates = c.all, .tolerance = c.type == DType::kF32 ? 1e-5 : 0.02});
  }
}

TEST_CASE("what becomes of a head before and after its norm is the epilogue's too") {
  Site site;  // a bias before; what was normalised is stored beside the result; odd heads; no weight
  Value* x = site.input("x", DType::kF32, {1, Dim(3, "T"), 40});
  Value* y = site.op(Op::kAdd, {site.linear(x, "w", 35, 40), site.weight("b", DType::kF32, {35})});
  Value* heads = heads_of(site, y, 7);
  Value* n = site.op(Op::kRmsnorm, {heads}, {{"eps", 1e-3}, {"axis", Dim(-1)}});
  check_all(site.region(Pattern::kProduct, {heads, site.op(Op::kSilu, {n}),
                                            head_norm(site, heads, site.weight("g", DType::kF32, {7}))}),
            1e-5);
}

TEST_CASE("norms of heads that an epilogue cannot take are refused with the reason") {
  const auto refusal = [](llvm::function_ref<llvm::SmallVector<Value*, 2>(Site&, Value*)> body) {
    Site site;
    Value* y = site.linear(site.input("x", kBf16, {1, 2, 64}), "w", 128, 64);
    const Region region = site.region(Pattern::kProduct, body(site, y));
    return gemv_family().refuses(region, {find_target("h200")});
  };
  using Values = llvm::SmallVector<Value*, 2>;
  const auto weight = [](Site& site, const char* name, int64_t head) {
    return site.weight(name, kBf16, {head});
  };
  CHECK(refusal([&](Site& site, Value* y) {
          Value* part = site.builder.slice(heads_of(site, y, 32), 3, 0, 16);
          return Values{head_norm(site, part, weight(site, "g", 16))};
        }) == "slice is not of the product's columns");
  CHECK(refusal([&](Site& site, Value* y) {
          Value* whole = heads_of(site, site.builder.slice(y, 2, 16, 64), 32);
          return Values{head_norm(site, whole, weight(site, "g", 32))};
        }) == "rmsnorm begins inside a head");
  CHECK(refusal([&](Site& site, Value* y) {
          Value* q = heads_of(site, site.builder.slice(y, 2, 0, 64), 32);
          Value* k = heads_of(site, site.builder.slice(y, 2, 64, 64), 16);
          return Values{head_norm(site, q, weight(site, "g", 32)), head_norm(site, k, weight(site, "h", 16))};
        }) == "rmsnorm is of heads of 16 beside heads of 32");
  CHECK(refusal([&](Site& site, Value* y) {
          Value* heads = heads_of(site, y, 32);
          return Values{
              head_norm(site, head_norm(site, heads, weight(site, "g", 32)), weight(site, "h", 32))};
        }) == "rmsnorm is of heads that were normalised before");
  CHECK(refusal([&](Site& site, Value* y) {
          Value* heads = heads_of(site, y, 32);
          return Values{head_norm(site, heads, weight(site, "g", 32)),
                        head_norm(site, site.op(Op::kSilu, {heads}), weight(site, "h", 32))};
        }) == "rmsnorm is the second of the same columns, of other values");
  CHECK(refusal([&](Site& site, Value* y) {
          return Values{site.op(Op::kRmsnorm, {heads_of(site, y, 32)}, {{"eps", 1e-6}, {"axis", Dim(-2)}})};
        }) == "rmsnorm spans more than a head's elements");
}

TEST_CASE("a norm folded into a product of few rows takes its statistics on the way, in f32 too") {
  for (const Op norm : {Op::kRmsnorm, Op::kLayernorm})
    for (const DType type : {kBf16, DType::kF32})
      for (const int64_t tokens : {1, 6}) {
        Site site;
        Value* x = site.input("x", type, {Dim(tokens, "T"), 200});
        Value *gamma = site.weight("gamma", type, {200}), *beta = site.weight("beta", type, {200});
        Value* n = norm == Op::kRmsnorm
                       ? site.op(norm, {x, gamma}, {{"eps", 1e-5}, {"axis", Dim(-1)}, {"weight", true}})
                       : site.op(norm, {x, gamma, beta},
                                 {{"eps", 1e-5}, {"axis", Dim(-1)}, {"weight", true}, {"bias", true}});
        Region region = site.region(Pattern::kProduct, {site.linear(n, "w", 72, 200)});
        REQUIRE(fold_norm(*region.body) == "");
        seal(region);
        check_all(region, type == DType::kF32 ? 1e-5 : 0);
      }
}

TEST_CASE("elementwise ops before a product of few rows are its head") {
  Site site;
  const Dim tokens(6, "T");
  Value* gate = site.input("gate", kBf16, {tokens, 72});
  Value* h = site.op(Op::kMul, {site.op(Op::kSilu, {gate}), site.input("up", kBf16, {tokens, 72})});
  h = site.op(Op::kAdd, {h, site.input("shift", kBf16, {tokens, 1})});
  check_all(site.region(Pattern::kProduct, {site.builder.matmul(h, site.weight("w", kBf16, {72, 40}))}),
            0.02);
}

TEST_CASE("more than 16 rows are refused") {
  Site site;
  Value* x = site.input("x", kBf16, {17, 64});
  const Region region = site.region(Pattern::kProduct, {site.linear(x, "w", 64, 64)});
  CHECK(gemv_family().refuses(region, {find_target("h200")}) ==
        "matmul of 17 rows: at most 16 are streamed past");
}

TEST_CASE("one row is streamed by multiply-adds at the rate of memory, more by tensor cores") {
  const Target target{find_target("h200")};
  for (int64_t m : {1, 2, 8, 16}) {
    Site site;
    const Region region =
        site.region(Pattern::kProduct, {site.linear(site.input("x", kBf16, {m, 2048}), "w", 2048, 2048)});
    const Candidate best = best_of(gemv_family().candidates(region, target));
    INFO(m, " rows: ", best.config, " ", best.estimate.us);
    CHECK(best.estimate.us < best_of(gemm_family().candidates(region, target)).estimate.us);
    CHECK(llvm::StringRef(best.config).startswith("mma") == (m >= 8));
    const double floor =
        double(best.estimate.bytes_read) / (target.card.dram_gb_s * target.card.dram_efficiency * 1e3);
    CHECK(best.estimate.us > target.card.launch_us + floor);
    CHECK(best.estimate.us < target.card.launch_us + floor + 1.5);
  }
}

TEST_CASE("a thread's loads fit its registers, and small products spread over the card") {
  const Target target{find_target("h200")};
  for (int64_t k : {896, 2048, 4864, 8192})
    for (int64_t n : {896, 8192}) {
      Site site;
      const Region region =
          site.region(Pattern::kProduct, {site.linear(site.input("x", kBf16, {1, k}), "w", n, k)});
      const auto choice =
          std::any_cast<GemvChoice>(best_of(gemv_family().candidates(region, target)).details);
      CHECK(gemv_registers(choice.config, 8 * choice.config.element_bytes) <= 200);
      CHECK(choice.tiles * choice.config.slices >= 0.8 * target.card.sms);
    }
}
