// lower_test.cpp: plans are complete: every value that a step reads has been written, outputs and states have their places, kernels
// are shared by repetitions, and the text does not depend on the run.
#include "codegen/lower.h"

#include <doctest/doctest.h>

#include <set>

#include "codegen/plan_json.h"
#include "codegen/residence.h"
#include "ir/diagnostics.h"
#include "ir/json.h"
#include "ir/model.h"
#include "ir/verify.h"

using namespace tenon;

namespace {

std::shared_ptr<Plan> plan_of(const std::string& example, const DimBinding& dims,
                              Policy policy = Policy::kFused, llvm::StringRef target = "h200") {
  Model model = Model::read(std::string(TENON_SOURCE_DIR) + "/examples/models/" + example + ".toml");
  LowerOptions options;
  options.target_name = target.str();
  options.target.card = find_target(target);
  options.select.policy = policy;
  auto plan = lower(model.build(model.bind(dims, {})), options);
  plan->model = model.name();
  return plan;
}

/// Every pointer argument refers to something written before, results excepted; nothing is read outside its buffer.
void check_plan(const Plan& plan) {
  CHECK(verify(*plan.graph) == "");
  std::set<int> written;
  for (size_t i = 0; i < plan.buffers.size(); ++i)
    if (plan.buffers[i].kind != Buffer::kArena && plan.buffers[i].kind != Buffer::kOutput)
      written.insert(static_cast<int>(i));
  for (const Step& step : plan.steps) {
    REQUIRE(step.kernel >= 0);
    const EmittedKernel& emitted = plan.kernels[step.kernel].emitted;
    REQUIRE(step.arguments.size() == emitted.arguments.size());
    for (size_t i = 0; i < emitted.arguments.size(); ++i) {
      const BufferRef& ref = step.arguments[i];
      KernelArgument::Kind kind = emitted.arguments[i].kind;
      bool pointer = kind == KernelArgument::kOperand || kind == KernelArgument::kPacked ||
                     kind == KernelArgument::kResult;
      if (!pointer) continue;
      REQUIRE(ref.buffer >= 0);
      CHECK(ref.offset <= plan.buffers[ref.buffer].bytes);
      if (kind == KernelArgument::kResult)
        written.insert(ref.buffer);
      else
        CHECK(written.count(ref.buffer) == 1);
    }
    for (size_t i = 0; i < emitted.arguments.size(); ++i)
      if (emitted.arguments[i].kind == KernelArgument::kResult) written.insert(step.arguments[i].buffer);
  }
  for (const auto& [name, ref] : plan.outputs) CHECK(written.count(ref.buffer) == 1);
  for (const Buffer& buffer : plan.buffers)
    if (buffer.kind == Buffer::kArena) CHECK(buffer.offset + buffer.bytes <= plan.arena_bytes);
  CHECK(plan.arena_bytes <= plan.arena_bytes_unplanned);
}

int launches_in_layer(const Plan& plan, llvm::StringRef layer) {
  int count = 0;
  for (const Step& step : plan.steps) count += llvm::StringRef(step.site).startswith(layer);
  return count;
}

}  // namespace

TEST_CASE("every example lowers to a complete plan under both policies") {
  for (const char* example :
       {"ffn", "attention_primitives", "gpt2", "minilm", "qwen2.5-0.5b", "llama-3.2-1b", "llama-3-8b"})
    for (Policy policy : {Policy::kAuto, Policy::kFused})
      for (const char* target : {"sm_80", "sm_90a", "sm_120"}) {
        INFO(example, " ", target);
        check_plan(*plan_of(example, {}, policy, target));
      }
}

TEST_CASE("a fused decoder layer takes five launches: q|k|v, attention, out, mlp in, mlp out") {
  struct Case {
    const char* example;
    size_t layers;
  };
  for (const Case& c : {Case{"gpt2", 12}, {"llama-3.2-1b", 16}, {"llama-3-8b", 32}, {"qwen2.5-0.5b", 24}})
    for (int64_t tokens : {1, 7, 512}) {
      INFO(c.example, " T=", tokens);
      auto plan = plan_of(c.example, {{"T", tokens}}, Policy::kFused);
      CHECK(launches_in_layer(*plan, "layer.1.") <= 5);
      CHECK(plan->steps.size() <= 5 * c.layers + 4);
    }
  for (int64_t tokens : {1, 16, 512}) {  // heads of q and k are normalised in the product
    auto plan = plan_of("qwen3-0.6b", {{"T", tokens}}, Policy::kFused);
    CHECK(launches_in_layer(*plan, "layer.1.") <= 5);
    CHECK(plan->steps.size() <= 5 * 28 + 4);
  }
}

TEST_CASE("attention spelled out in primitives becomes one attention kernel") {
  auto plan = plan_of("attention_primitives", {});
  REQUIRE(plan->steps.size() == 1);
  CHECK(plan->kernels[0].family == "attention");
}

TEST_CASE("the number of kernels does not depend on the number of layers") {
  auto few = plan_of("llama-3.2-1b", {{"T", 16}}), many = plan_of("llama-3-8b", {{"T", 16}});
  CHECK(many->steps.size() > few->steps.size());
  CHECK(many->kernels.size() == few->kernels.size());
}

TEST_CASE("the same model gives the same bytes, and another T the same source") {
  auto first = plan_of("llama-3.2-1b", {{"T", 100}}), second = plan_of("llama-3.2-1b", {{"T", 100}}),
       longer = plan_of("llama-3.2-1b", {{"T", 101}});
  CHECK(plan_json(*first) == plan_json(*second));
  REQUIRE(first->kernels.size() == longer->kernels.size());
  for (size_t i = 0; i < first->kernels.size(); ++i) {
    CHECK(first->kernels[i].emitted.source == second->kernels[i].emitted.source);
    CHECK(first->kernels[i].emitted.source == longer->kernels[i].emitted.source);
  }
}

TEST_CASE("plan.json has every member that users rely on, and totals that sum") {
  auto plan = plan_of("gpt2", {{"T", 512}});
  json::Value document = json::parse(plan_json(*plan));
  for (const char* key :
       {"tenon", "model", "target", "dims", "ops_before", "kernels", "sites_not_fused", "memory", "total"})
    CHECK(!std::holds_alternative<std::nullptr_t>(document[key].held));
  int64_t launches = 0, moved = 0;
  for (const json::Value& kernel : *document["kernels"].array()) {
    for (const char* key : {"name", "site", "family", "implementation", "ops", "lines", "grid", "block",
                            "cluster", "shared_bytes", "launches", "bytes_read", "bytes_written", "flops",
                            "predicted_us", "candidates", "basis"})
      CHECK_MESSAGE(!std::holds_alternative<std::nullptr_t>(kernel[key].held), key);
    launches += *kernel["launches"].integer();
    moved += *kernel["launches"].integer() *
             (*kernel["bytes_read"].integer() + *kernel["bytes_written"].integer());
  }
  CHECK(*document["total"]["launches"].integer() == launches);
  CHECK(*document["total"]["bytes"].integer() == moved);
  CHECK(moved < *document["total"]["bytes_unfused"].integer());
  CHECK(launches < *document["total"]["launches_unfused"].integer());
}

TEST_CASE("no kernel bears the name of a function that CUDA declares") {
  const Model model = Model::parse(std::make_shared<SourceFile>(SourceFile{"m.toml", R"(tenon = 1
[model]
name = "m"
dtype = "f32"
[inputs]
x = { shape = [3, 8] }
g = { shape = [8] }
[graph]
body = ['norm = rmsnorm(x, g)', 'y0 = cumsum(norm, axis=1)']
outputs = ["norm", "y0"]
)"}));
  LowerOptions options;
  options.target.card = find_target("h200");
  const auto plan = lower(model.build({}), options);
  REQUIRE(plan->kernels.size() == 2);
  CHECK(plan->kernels[0].site == "norm");
  CHECK(plan->kernels[0].emitted.name == "norm_2");
  CHECK(plan->kernels[1].emitted.name == "y0_2");
}

TEST_CASE("the name of a kernel fits the name of a file, however long those of the model are") {
  const std::string block(300, 'b');
  const Model model = Model::parse(std::make_shared<SourceFile>(SourceFile{
      "m.toml", "tenon = 1\n[model]\nname = 'm'\ndtype = 'f32'\n[inputs]\nx = { shape = [3, 8] }\n[block." +
                    block +
                    "]\nargs = ['x']\nreturns = ['x']\nbody = ['x = softmax(x)', 'x = cumsum(x, axis=0)']\n" +
                    "[graph]\nbody = ['y = " + block + "(x)']\noutputs = ['y']\n"}));
  LowerOptions options;
  options.target.card = find_target("h200");
  const auto plan = lower(model.build({}), options);
  REQUIRE(plan->kernels.size() == 2);
  CHECK(plan->kernels[0].emitted.name != plan->kernels[1].emitted.name);
  for (const Kernel& kernel : plan->kernels) CHECK(kernel.emitted.name.size() <= 210);
}

TEST_CASE("a reshaped iota is computed: it has no bytes to be a view of") {
  const Model model = Model::parse(std::make_shared<SourceFile>(SourceFile{"m.toml", R"(tenon = 1
[model]
name = "m"
dtype = "f32"
[inputs]
x = { shape = [2, 2] }
[graph]
body = ['a = reshape(iota(2, dtype="f32"), shape=[1, 2])', 'y = (a - reshape(iota(2, dtype="f32"), shape=[2, 1])) @ x']
outputs = ["y"]
)"}));
  LowerOptions options;
  options.target.card = find_target("h200");
  options.target.library = false;
  const auto plan = lower(model.build({}), options);
  check_plan(*plan);
  CHECK(plan->selection.choices.size() == plan->steps.size());
}

TEST_CASE("a constant may be an output: it is computed at load, and has a place") {
  auto text = std::make_shared<SourceFile>(SourceFile{"m.toml", R"(tenon = 1
[model]
name = "m"
dtype = "f32"
[graph]
body = ['y = iota(5, dtype="i32")', 'z = full(shape=[2, 3], value=0.5, dtype="f32")']
outputs = ["y", "z"]
)"});
  Model model = Model::parse(text);
  LowerOptions options;
  options.target.card = find_target("h200");
  auto plan = lower(model.build(model.bind({}, {})), options);
  check_plan(*plan);
  CHECK(plan->kernels.empty());
  CHECK(plan->packings.size() == 2);
  CHECK(weight_memory(*plan).held == 44);
}
