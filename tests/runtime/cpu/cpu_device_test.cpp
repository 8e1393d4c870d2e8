#include "runtime/cpu/cpu_device.h"

#include <atomic>

#include "runtime/cpu/thread_pool.h"
#include "tests/runtime/cpu/graphs.h"

namespace tenon {
namespace {

TEST_CASE("loops cover every iteration once, nest, and hand the first failure on") {
  std::vector<std::atomic<int>> hits(1000);
  cpu::parallel_for(1000, [&](int64_t i) { cpu::parallel_for(2, [&](int64_t) { ++hits[i]; }); });
  for (auto& hit : hits) CHECK(hit == 2);
  auto fail = [](int64_t i) {
    if (i % 10 == 3) throw Error("iteration " + std::to_string(i));
  };
  CHECK_THROWS_WITH_AS(cpu::parallel_for(100, fail), doctest::Contains("iteration 3"), Error);
  int64_t sum = 0;
  cpu::parallel_pieces(10, 100, [&](int64_t begin, int64_t end) { sum += end - begin; });
  CHECK(sum == 10);
}

/// y = attention(x, cache(x)), with a cache of 4 rows.
std::unique_ptr<Graph> cached() {
  auto graph = std::make_unique<Graph>();
  Builder b(*graph);
  Type rows{DType::kF32, {1, 1, 2, 8}}, cache{DType::kF32, {1, 1, 4, 8}};
  Value* x = b.source(Op::kInput, "x", rows);
  Value* position = b.source(Op::kInput, "position", {DType::kI32, {}});
  Value* state = b.source(Op::kState, "k_cache", cache);
  Value* fresh = b.make(Op::kCacheWrite, {state, x, position});
  graph->add_output(
      "y", b.make(Op::kAttention, {x, fresh, fresh, position}, {{"causal", true}, {"offset", true}}));
  graph->add_state_update(state->node(), fresh);
  return graph;
}

TEST_CASE("states live from run to run; outputs of a run do not change in the next") {
  auto graph = cached();
  auto device = cpu::make_cpu_device();
  CHECK(!device->needs_plan());
  auto residents = device->hold({}, {{"k_cache", Tensor::zeros({DType::kF32, {1, 1, 4, 8}})}});
  auto program = device->prepare(*graph, nullptr, residents);
  Tensor x = test::drawn({DType::kF32, {1, 1, 2, 8}}, 1);
  auto at = [&](double position) {
    return TensorMap{{"x", x}, {"position", Tensor::of({DType::kI32, {}}, {position})}};
  };
  Tensor first = program->run(at(0)).outputs[0];
  double before = first.at(0);
  TensorMap kept = residents->state();
  CHECK(kept.at("k_cache").at(0) == x.at(0));
  CHECK(kept.at("k_cache").at(16) == 0);
  program->run(at(2));
  CHECK(residents->state().at("k_cache").at(16) == x.at(0));
  CHECK(kept.at("k_cache").at(16) == 0);
  CHECK(first.at(0) == before);
  CHECK_THROWS_WITH_AS(program->run(at(3)),
                       doctest::Contains("2 tokens at position 3 do not fit the capacity of 4"), Error);
  CHECK_THROWS_AS(program->run(at(-1)), Error);
}

TEST_CASE("the state's old value stays readable where somebody reads it") {
  auto graph = cached();
  Value* state = graph->state_updates()[0].state->result();
  graph->add_output("old", state);
  auto device = cpu::make_cpu_device();
  auto residents = device->hold({}, {{"k_cache", Tensor::zeros({DType::kF32, {1, 1, 4, 8}})}});
  auto program = device->prepare(*graph, nullptr, residents);
  Tensor x = test::drawn({DType::kF32, {1, 1, 2, 8}}, 1);
  RunResult run = program->run({{"x", x}, {"position", Tensor::of({DType::kI32, {}}, {0})}});
  CHECK(run.outputs[1].at(0) == 0);
  CHECK(residents->state().at("k_cache").at(0) == x.at(0));
}

TEST_CASE("a region runs by its body") {
  Graph graph;
  Builder b(graph);
  Type type{DType::kF32, {3, 4}};
  Value *x = b.source(Op::kInput, "x", type), *w = b.source(Op::kWeight, "w", {DType::kF32, {4}});
  Node* region = graph.create(Op::kFused, {x, w}, {}, {type, type});
  auto body = std::make_shared<Graph>();
  Builder inner(*body);
  Value* p = inner.make(Op::kParameter, {}, {{"index", Dim(0)}}, &type);
  Type row{DType::kF32, {4}};
  Value* q = inner.make(Op::kParameter, {}, {{"index", Dim(1)}}, &row);
  Value* sum = inner.make(Op::kAdd, {p, q});
  body->add_output("", sum);
  body->add_output("", inner.make(Op::kGelu, {sum}));
  region->body = body;
  graph.add_output("y", b.make(Op::kMul, {region->result(0), region->result(1)}));
  test::check_graph(graph, 1e-6);
}

TEST_CASE("inputs that are outputs, unused sources, one value twice") {
  Graph graph;
  Builder b(graph);
  Value* x = b.source(Op::kInput, "x", {DType::kBF16, {2, 3}});
  b.source(Op::kWeight, "unused", {DType::kF32, {int64_t{1} << 40}});
  graph.add_output("a", x);
  graph.add_output("b", x);
  graph.add_output("c", b.make(Op::kAdd, {x, x}));
  test::check_graph(graph, 0);
}

}  // namespace
}  // namespace tenon
