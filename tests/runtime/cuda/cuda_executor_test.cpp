// The executor on a driver in host memory: values, allocations, graph replay, binding, capture by the caller,
// states, errors.
#include "runtime/cuda/cuda_executor.h"

#include <doctest/doctest.h>

#include <cstring>

#include "codegen/residence.h"
#include "ir/builder.h"
#include "tests/runtime/cuda/fake_driver.h"

using namespace tenon;
using namespace tenon::cuda;

namespace {

using Floats = std::vector<float>;

llvm::ArrayRef<char> bytes_of(const Floats& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}
Floats floats_of(const Tensor& tensor) {
  Floats values;
  for (int64_t i = 0; i < tensor.elements(); ++i) values.push_back(static_cast<float>(tensor.at(i)));
  return values;
}
Floats output(CudaExecutor& executor, llvm::StringRef name) {
  Floats values(4);
  executor.read_output(name, {reinterpret_cast<char*>(values.data()), 16});
  return values;
}
Floats buffer(CudaExecutor& executor, BufferRef place, int count) {
  Floats values(count);
  executor.read(place, {reinterpret_cast<char*>(values.data()), count * sizeof(float)});
  return values;
}

// y = x * w in the arena, z = y + s + count as output, s <- z, and x itself as a second output.
std::shared_ptr<Plan> make_plan() {
  const Type type{DType::kF32, {4}};
  auto graph = std::make_shared<Graph>();
  Builder builder(*graph);
  Value* x = builder.source(Op::kInput, "x", type);
  Value* w = builder.source(Op::kWeight, "w", type);
  Value* s = builder.source(Op::kState, "s", type);
  Value* y = builder.make(Op::kMul, {x, w});
  Value* z = builder.make(Op::kAdd, {y, s});
  graph->add_output("z", z);
  graph->add_output("same", x);
  graph->add_state_update(s->node(), z);

  auto plan = std::make_shared<Plan>();
  plan->buffers = {{Buffer::kInput, "x", type, 16, 0, x->node()},
                   {Buffer::kWeight, "w", type, 16, 0, w->node()},
                   {Buffer::kState, "s", type, 16, 0, s->node()},
                   {Buffer::kArena, "", type, 16, 256, nullptr},
                   {Buffer::kOutput, "z", type, 16, 0, nullptr}};
  plan->graph = graph;
  plan->arena_bytes = 512;
  plan->outputs = {{"z", {4, 0}}, {"same", {0, 0}}};
  plan->state_copies = {{2, {4, 0}}};
  plan->kernels.resize(2);
  plan->kernels[0].emitted.name = "scale";
  plan->kernels[0].emitted.source = "scale source";
  plan->kernels[0].emitted.arguments = {
      {KernelArgument::kOperand, 0, 0}, {KernelArgument::kOperand, 1, 0}, {KernelArgument::kResult, 0, 0}};
  plan->kernels[1].emitted.name = "add";
  plan->kernels[1].emitted.source = "add source";
  plan->kernels[1].emitted.shared_bytes = 100 * 1024;
  plan->kernels[1].emitted.arguments = {{KernelArgument::kOperand, 0, 0},
                                        {KernelArgument::kOperand, 1, 0},
                                        {KernelArgument::kInt32, 0, 7},
                                        {KernelArgument::kCounters, 0, 0},
                                        {KernelArgument::kResult, 0, 0}};
  plan->steps.resize(2);
  plan->steps[0].kernel = 0;
  plan->steps[0].arguments = {{0, 0}, {1, 0}, {3, 0}};
  plan->steps[0].values = {0, 0, 0};
  plan->steps[1].kernel = 1;
  plan->steps[1].arguments = {{3, 0}, {2, 0}, {}, {}, {4, 0}};
  plan->steps[1].values = {0, 0, 7, 0, 0};
  plan->steps[1].counters = {3, 16};
  return plan;
}

struct Bench {
  FakeDriver driver;
  int compiled = 0;
  std::shared_ptr<GpuContext> gpu;
  std::shared_ptr<DeviceStore> store;

  Bench() {
    driver.kernels["scale"] = {{8, 8, 8}, [](const LaunchConfig&, void** p) {
                                 const auto [x, w, y] = std::tuple{at(p, 0), at(p, 1), at(p, 2)};
                                 for (int i = 0; i < 4; ++i) y[i] = x[i] * w[i];
                               }};
    driver.kernels["add"] = {{8, 8, 4, 8, 8}, [](const LaunchConfig& config, void** p) {
                               CHECK(config.shared_bytes == 100 * 1024);
                               CHECK(*at(p, 3) == 0);  // the counter is zero at first
                               const int number = *static_cast<int*>(p[2]);
                               for (int i = 0; i < 4; ++i)
                                 at(p, 4)[i] = at(p, 0)[i] + at(p, 1)[i] + static_cast<float>(number);
                             }};
    gpu = std::make_shared<GpuContext>(
        driver.api(), 0,
        [this](const std::vector<CompileRequest>& requests) {
          compiled += static_cast<int>(requests.size());
          for (const CompileRequest& request : requests) CHECK(request.arch == "sm_90a");
          return std::vector<CompiledKernel>(requests.size());
        },
        LibrarySearch{});
    const Type type{DType::kF32, {4}};
    store = std::make_shared<DeviceStore>(gpu, TensorMap{{"w", Tensor::of(type, {1, 2, 3, 4})}},
                                          TensorMap{{"s", Tensor::zeros(type)}});
  }
  ~Bench() {
    store.reset();
    gpu.reset();
    CHECK(driver.allocated_bytes == 0);
    CHECK(driver.live_objects == 0);
  }
  static float* at(void** parameters, int i) { return *static_cast<float**>(parameters[i]); }
};

}  // namespace

TEST_CASE("a run computes outputs, copies what is no kernel's result, and carries the state on") {
  Bench bench;
  const auto plan = make_plan();
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.write_input("x", bytes_of({1, 1, 1, 2}));
  executor.run();
  CHECK(output(executor, "z") == Floats{8, 9, 10, 15});
  CHECK(output(executor, "same") == Floats{1, 1, 1, 2});
  executor.run();
  CHECK(output(executor, "z") == Floats{16, 18, 20, 30});
  CHECK(floats_of(bench.store->state().at("s")) == Floats{16, 18, 20, 30});
  bench.store->set_state({{"s", Tensor::zeros({DType::kF32, {4}})}});
  executor.run();
  CHECK(output(executor, "z") == Floats{8, 9, 10, 15});
  bench.store->set_state({{"s", Tensor::of({DType::kF32, {4}}, {1, 0, 0, 0})}});
  executor.run();
  CHECK(output(executor, "z") == Floats{9, 9, 10, 15});
  CHECK(bench.driver.count("cuFuncSetAttribute") == 1);  // of the kernel above 48 KB alone
}

TEST_CASE("runs replay one captured graph") {
  Bench bench;
  const auto plan = make_plan();
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.prepare();
  CHECK(bench.driver.count("cuGraphInstantiate") == 1);
  CHECK(bench.driver.count("launch scale") == 1);  // into the capture
  bench.driver.calls.clear();
  executor.run();
  executor.run();
  const std::vector<std::string> run = {"cuEventRecord", "cuGraphLaunch", "cuEventRecord",
                                        "cuStreamSynchronize"};
  std::vector<std::string> two = run;
  two.insert(two.end(), run.begin(), run.end());
  CHECK(bench.driver.calls == two);
}

TEST_CASE("enqueue neither allocates nor waits, with the application's own memory") {
  Bench bench;
  const auto plan = make_plan();
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  alignas(16) float x[4] = {2, 2, 2, 2}, z[4] = {}, other[4] = {};
  executor.bind_input("x", reinterpret_cast<DevicePointer>(x));
  executor.bind_output("z", reinterpret_cast<DevicePointer>(z));
  CHECK_THROWS_WITH_AS(executor.enqueue(nullptr), doctest::Contains("enqueue before prepare"), Error);
  executor.prepare();
  bench.driver.calls.clear();
  executor.enqueue(nullptr);
  CHECK(bench.driver.calls == std::vector<std::string>{"cuGraphLaunch"});
  CHECK(Floats(z, z + 4) == Floats{9, 11, 13, 15});

  // Another pointer: launches one by one until the next prepare, still without allocation.
  executor.bind_output("z", reinterpret_cast<DevicePointer>(other));
  bench.driver.calls.clear();
  executor.enqueue(nullptr);
  CHECK(bench.driver.calls ==
        std::vector<std::string>{"launch scale", "launch add", "cuMemcpyDtoDAsync", "cuMemcpyDtoDAsync"});
  CHECK(Floats(other, other + 4) == Floats{18, 22, 26, 30});
  executor.prepare();
  bench.driver.calls.clear();
  executor.enqueue(nullptr);
  CHECK(bench.driver.calls == std::vector<std::string>{"cuGraphLaunch"});
}

TEST_CASE("inside the caller's capture the launches themselves are captured") {
  Bench bench;
  const DriverApi& api = bench.driver.api();
  const auto plan = make_plan();
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.write_input("x", bytes_of({1, 1, 1, 1}));
  const OwnedStream stream = bench.gpu->context().make_stream();
  bench.driver.calls.clear();
  TENON_CUDA(api, cuStreamBeginCapture_v2, stream.get(), kCaptureThreadLocal);
  executor.enqueue(stream.get());
  GraphHandle graph = nullptr;
  TENON_CUDA(api, cuStreamEndCapture, stream.get(), &graph);
  CHECK(bench.driver.calls == std::vector<std::string>{"cuStreamBeginCapture", "launch scale", "launch add",
                                                       "cuMemcpyDtoDAsync", "cuMemcpyDtoDAsync",
                                                       "cuStreamEndCapture"});
  GraphExec exec = nullptr;
  TENON_CUDA(api, cuGraphInstantiateWithFlags, &exec, graph, 0);
  TENON_CUDA(api, cuGraphLaunch, exec, nullptr);
  CHECK(output(executor, "z") == Floats{8, 9, 10, 11});
  api.cuGraphExecDestroy(exec);
  api.cuGraphDestroy(graph);
}

TEST_CASE("two plans share kernels, weights and states") {
  Bench bench;
  const auto plan = make_plan(), other = make_plan();
  CudaExecutor one(bench.gpu, bench.store, *plan), two(bench.gpu, bench.store, *other);
  CHECK(bench.compiled == 2);
  one.write_input("x", bytes_of({1, 1, 1, 1}));
  two.write_input("x", bytes_of({0, 0, 0, 0}));
  const int64_t bytes = bench.store->bytes();
  CHECK(bytes == 32);
  one.run();
  two.run();
  CHECK(output(two, "z") == Floats{15, 16, 17, 18});
  CHECK(bench.store->bytes() == bytes);
}

TEST_CASE("weights of equal storage are uploaded once, states of another size are refused") {
  Bench bench;
  const Type type{DType::kF32, {4}};
  const Tensor shared = Tensor::of(type, {1, 2, 3, 4});
  DeviceStore store(bench.gpu, {{"a", shared}, {"b", shared}, {"c", shared.copy()}},
                    {{"s", Tensor::zeros(type)}});
  const auto place = [&](const char* name) {
    return store.weight({Buffer::kWeight, name, type, 16, 0, nullptr});
  };
  CHECK(place("a") == place("b"));
  CHECK(place("a") != place("c"));
  CHECK(store.bytes() == 48);
  const Type wider{DType::kF32, {8}};
  CHECK_THROWS_WITH_AS(store.state({Buffer::kState, "s", wider, 32, 0, nullptr}),
                       doctest::Contains("made as f32[4] and is now wanted as f32[8]"), Error);
}

TEST_CASE("adopted weights and states are used in place") {
  Bench bench;
  alignas(16) float weight[4] = {10, 10, 10, 10}, state[4] = {1, 2, 3, 4};
  bench.store->adopt("w", reinterpret_cast<DevicePointer>(weight));
  bench.store->adopt("s", reinterpret_cast<DevicePointer>(state));
  const auto plan = make_plan();
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.write_input("x", bytes_of({1, 1, 1, 1}));
  executor.run();
  CHECK(Floats(state, state + 4) == Floats{18, 19, 20, 21});
  CHECK(bench.store->bytes() == 0);
}

TEST_CASE("single steps and timings") {
  Bench bench;
  const auto plan = make_plan();
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.write_input("x", bytes_of({3, 3, 3, 3}));
  executor.run_step(0);
  CHECK(buffer(executor, {3, 0}, 4) == Floats{3, 6, 9, 12});
  CHECK(buffer(executor, {3, 8}, 2) == Floats{9, 12});
  const Timing timing = executor.measure(5);
  CHECK(timing.run_us == doctest::Approx(1500));
  CHECK(timing.step_us == std::vector<double>{1500, 1500});
}

TEST_CASE("a step without a kernel copies") {
  Bench bench;
  const auto plan = make_plan();
  plan->steps.push_back({});
  plan->steps[2].arguments = {{3, 0}, {4, 0}};
  plan->steps[2].values = {8};
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.write_input("x", bytes_of({5, 5, 5, 5}));
  executor.run();
  CHECK(output(executor, "z") == Floats{5, 10, 22, 27});
}

TEST_CASE("packed weights are computed once from the host's, rope tables from their node") {
  Bench bench;
  const auto plan = make_plan();
  Graph sources;
  const Node* table =
      sources.create(Op::kRopeTable, {}, Attributes{{"theta", 100.0}}, {Type{DType::kF32, {2}}});
  plan->buffers.push_back({Buffer::kWeight, "freqs", table->type(), 8, 0, table});
  plan->buffers.push_back({Buffer::kPacked, "p", {DType::kF32, {4}}, 16, 0, nullptr});
  auto graph = std::make_shared<Graph>();
  Builder builder(*graph);
  Value* w = builder.source(Op::kParameter, "", {DType::kF32, {2, 2}}, {{"index", Dim(0)}});
  Value* f = builder.source(Op::kParameter, "", {DType::kF32, {2}}, {{"index", Dim(1)}});
  graph->add_output("packed", builder.make(Op::kMul, {w, f}));
  plan->packings = {{graph, {1, 5}, 6}};
  plan->steps[0].arguments[1] = {6, 0};
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.write_input("x", bytes_of({1, 1, 1, 1}));
  executor.run();
  const std::vector<double> expected = rope_table(*table);
  REQUIRE(expected.size() == 2);
  CHECK(output(executor, "z") ==
        Floats{8, static_cast<float>(2 * expected[1] + 7), 10, static_cast<float>(4 * expected[1] + 7)});
  CHECK(bench.store->bytes() == 32);  // the state and the packed weight: the weight itself is not needed
  CHECK(weight_memory(*plan).held == 16);
  CHECK(weight_memory(*plan).dropped == std::map<std::string, int64_t>{{"freqs", 8}, {"w", 16}});
}

TEST_CASE("launches without work are left out") {
  Bench bench;
  auto plan = make_plan();
  plan->steps[0].grid[1] = 0;
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  executor.prepare();
  CHECK(bench.driver.count("launch scale") == 0);
  CHECK(bench.driver.count("launch add") == 1);
}

TEST_CASE("errors say what was wanted") {
  Bench bench;
  const auto plan = make_plan();
  CudaExecutor executor(bench.gpu, bench.store, *plan);
  CHECK_THROWS_WITH_AS(executor.bind_input("nope", 16), doctest::Contains("the model has no input 'nope'"),
                       Error);
  CHECK_THROWS_WITH_AS(executor.bind_output("nope", 16), doctest::Contains("the model has no output 'nope'"),
                       Error);
  CHECK_THROWS_WITH_AS(bench.store->adopt("w", 24), doctest::Contains("'w' is not 16-byte aligned"), Error);
  CHECK_THROWS_WITH_AS(executor.bind_input("x", 8), doctest::Contains("'x' is not 16-byte aligned"), Error);
  bench.driver.fail_allocation = true;
  CHECK_THROWS_WITH_AS(executor.prepare(),
                       doctest::Contains("512 bytes for the arena): CUDA_ERROR_OUT_OF_MEMORY"), Error);
  bench.driver.fail_allocation = false;
  executor.prepare();

  auto wrong = make_plan();
  wrong->kernels[0].emitted.name = "absent";
  wrong->kernels[0].emitted.source = "absent source";
  CHECK_THROWS_WITH_AS(CudaExecutor(bench.gpu, bench.store, *wrong),
                       doctest::Contains("kernel absent): CUDA_ERROR_NOT_FOUND"), Error);

  auto product = make_plan();
  product->kernels[0].emitted.source.clear();
  product->kernels[0].emitted.product.m = product->kernels[0].emitted.product.n =
      product->kernels[0].emitted.product.k = 4;
  CHECK_THROWS_AS(CudaExecutor(bench.gpu, bench.store, *product), Error);
}
