// examples_memory_test.cpp: the arena of every example is within a tenth of what is alive at once.
#include <doctest/doctest.h>

#include <filesystem>

#include "codegen/lower.h"
#include "ir/model.h"

using namespace tenon;

TEST_CASE("planned activations are at most 1.1 times the peak of live values") {
  int plans = 0;
  for (const auto& entry :
       std::filesystem::recursive_directory_iterator(std::string(TENON_SOURCE_DIR) + "/examples/models")) {
    if (entry.path().extension() != ".toml") continue;
    Model model = Model::read(entry.path().string());
    for (int64_t tokens : {1, 17, 512})
      for (Policy policy : {Policy::kAuto, Policy::kFused, Policy::kLibrary}) {
        INFO(entry.path().string(), " T=", tokens);
        DimBinding dims;
        for (const ModelDim& dim : model.dims())
          if (dim.name == "T" && !dim.fixed()) dims["T"] = std::min(tokens, dim.upper);
        LowerOptions options;
        options.target_name = "h200";
        options.target.card = find_target("h200");
        options.select.policy = policy;
        options.select.site_policy = model.policy();
        auto plan = lower(model.build(model.bind(dims, {})), options);
        CHECK(plan->arena_bytes >= plan->arena_bytes_alive);
        CHECK(static_cast<double>(plan->arena_bytes) <= 1.1 * static_cast<double>(plan->arena_bytes_alive));
        ++plans;
      }
  }
  CHECK(plans >= 63);
}
