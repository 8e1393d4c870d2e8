// Tests of codegen/families/attention_decode.cpp and of pages: kernels against the f64 evaluator, over how many blocks
// keys are shared, what is refused.
#include "codegen/families/attention_decode.h"

#include <doctest/doctest.h>

#include <cmath>
#include <set>

#include "codegen/families/attention.h"
#include "passes/passes.h"
#include "tests/codegen/families/attention_site.h"

namespace tenon {
namespace {

using namespace attention_site;

Target card(const char* name) {
  Target target;
  target.card = find_target(name);
  return target;
}

/// Pages in no order, some named more than once.
std::vector<int64_t> named_pages(int64_t count, int64_t pool) {
  std::vector<int64_t> pages;
  for (int64_t i = 0; i < count; ++i) pages.push_back((i * 7 + 3) % pool);
  return pages;
}

/// Every candidate of the family on every share of the keys that `positions` leave visible; keys that no query may
/// see are NaN.
void check(const Problem& problem, std::vector<int64_t> positions = {}, const char* config = "") {
  AttentionGraph model;
  const Region region = problem.region(model);
  Draw draw = [&](llvm::StringRef name, const Type& type) {
    HostTensor tensor = with_positions(positions)(name, type);
    if (name == "pages") tensor.integers = named_pages(type.elements(), problem.pool);
    if ((name == "k" || name == "v") && !positions.empty() && !problem.page) {
      const int64_t depth = type.shape[3].extent(), keys = type.shape[2].extent(),
                    heads = type.shape[1].extent();
      for (int64_t i = 0; i < type.elements(); ++i) {
        const auto row = static_cast<size_t>(i / (depth * keys * heads));
        const int64_t end = positions[positions.size() > 1 ? row : 0] + problem.queries.extent();
        if (i / depth % keys >= end) tensor.reals[static_cast<size_t>(i)] = NAN;
      }
    }
    return tensor;
  };
  check_kernel(
      attention_decode_family(), region,
      {.draw = draw, .all_candidates = true, .config = config, .tolerance = tolerance(problem.dtype)});
}

TEST_CASE("keys are shared out, and the shares of every row joined") {
  for (DType dtype : {DType::kBF16, DType::kF16, DType::kF32})
    for (int group : {1, 3, 7}) {
      CAPTURE(group);
      check({.dtype = dtype, .heads = 2 * group, .kv_heads = 2, .queries = 1, .keys = 777, .d = 64});
    }
  const Attributes causal{{"causal", true}, {"offset", true}};
  check({.heads = 4, .queries = Dim(3, "T"), .keys = Dim(1300, "S"), .d = 128, .attributes = causal}, {1290});
  check({.heads = 8, .queries = 5, .keys = 1000, .d = 40, .dv = 24});  // 40 rows: the heads in parts
  check({.queries = 2, .keys = 400, .d = 512});
  check({.queries = 2, .keys = 400, .d = 33, .dv = 21});  // rows at odd addresses
}

TEST_CASE("a cache is read as far as each row's offset says") {
  const Attributes cached{{"causal", true}, {"offset", true}};
  for (DType dtype : {DType::kBF16, DType::kF32})
    for (int64_t position : {0, 95, 96, 191, 192, 193, 639}) {
      CAPTURE(position);
      check({.dtype = dtype, .heads = 4, .queries = 1, .keys = 640, .d = 64, .attributes = cached},
            {position});
    }
  const Problem ragged{
      .batch = 3, .heads = 4, .kv_heads = 2, .queries = 2, .keys = 640, .attributes = cached, .offset = {3}};
  check(ragged, {638, -2, 300});  // full; sees nothing; in between
  check(ragged, {0, -1, 191});
}

TEST_CASE("window, softcap, ALiBi, sinks and masks hold in every share") {
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    Problem p{.dtype = dtype, .batch = 2, .heads = 4, .queries = 2, .keys = 900, .d = 32, .offset = {2}};
    for (const Attributes& more :
         {Attributes{{"window", Dim(70)}}, Attributes{{"softcap", 5.0}}, Attributes{{"alibi", true}},
          Attributes{{"sinks", true}}, Attributes{{"mask", true}},
          Attributes{{"window", Dim(600)}, {"alibi", true}, {"sinks", true}}}) {
      p.attributes = more;
      p.attributes.set("causal", true);
      p.attributes.set("offset", true);
      check(p, {898, 400});
      check(p, {-2, 600});
    }
  }
}

TEST_CASE("what a NaN in v touches is what sees it, across shares") {
  for (DType dtype : {DType::kBF16, DType::kF32}) {
    AttentionGraph graph;
    const Problem problem{.dtype = dtype,
                          .heads = 2,
                          .queries = 4,
                          .keys = 900,
                          .d = 32,
                          .attributes = {{"causal", true}, {"offset", true}}};
    Draw draw = [](llvm::StringRef name, const Type& type) {
      HostTensor tensor = with_positions({700})(name, type);
      if (name == "v") tensor.reals[702 * 32 + 5] = NAN;  // column 5 of the last two queries
      return tensor;
    };
    check_kernel(attention_decode_family(), problem.region(graph),
                 {.draw = draw, .all_candidates = true, .tolerance = tolerance(dtype)});
  }
}

TEST_CASE("pages are read where the table names them") {
  const Attributes cached{{"causal", true}, {"offset", true}};
  for (DType dtype : {DType::kBF16, DType::kF32})
    for (int page : {16, 48, 256}) {
      CAPTURE(page);
      const int keys = (500 + page) / page * page;
      check({.dtype = dtype,
             .batch = 2,
             .heads = 4,
             .kv_heads = 2,
             .queries = 1,
             .keys = keys,
             .d = 64,
             .attributes = cached,
             .offset = {2},
             .page = page,
             .pool = 9},
            {keys - 1, 137});
    }
  // One head, whose pages no transpose separates from the table; and a prompt, by the kernels for many queries.
  check({.heads = 3, .queries = 2, .keys = 640, .d = 32, .page = 32, .pool = 5});
  AttentionGraph graph;
  const Problem prompt{.batch = 2,
                       .heads = 4,
                       .kv_heads = 2,
                       .queries = kT,
                       .keys = 96,
                       .d = 64,
                       .attributes = cached,
                       .page = 16,
                       .pool = 20};
  Draw draw = [](llvm::StringRef name, const Type& type) {
    HostTensor tensor = with_positions({20})(name, type);
    if (name == "pages") tensor.integers = named_pages(type.elements(), 20);
    return tensor;
  };
  const Region region = prompt.region(graph);
  for (const char* config : {"64x64", "16x64"})
    check_kernel(attention_family(), region,
                 {.draw = draw, .config = config, .tolerance = tolerance(DType::kBF16)});
}

TEST_CASE("the text of a paged step reads well") {
  AttentionGraph model;
  const Problem problem{.batch = 2,
                        .heads = 8,
                        .kv_heads = 2,
                        .queries = Dim(1, "T"),
                        .keys = 512,
                        .d = 64,
                        .attributes = {{"causal", true}, {"offset", true}},
                        .offset = {2},
                        .page = 64,
                        .pool = 16};
  Draw draw = [](llvm::StringRef name, const Type& type) {
    HostTensor tensor = with_positions({511, 200})(name, type);
    if (name == "pages") tensor.integers = named_pages(type.elements(), 16);
    return tensor;
  };
  check_golden("attention_paged", check_kernel(attention_decode_family(), problem.region(model),
                                               {.draw = draw, .tolerance = tolerance(DType::kBF16)}));
}

std::set<std::string> splits(const char* name, Problem problem) {
  AttentionGraph model;
  const Region region = problem.region(model);
  std::set<std::string> found;
  if (!attention_decode_family().refuses(region, card(name)).empty()) return found;
  for (const Candidate& c : attention_decode_family().candidates(region, card(name))) {
    CHECK(c.why_not == "");
    found.insert(c.config.substr(c.config.find("splits")));
  }
  return found;
}

TEST_CASE("blocks fill the card and no more, each with keys enough") {
  Problem llama{.heads = 32, .kv_heads = 8, .queries = 1, .keys = 4096, .d = 64};
  CHECK(splits("h200", llama) == std::set<std::string>{"splits 16", "splits 22"});
  llama.keys = 400;
  CHECK(splits("h200", llama) == std::set<std::string>{"splits 3"});
  llama.keys = 192;
  CHECK(splits("h200", llama).empty());
  llama.keys = 4096, llama.batch = 32;
  CHECK(splits("h200", llama) == std::set<std::string>{"splits 2"});
  llama.batch = 64;
  CHECK(splits("h200", llama).empty());
}

const Candidate& cheapest(const std::vector<Candidate>& candidates) {
  return *std::min_element(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(!a.why_not.empty(), a.estimate.us) < std::pair(!b.why_not.empty(), b.estimate.us);
  });
}

TEST_CASE("costs: sharing pays for long caches of few heads, not for short ones or full cards") {
  auto gain = [](Problem problem) {
    AttentionGraph model;
    const Region region = problem.region(model);
    const Target target = card("h200");
    const double alone = cheapest(attention_family().candidates(region, target)).estimate.us;
    if (!attention_decode_family().refuses(region, target).empty()) return 1.0;
    return alone / cheapest(attention_decode_family().candidates(region, target)).estimate.us;
  };
  Problem llama{.heads = 32, .kv_heads = 8, .queries = 1, .keys = 4096, .d = 64};
  CHECK(gain(llama) > 2);
  llama.keys = 200;
  CHECK(gain(llama) < 1);
  llama.keys = 4096, llama.batch = 64;
  CHECK(gain(llama) == 1);
}

TEST_CASE("what is not shared out says why") {
  auto refusal = [](Problem problem) {
    AttentionGraph model;
    return attention_decode_family().refuses(problem.region(model), card("h200"));
  };
  CHECK(refusal({.queries = Dim(17, "T"), .keys = 4096}) ==
        "T queries: at most 16 are worth sharing out their keys");
  CHECK(refusal({.queries = 1, .keys = 60}) ==
        "heads and batch fill the card, or the keys are few: they are not shared out");
  CHECK(refusal({.queries = 1, .keys = 4096, .d = 513}) == "head_dim 513: the kernels do 1 to 512");
}

}  // namespace
}  // namespace tenon
