// residence_test.cpp: each weight counted once, as launches read it.
#include "codegen/residence.h"

#include <doctest/doctest.h>

#include "codegen/explain.h"
#include "codegen/lower.h"
#include "codegen/plan_json.h"
#include "ir/json.h"
#include "ir/model.h"

using namespace tenon;

namespace {

using Bytes = std::map<std::string, int64_t>;

/// Weights a (100 bytes), b (200), c (400), d (800); p (300) packed from a and b, q (7) from c.
Plan make_plan() {
  Plan plan;
  const Type none{DType::kU8, {0}};
  for (auto [name, bytes] : {std::pair{"layer.0.a", 100}, {"layer.1.a", 200}, {"c", 400}, {"d", 800}})
    plan.buffers.push_back({Buffer::kWeight, name, none, bytes, 0, nullptr});
  plan.buffers.push_back({Buffer::kPacked, "p", none, 300, 0, nullptr});
  plan.buffers.push_back({Buffer::kPacked, "q", none, 7, 0, nullptr});
  plan.buffers.push_back({Buffer::kArena, "", none, 64, 0, nullptr});
  plan.packings = {{nullptr, {0, 1}, 4}, {nullptr, {2}, 5}};
  plan.steps.resize(1);
  plan.steps[0].arguments = {{4, 0}, {5, 0}, {6, 0}};
  return plan;
}

std::shared_ptr<Plan> plan_of(const std::string& text, bool library) {
  const Model model = Model::parse(std::make_shared<const SourceFile>(SourceFile{"m.toml", text}));
  LowerOptions options;
  options.target_name = "h200";
  options.target.card = find_target("h200");
  options.target.library = library;
  options.select.policy = library ? Policy::kLibrary : Policy::kFused;
  return lower(model.build(model.bind({}, {})), options);
}

// Products whose norm's weight can be folded in, of a table that is also read as it stands.
const char* kTied = R"toml(tenon = 1
[model]
name = "m"
dtype = "bf16"
[inputs]
tokens = { shape = [4], dtype = "i32" }
[weights]
g = { shape = [64] }
table = { shape = [96, 64] }
[graph]
body = ['y = linear(rmsnorm(embedding(table, tokens), g), table)']
outputs = ["y"]
)toml";

}  // namespace

TEST_CASE("a weight that only packings read is dropped, and told by its name without repetitions") {
  const WeightMemory memory = weight_memory(make_plan());
  CHECK(memory.held == 307);
  CHECK(memory.packed == 307);
  CHECK(memory.dropped == Bytes{{"c", 400}, {"layer.a", 300}});
  CHECK(memory.dropped_bytes() == 700);
}

TEST_CASE("a weight that is read packed and as it is counts both ways") {
  Plan plan = make_plan();
  plan.steps[0].arguments.push_back({2, 16});
  const WeightMemory memory = weight_memory(plan);
  CHECK(memory.held == 707);
  CHECK(memory.packed == 307);
  CHECK(memory.dropped == Bytes{{"layer.a", 300}});
}

TEST_CASE("what nothing reads is neither held nor dropped; outputs and new states read") {
  Plan plan = make_plan();
  plan.steps[0].arguments = {{6, 0}};
  CHECK(weight_memory(plan).held == 0);
  CHECK(weight_memory(plan).dropped.empty());
  plan.outputs["y"] = {3, 0};
  plan.state_copies.push_back({6, {2, 0}});
  CHECK(weight_memory(plan).held == 1200);
  CHECK(used_buffers(plan) == std::vector<bool>{false, false, true, true, false, false, true});
}

TEST_CASE("a tied table stays where the lookup reads it, beside what a product has packed of it") {
  for (const bool library : {false, true}) {
    CAPTURE(library);
    const auto plan = plan_of(kTied, library);
    const WeightMemory memory = weight_memory(*plan);
    const std::vector<bool> used = used_buffers(*plan);
    int64_t packed = 0;
    for (const Packing& packing : plan->packings) {
      CHECK(used[packing.output]);
      packed += plan->buffers[packing.output].bytes;
    }
    CHECK(memory.packed == packed);
    CHECK(memory.dropped.count("table") == 0);
    CHECK(memory.held >= packed + 96 * 64 * 2);
    CHECK(memory.held <= packed + 96 * 64 * 2 + 64 * 2);
  }
}

TEST_CASE("examples: what a device holds is no more than the weights, but for those read in two ways") {
  const Model model = Model::read(std::string(TENON_SOURCE_DIR) + "/examples/models/llama-3.2-1b.toml");
  LowerOptions options;
  options.target_name = "h200";
  options.target.card = find_target("h200");
  const auto plan = lower(model.build(model.bind({{"T", 1}}, {})), options);
  int64_t given = 0;
  for (const Buffer& buffer : plan->buffers)
    if (buffer.kind == Buffer::kWeight) given += buffer.bytes;
  const WeightMemory memory = weight_memory(*plan);
  CHECK(memory.packed > given / 4);  // q|k|v, and gate|up beside each other with their norms' weights
  CHECK(memory.held <= given);
  CHECK(memory.held - memory.packed + memory.dropped_bytes() == given);
  const json::Value told = json::parse(plan_json(*plan));
  CHECK(*told["memory"]["weights"].integer() == memory.held);
  CHECK(*told["memory"]["weights_packed"].integer() == memory.packed);
  for (const auto& [name, bytes] : memory.dropped) {
    CHECK(*told["memory"]["weights_dropped"][name.c_str()].integer() == bytes);
    CHECK(explain(*plan).find(name) != std::string::npos);
  }
}
