// Tests of codegen/families/attention*.cpp: kernels against the f64 evaluator, what is refused, what costs
// say.
#include "codegen/families/attention.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "codegen/families/attention_config.h"
#include "tests/codegen/families/attention_site.h"

namespace tenon {
namespace {

using namespace attention_site;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The family with the configs alone that begin with `prefix`.
class Only : public EmittingFamily {
 public:
  explicit Only(std::string prefix) : prefix_(std::move(prefix)) {}
  llvm::StringRef name() const override { return "attention"; }
  std::string refuses(const Region& region, const Target& target) const override {
    return attention_family().refuses(region, target);
  }
  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    auto all = attention_family().candidates(region, target);
    llvm::erase_if(all, [&](const Candidate& c) { return !llvm::StringRef(c.config).startswith(prefix_); });
    CHECK(!all.empty());
    return all;
  }
  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override {
    return attention_family().emit(region, candidate, target, name);
  }

 private:
  std::string prefix_;
};

Region plain(AttentionGraph& model, DType dtype, Dim batch, int heads, int kv_heads, Dim queries, Dim keys,
             int d, Attributes attributes) {
  return Problem{dtype, batch, heads, kv_heads, queries, keys, d, d, std::move(attributes)}.region(model);
}

TEST_CASE("heads of a joined product are read in place and written merged") {
  AttentionGraph model;
  const int heads = 4, d = 64, width = heads * d;
  const Dim batch(2, "B");
  Value* qkv = model.input("qkv", DType::kBF16, {batch, kT, 3 * width});
  llvm::SmallVector<Value*, 3> parts;
  for (int i = 0; i < 3; ++i) {
    Value* part = model.builder.slice(qkv, 2, i * width, width);
    parts.push_back(
        model.builder.transpose(model.builder.reshape(part, {batch, kT, heads, d}), {0, 2, 1, 3}));
  }
  const Region region = model.region(model.merge(model.attention(parts, {{"causal", true}})));
  check_golden("attention_joined",
               check_kernel(Only("64x64/2"), region, {.tolerance = tolerance(DType::kBF16)}));
  check_kernel(Only("128x64/2"), region, {.tolerance = tolerance(DType::kBF16)});
}

TEST_CASE("a cache longer than its contents is read as far as the offset says, a group of heads at a time") {
  for (bool rows : {false, true}) {
    AttentionGraph model;
    Value* q = model.input("q", DType::kBF16, {2, 6, kT, 128});
    Value* k = model.input("k_cache", DType::kBF16, {2, 2, 200, 128});
    Value* v = model.input("v_cache", DType::kBF16, {2, 2, 200, 128});
    Value* position = model.input("position", rows ? DType::kI64 : DType::kI32, rows ? Shape{2} : Shape{});
    const Region region =
        model.region(model.attention({q, k, v, position}, {{"causal", true}, {"offset", true}}));
    Draw draw = [&](llvm::StringRef name, const Type& type) {
      HostTensor tensor = draw_normal(name, type);
      if (name == "position") tensor.integers[0] = 90;
      if (name == "position" && rows) tensor.integers[1] = -3;  // the first queries see nothing
      if (name.endswith("_cache"))  // what nobody has written yet must not be read
        for (int64_t i = 0; i < type.elements(); ++i)
          if (const int64_t key = i / 128 % 200; key >= 90 + 37) tensor.reals[static_cast<size_t>(i)] = NAN;
      return tensor;
    };
    const std::string source = check_kernel(Only("16x64/3 warps 1x4 pack 3"), region,
                                            {.draw = draw, .tolerance = tolerance(DType::kBF16)});
    if (!rows) check_golden("attention_cache", source);
    check_kernel(Only("64x64/2 warps 4x1 pack 1"), region,
                 {.draw = draw, .tolerance = tolerance(DType::kBF16)});
  }
}

TEST_CASE("one query against many keys") {
  AttentionGraph model;
  const Region region = plain(model, DType::kF16, 1, 8, 2, 1, 333, 64, {});
  check_kernel(attention_family(), region, {.all_candidates = true, .tolerance = tolerance(DType::kF16)});
}

TEST_CASE("every head_dim, and any other of v") {
  for (const std::pair<int, int>& dims :
       {std::pair(8, 8), std::pair(32, 32), std::pair(56, 56), std::pair(80, 80), std::pair(96, 96),
        std::pair(128, 128), std::pair(256, 256), std::pair(5, 11), std::pair(8, 64), std::pair(192, 128)}) {
    const int d = dims.first, dv = dims.second;
    CAPTURE(d);
    CAPTURE(dv);
    for (DType dtype : {DType::kBF16, DType::kF32}) {
      AttentionGraph model;
      const Problem problem{.dtype = dtype, .d = d, .dv = dv, .attributes = {{"causal", true}}};
      check_kernel(attention_family(), problem.region(model), {.tolerance = tolerance(dtype)});
    }
  }
}

TEST_CASE("a head_dim of v beyond 256: two blocks share its columns") {
  for (DType dtype : {DType::kF16, DType::kF32}) {
    AttentionGraph model;
    Draw draw = [](llvm::StringRef name, const Type& type) {
      HostTensor tensor = draw_normal(name, type);
      if (name == "v") tensor.reals[tensor.reals.size() - 1] = NAN;  // of the last key, the last column
      return tensor;
    };
    const Problem problem{.dtype = dtype, .d = 64, .dv = 264, .attributes = {{"causal", true}}};
    check_kernel(attention_family(), problem.region(model), {.draw = draw, .tolerance = tolerance(dtype)});
  }
}

TEST_CASE("a window hides the keys that lie far back, and tiles of none but hidden keys are not read") {
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    for (bool causal : {true, false}) {
      AttentionGraph model;
      constexpr int kWindow = 70;
      Draw draw = [](llvm::StringRef name, const Type& type) {
        HostTensor tensor = with_positions({100})(name, type);
        if (name == "k" || name == "v")  // before the first query's window
          for (size_t i = 0; i < 32 * (100 - kWindow + 1); ++i) tensor.reals[i] = NAN;
        return tensor;
      };
      const Problem problem{.dtype = dtype,
                            .keys = Dim(200, "S"),
                            .attributes = {{"causal", causal}, {"offset", true}, {"window", Dim(kWindow)}}};
      const Only family(dtype == DType::kF32 ? "8x32" : causal ? "64x64/2 warps 4x1 pack 1" : "16x64");
      check_kernel(family, problem.region(model), {.draw = draw, .tolerance = tolerance(dtype)});
    }
  }
}

TEST_CASE("NaN and infinity of keys that a window hides reach no other query") {
  for (DType dtype : {DType::kF16, DType::kF32}) {
    AttentionGraph model;
    const Problem problem{.dtype = dtype, .keys = kT, .attributes = {{"causal", true}, {"window", Dim(7)}}};
    Draw draw = [](llvm::StringRef name, const Type& type) {
      HostTensor tensor = draw_normal(name, type);
      if (name == "v") tensor.reals[12 * 32 + 5] = NAN;  // of the queries 12 to 18
      if (name == "v") tensor.reals[20 * 32 + 6] = kInfinity;
      if (name == "k") tensor.reals[30 * 32 + 6] = NAN;
      return tensor;
    };
    check_kernel(attention_family(), problem.region(model), {.draw = draw, .tolerance = tolerance(dtype)});
  }
}

TEST_CASE("softcap, ALiBi and sinks, each and together, beside a mask and a window") {
  const std::pair<DType, Attributes> each[] = {
      {DType::kBF16, {{"softcap", 3.0}}},
      {DType::kF32, {{"softcap", 0.5}, {"scale", -0.2}}},
      {DType::kF16, {{"alibi", true}, {"causal", true}, {"offset", true}}},
      {DType::kF32, {{"alibi", true}, {"offset", true}}},
      {DType::kF16, {{"sinks", true}}},
      {DType::kF16,
       {{"softcap", 2.0}, {"alibi", true}, {"sinks", true}, {"causal", true}, {"window", Dim(9)}}},
      {DType::kBF16,
       {{"softcap", 2.0},
        {"alibi", true},
        {"sinks", true},
        {"mask", true},
        {"window", Dim(9)},
        {"offset", true}}},
      {DType::kF32,
       {{"softcap", 2.0},
        {"alibi", true},
        {"sinks", true},
        {"mask", true},
        {"window", Dim(9)},
        {"offset", true}}},
  };
  for (const auto& [dtype, attributes] : each) {
    AttentionGraph model;
    const Problem problem{.dtype = dtype,
                          .batch = 2,
                          .heads = 6,
                          .kv_heads = 2,
                          .attributes = attributes,
                          .head_numbers = attributes.flag("mask") ? DType::kF32 : dtype};
    check_kernel(attention_family(), problem.region(model),
                 {.draw = with_positions({13}), .tolerance = tolerance(dtype)});
  }
}

TEST_CASE("a sink far above or below the scores") {
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    AttentionGraph model;
    Draw draw = [](llvm::StringRef name, const Type& type) {
      HostTensor tensor = draw_normal(name, type);
      if (name == "sinks") tensor.reals = {200, -200, -kInfinity, 0};
      return tensor;
    };
    const Problem problem{.dtype = dtype, .heads = 4, .attributes = {{"sinks", true}}};
    check_kernel(attention_family(), problem.region(model), {.draw = draw, .tolerance = tolerance(dtype)});
  }
}

TEST_CASE("rows of a batch stand at their own positions; those beyond all keys see none") {
  const std::vector<int64_t> positions = {13, -20, 60, -100, int64_t{1} << 30, 0};
  const auto batch = static_cast<int64_t>(positions.size());
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    for (const Attributes& attributes :
         {Attributes{{"causal", true}, {"offset", true}},
          Attributes{{"causal", true}, {"offset", true}, {"window", Dim(12)}, {"sinks", true}},
          Attributes{{"offset", true}, {"window", Dim(12)}, {"sinks", true}}}) {
      AttentionGraph model;
      const Problem problem{.dtype = dtype, .batch = batch, .attributes = attributes, .offset = {batch}};
      check_kernel(attention_family(), problem.region(model),
                   {.draw = with_positions(positions), .tolerance = tolerance(dtype)});
    }
  }
}

TEST_CASE("boolean masks of any broadcastable shape; a row that sees no key gives 0") {
  for (const Shape& shape : {Shape{2, 1, 1, kS}, Shape{kT, kS}, Shape{3, kT, 1}}) {
    AttentionGraph model;
    Value* q = model.input("q", DType::kBF16, {2, 3, kT, 32});
    Value* k = model.input("k", DType::kBF16, {2, 3, kS, 32});
    Value* v = model.input("v", DType::kBF16, {2, 3, kS, 32});
    Value* mask = model.input("mask", DType::kBool, shape);
    const Region region = model.region(model.attention({q, k, v, mask}, {{"mask", true}}));
    Draw draw = [](llvm::StringRef name, const Type& type) {
      HostTensor tensor = draw_normal(name, type);
      if (name == "mask") std::fill_n(tensor.reals.begin(), 50, 0.0);
      return tensor;
    };
    check_kernel(Only("64x64"), region, {.draw = draw, .tolerance = tolerance(DType::kBF16)});
  }
}

TEST_CASE("additive masks with minus infinity, with and without a causal limit") {
  for (DType dtype : {DType::kF16, DType::kF32}) {
    for (bool causal : {false, true}) {
      AttentionGraph model;
      Value* q = model.input("q", dtype, {1, 4, kT, 64});
      Value* k = model.input("k", dtype, {1, 2, kS, 64});
      Value* v = model.input("v", dtype, {1, 2, kS, 64});
      Value* mask = model.input("mask", dtype, {4, kT, kS});
      Value* offset = model.builder.constant(-2, DType::kI32);
      const Region region = model.region(
          model.attention({q, k, v, mask, offset}, {{"mask", true}, {"causal", causal}, {"offset", true}}));
      Draw draw = [](llvm::StringRef name, const Type& type) {
        HostTensor tensor = draw_normal(name, type);
        if (name != "mask") return tensor;
        for (size_t i = 0; i < tensor.reals.size(); ++i)
          if (i % 3 == 0 || i / 50 % 37 == 5) tensor.reals[i] = -kInfinity;  // query 5 sees nothing
        tensor.reals[0] = NAN;  // of query 0, which sees no key where the offset is -2
        return tensor;
      };
      check_kernel(attention_family(), region, {.draw = draw, .tolerance = tolerance(dtype)});
    }
  }
}

TEST_CASE("NaN and infinity spread to the queries that see them, and to no others") {
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    AttentionGraph model;
    const Region region = plain(model, dtype, 1, 1, 1, kT, kT, 64, {{"causal", true}});
    Draw draw = [](llvm::StringRef name, const Type& type) {
      HostTensor tensor = draw_normal(name, type);
      if (name == "q") tensor.reals[7 * 64 + 3] = NAN;
      if (name == "k") tensor.reals[30 * 64 + 9] = NAN;
      if (name == "v") tensor.reals[12 * 64 + 5] = NAN;  // one column of the queries from 12 on
      if (name == "v") tensor.reals[20 * 64 + 6] = kInfinity;
      return tensor;
    };
    check_kernel(attention_family(), region,
                 {.draw = draw, .all_candidates = true, .tolerance = tolerance(dtype)});
  }
}

TEST_CASE("a scale that is not positive, rows at odd addresses, extents of 0") {
  AttentionGraph negative;
  check_kernel(Only("64x64"), plain(negative, DType::kBF16, 1, 1, 1, kT, kS, 32, {{"scale", -0.3}}),
               {.tolerance = tolerance(DType::kBF16)});
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    AttentionGraph odd;
    Value* x = odd.input("x", dtype, {1, 2, kT, 3 * 32 + 1});
    llvm::SmallVector<Value*, 3> parts;
    for (int i = 0; i < 3; ++i) parts.push_back(odd.builder.slice(x, 3, 32 * i + 1, 32));
    check_kernel(attention_family(), odd.region(odd.attention(parts, {})), {.tolerance = tolerance(dtype)});
  }
  AttentionGraph keyless;
  check_kernel(Only("64x64"), plain(keyless, DType::kBF16, 1, 1, 1, kT, Dim(0, "S"), 32, {}));
  AttentionGraph empty;
  const Region region = plain(empty, DType::kBF16, 1, 1, 1, Dim(0, "T"), kS, 32, {});
  const auto candidates = attention_family().candidates(region, {});
  CHECK(attention_family().emit(region, candidates[0], {}, "none").grid[0] == 0);  // nothing is launched
}

TEST_CASE("what no kernel does is refused with the reason") {
  auto refusal = [](Problem problem) {
    AttentionGraph model;
    return attention_family().refuses(problem.region(model), {});
  };
  CHECK(refusal({.d = 512}) == "");
  CHECK(refusal({.d = 520}) == "head_dim 520: the kernels do 1 to 512");
  CHECK(refusal({.d = 8, .dv = 0}) == "head_dim 0: the kernels do 1 to 512");
  CHECK(refusal({.attributes = {{"window", Dim(int64_t{1} << 31)}}}) == "a window of more than 2^30 keys");
  CHECK(refusal({.attributes = {{"sinks", true}}, .head_numbers = DType::kI32}) == "sinks in i32");

  AttentionGraph model;
  Value* q = model.input("q", DType::kBF16, {1, 2, 8, 64});
  Value* turned = model.builder.transpose(model.input("k", DType::kBF16, {1, 2, 64, 8}), {0, 1, 3, 2});
  CHECK(attention_family().refuses(model.region(model.attention({q, turned, q}, {})), {}) ==
        "k: the elements of a head do not lie side by side");
}

const Candidate& cheapest(const std::vector<Candidate>& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(!a.why_not.empty(), a.estimate.us) < std::pair(!b.why_not.empty(), b.estimate.us);
  });
}

TEST_CASE("costs: few queries take the short tile, many the tall one, a causal mask halves the arithmetic") {
  Target h200;
  h200.card = find_target("h200");
  auto best = [&](int queries, int keys, Attributes attributes) {
    AttentionGraph model;
    const Region region =
        plain(model, DType::kBF16, 8, 32, 8, Dim(queries, "T"), keys, 128, std::move(attributes));
    return cheapest(attention_family().candidates(region, h200));
  };
  CHECK(llvm::StringRef(best(1, 4096, {}).config).startswith("16x64"));
  CHECK(best(1, 4096, {}).config == "16x64/3 warps 1x4 pack 4");
  const Candidate full = best(4096, 4096, {}), causal = best(4096, 4096, {{"causal", true}});
  CHECK(llvm::StringRef(full.config).startswith("128x64"));
  auto arithmetic = [](const Candidate& c) { return c.estimate.terms[1].us; };
  CHECK(arithmetic(causal) == doctest::Approx(arithmetic(full) / 2).epsilon(0.05));
  CHECK(causal.estimate.us < 0.65 * full.estimate.us);
  CHECK(full.estimate.bytes_written == 8ll * 32 * 4096 * 128 * 2);
  const Candidate window = best(4096, 4096, {{"causal", true}, {"window", Dim(512)}});
  CHECK(arithmetic(window) < 0.3 * arithmetic(causal));
}

TEST_CASE("a tile that does not fit a block's shared memory says so") {
  Target l4;
  l4.card = find_target("l4");
  AttentionGraph model;
  const Region region = plain(model, DType::kBF16, 1, 8, 8, 512, 512, 256, {});
  const auto candidates = attention_family().candidates(region, l4);
  REQUIRE(candidates.size() == 4);
  CHECK(candidates[0].why_not == "");
  CHECK(candidates[1].why_not == "needs 136192 bytes of shared memory, a block has 101376");
}

TEST_CASE("absurd lengths are refused at once") {
  Target h200;
  h200.card = find_target("h200");
  AttentionGraph model;
  const Dim huge(int64_t{1} << 40, "T");
  const Region region = plain(model, DType::kBF16, 1, 4, 4, huge, huge, 64, {{"causal", true}});
  for (const Candidate& candidate : attention_family().candidates(region, h200))
    CHECK(candidate.why_not == "more than 2^31 - 1 rows or keys");
  AttentionGraph biased;
  const Dim far(int64_t{1} << 30, "T");
  const Problem problem{.queries = far, .keys = far, .attributes = {{"alibi", true}}};
  for (const Candidate& candidate : attention_family().candidates(problem.region(biased), h200))
    CHECK(candidate.why_not == "more than 2^29 rows or keys");
}

}  // namespace
}  // namespace tenon
