// explain_test.cpp: what a reader of `explain` is told.
#include "codegen/explain.h"

#include <doctest/doctest.h>

#include "codegen/lower.h"
#include "ir/diagnostics.h"
#include "ir/model.h"

using namespace tenon;

namespace {

std::shared_ptr<Plan> plan_of(const std::string& text) {
  Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", text}));
  LowerOptions options;
  options.target_name = "h200";
  options.target.card = find_target("h200");
  options.select.site_policy = model.policy();
  auto plan = lower(model.build(model.bind({}, {})), options);
  plan->model = model.name();
  return plan;
}

std::string ffn(const std::string& policy = "") {
  return "tenon = 1\n[model]\nname = \"m\"\ndtype = \"bf16\"\n[inputs]\nx = { shape = [512, 1024] "
         "}\n[weights]\n"
         "w1 = { shape = [1024, 4096] }\nb1 = { shape = [4096] }\nw2 = { shape = [4096, 1024] }\n" +
         policy +
         "[graph]\nbody = ['h = gelu(x @ w1 + b1, approximate=\"tanh\")', 'y = x + h @ w2']\noutputs = "
         "[\"y\"]\n";
}

bool has(const std::string& text, const char* part) {
  bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("no \"", std::string(part), "\" in: ", text);
  return found;
}

}  // namespace

TEST_CASE("explain tells target, totals, the choice at each site, its terms, and what lost") {
  auto plan = plan_of(ffn());
  const std::string text = explain(*plan);
  CHECK(has(text, "m on NVIDIA H200 SXM 141 GB (sm_90a)\n  2 launches of 2 distinct kernels, "));
  CHECK(has(text, "  unfused: 5 launches, "));
  CHECK(has(text, "not calibrated: a generated product must beat the library by more than 10 %"));
  CHECK(has(text, "mlp.out: product + add\n    at      m.toml:12\n    chosen  "));
  CHECK(has(text, " us   a kernel boundary\n"));
  CHECK(has(text, "    because "));
  CHECK(has(text, "    lost    "));
  CHECK_FALSE(text.find(" 1 more configs") != std::string::npos);
  CHECK_FALSE(text.find("it is a ") != std::string::npos);
  for (const Kernel& kernel : plan->kernels)  // no config that could not run is "next"
    if (size_t next = kernel.why.find("next "); next != std::string::npos) {
      REQUIRE(kernel.decision->allowed.size() > 1);
      const Candidate& second = kernel.decision->candidates[kernel.decision->allowed[1]];
      CHECK(kernel.why.compare(next + 5, second.config.size(), second.config) == 0);
    }
}

TEST_CASE("a site restricts the answer; an unknown one is an error with the sites") {
  auto plan = plan_of(ffn());
  CHECK_FALSE(explain(*plan, "mlp.out").find("mlp.in:") != std::string::npos);
  CHECK(kernel_table(*plan, "mlp.out").find("mlp.in") == std::string::npos);
  auto blocks = plan_of(
      "tenon = 1\n[model]\nname = \"m\"\ndtype = \"f32\"\n[inputs]\nx = { shape = [8, 8] }\n[block.layer]\n"
      "args = ['x']\nreturns = ['x']\nbody = ['y = softmax(x)', 'x = y @ x']\n[graph]\n"
      "body = ['z = repeat(layer, 3, x)']\noutputs = [\"z\"]\n");
  for (const char* pattern : {"layer.y", "layer.*.y", "layer.2.y"})
    CHECK(has(explain(*blocks, pattern), "layer.y: softmax\n"));
  CHECK_THROWS_WITH_AS(explain(*plan, "mlp.outt"), doctest::Contains("did you mean 'mlp.out'?"), Error);
}

TEST_CASE("a rule of [policy] that decided is told as the reason") {
  auto plan = plan_of(ffn("[policy]\n\"mlp.in\" = \"fused\"\n"));
  CHECK(has(explain(*plan, "mlp.in"), "[policy] takes generated kernels at this site"));
}

TEST_CASE("a near miss is told once for all repetitions of its site") {
  auto plan = plan_of(
      "tenon = 1\n[model]\nname = \"m\"\ndtype = \"bf16\"\n[inputs]\nx = { shape = [64, 64] "
      "}\n[block.layer]\n"
      "args = ['x']\nreturns = ['x']\n"
      "body = ['n = rmsnorm(x)', 'x = n + n @ w']\n[block.layer.weights]\nw = { shape = [64, 64] }\n"
      "[graph]\nbody = ['z = repeat(layer, 3, x)']\noutputs = [\"z\"]\n");
  REQUIRE(plan->selection.not_fused.size() == 3);
  const std::string text = explain(*plan);
  CHECK(has(text, "not fused:\n  layer.n (line 10): norm + product: "));
  CHECK(has(text, " (3 times)\n"));
  CHECK(text.find("layer.1") == std::string::npos);
}
