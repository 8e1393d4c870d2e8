// What a generated token costs beside the model itself: two launches and no copy.
#include "runtime/generation_graphs.h"

#include <doctest/doctest.h>

#include "codegen/lower.h"
#include "ir/model.h"

using namespace tenon;

namespace {

std::shared_ptr<Plan> step_of(const std::string& example, bool sampled, int64_t logit_steps) {
  const Model model = Model::read(std::string(TENON_SOURCE_DIR) + "/examples/models/" + example + ".toml");
  LowerOptions options;
  options.target_name = "h200";
  options.target.card = find_target("h200");
  options.select.policy = Policy::kFused;
  const auto graph = model.build(model.bind({{"T", 1}}, {}));
  return lower(decode_graph(*graph, sampled, 2048, logit_steps), options);
}

}  // namespace

TEST_CASE("a token is five launches a layer and four, and no copy") {
  struct Case {
    const char* example;
    size_t layers;
  };
  for (const Case& c : {Case{"llama-3.2-1b", 16}, {"qwen2.5-0.5b", 24}})
    for (bool sampled : {false, true}) {
      INFO(c.example, " sampled ", sampled);
      const auto plan = step_of(c.example, sampled, 0);
      CHECK(plan->steps.size() == 5 * c.layers + 4);
      CHECK(plan->state_copies.empty());
      for (const Step& step : plan->steps) CHECK(step.kernel >= 0);
    }
}

TEST_CASE("kept logits cost one launch more") {
  const auto plan = step_of("qwen2.5-0.5b", false, 8);
  CHECK(plan->steps.size() == 5 * 24 + 5);
  CHECK(plan->state_copies.empty());
}

TEST_CASE("a greedy choice among many tokens is shared by several blocks") {
  const auto plan = step_of("qwen2.5-0.5b", false, 0);
  const Step& choice = plan->steps[plan->steps.size() - 2];
  const Kernel& kernel = plan->kernels[static_cast<size_t>(choice.kernel)];
  CHECK(llvm::StringRef(kernel.decision->candidates[static_cast<size_t>(kernel.decision->chosen)].config)
            .contains(" split "));
  CHECK(choice.grid[0] >= 8);
}
