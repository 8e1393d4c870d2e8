// size_classes_test.cpp: crossovers are found exactly, with few plans, and told with what changed.
#include "codegen/size_classes.h"

#include <doctest/doctest.h>

#include "codegen/lower.h"
#include "ir/model.h"

using namespace tenon;

namespace {

/// A plan of one kernel at `site` with this config; `us` a launch.
std::shared_ptr<const Plan> plan_with(const std::string& config, double us, const std::string& site = "mlp") {
  auto plan = std::make_shared<Plan>();
  plan->model = "m";
  auto decision = std::make_shared<Decision>();
  Candidate candidate;
  candidate.implementation = "generated";
  candidate.config = config;
  candidate.estimate.us = us;
  decision->candidates = {candidate};
  decision->chosen = 0;
  Kernel kernel;
  kernel.site = site;
  kernel.family = "gemm";
  kernel.why = "it is the best at " + config;
  kernel.decision = decision;
  kernel.launches = 2;
  plan->kernels = {kernel};
  return plan;
}

std::vector<std::pair<int64_t, int64_t>> ranges(llvm::ArrayRef<SizeClass> classes) {
  std::vector<std::pair<int64_t, int64_t>> result;
  for (const SizeClass& size : classes) result.emplace_back(size.first, size.last);
  return result;
}

}  // namespace

TEST_CASE("classes end exactly where the choice changes") {
  int made = 0;
  auto plan_at = [&](int64_t t) {
    ++made;
    return plan_with(t <= 7 ? "a" : t < 100 ? "b" : t < 101 ? "c" : "a", static_cast<double>(t));
  };
  std::vector<SizeClass> classes = size_classes(1, 8192, plan_at);
  CHECK(ranges(classes) ==
        std::vector<std::pair<int64_t, int64_t>>{{1, 7}, {8, 99}, {100, 100}, {101, 8192}});
  CHECK(made < 60);
  CHECK(tell_size_classes("T", classes) == R"(m on : 4 plans for T = 1 .. 8192

T = 1 .. 7: 2 launches, 2.00 us .. 14.0 us predicted
  site                     by         config                   launches  us a launch
  mlp                      generated  a                               2      1.00 us

T = 8 .. 99: 2 launches, 16.0 us .. 198 us predicted
  mlp: generated gemm b  (before: generated gemm a)
      because it is the best at b

T = 100: 2 launches, 200 us predicted
  mlp: generated gemm c  (before: generated gemm b)
      because it is the best at c

T = 101 .. 8192: 2 launches, 202 us .. 16.38 ms predicted
  mlp: generated gemm a  (before: generated gemm c)
      because it is the best at a

)");
}

TEST_CASE("a range of one extent, and one without a change") {
  auto constant = [](int64_t) { return plan_with("a", 1); };
  CHECK(ranges(size_classes(5, 5, constant)) == std::vector<std::pair<int64_t, int64_t>>{{5, 5}});
  CHECK(ranges(size_classes(3, 70, constant)) == std::vector<std::pair<int64_t, int64_t>>{{3, 70}});
}

TEST_CASE("a site that another kernel takes in is told as gone") {
  auto plan_at = [](int64_t t) { return plan_with("a", 1, t < 3 ? "norm" : "mlp"); };
  std::vector<SizeClass> classes = size_classes(1, 4, plan_at);
  REQUIRE(ranges(classes) == std::vector<std::pair<int64_t, int64_t>>{{1, 2}, {3, 4}});
  CHECK(changed_kernels(*classes[0].plan, *classes[1].plan).size() == 1);
  const std::string text = tell_size_classes("T", classes);
  CHECK(llvm::StringRef(text).contains("  norm: inside another kernel now\n"));
  CHECK(llvm::StringRef(text).contains("  mlp: generated gemm a  (before: part of other kernels)\n"));
  CHECK(!llvm::StringRef(tell_size_classes("T", classes, "mlp")).contains("norm: inside"));
}

TEST_CASE(
    "real plans: a product's best kernel changes with its rows, and each class holds at both its ends") {
  Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", R"(tenon = 1
[model]
name = "m"
dtype = "bf16"
[dims]
T = "1..4096"
[inputs]
x = { shape = ["T", 1024] }
[weights]
w = { shape = [1024, 1024] }
[graph]
body = ['y = relu(x @ w)']
outputs = ["y"]
)"}));
  LowerOptions options;
  options.target_name = "h200";
  options.target.card = find_target("h200");
  options.select.policy = Policy::kFused;
  auto plan_at = [&](int64_t t) { return lower(model.build(model.bind({{"T", t}}, {})), options); };
  std::vector<SizeClass> classes = size_classes(1, 4096, plan_at);
  CHECK(classes.size() > 1);
  CHECK(classes.front().first == 1);
  CHECK(classes.back().last == 4096);
  for (size_t i = 0; i < classes.size(); ++i) {
    if (i > 0) CHECK(classes[i].first == classes[i - 1].last + 1);
    if (i > 0) CHECK(!changed_kernels(*classes[i - 1].plan_at_last, *classes[i].plan).empty());
    CHECK(changed_kernels(*classes[i].plan, *classes[i].plan_at_last).empty());
  }
}
