// Whole models through plan, executor and generated kernels without a GPU: the driver is in host memory, the kernels
// are compiled by the host's compiler. What the GPU's tests check, as far as one machine without a GPU can.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "runtime/cuda/cuda_device.h"
#include "runtime/kernel_check.h"
#include "tests/host_cuda/host_kernel.h"
#include "tests/runtime/cuda/drawn_model.h"
#include "tests/runtime/cuda/fake_driver.h"

using namespace tenon;
using namespace tenon::cuda;

namespace {

// The kernel on the host, as the fake driver calls it.
FakeKernel on_host(const std::string& source, const std::string& name) {
  const host_cuda::HostKernel kernel = host_cuda::compile_host_kernel(source, name);
  const std::vector<size_t> sizes = kernel.parameters();
  return {sizes, [kernel, sizes](const LaunchConfig& config, void** parameters) {
            std::vector<host_cuda::Argument> arguments;
            for (size_t i = 0; i < sizes.size(); ++i) {
              const unsigned char* bytes = static_cast<unsigned char*>(parameters[i]);
              arguments.emplace_back(0);
              arguments.back().bytes.assign(bytes, bytes + sizes[i]);
            }
            kernel.launch({config.grid_x, config.grid_y, config.grid_z},
                          {config.block_x, config.block_y, config.block_z}, config.shared_bytes, arguments);
          }};
}

std::shared_ptr<GpuContext> host_gpu(FakeDriver& driver) {
  const auto compiler = [&driver](const std::vector<CompileRequest>& requests) {
    for (const CompileRequest& request : requests) {
      const std::string name = request.name.substr(0, request.name.size() - 3);  // without ".cu"
      driver.kernels[name] = on_host(request.source, name);
    }
    return std::vector<CompiledKernel>(requests.size());
  };
  return std::make_shared<GpuContext>(driver.api(), 0, compiler, LibrarySearch{});
}

const char* kFfn = R"toml(tenon = 1
[model]
name = "ffn"
dtype = "bf16"
[dims]
T = "1..64"
[inputs]
x = { shape = ["T", 32] }
[weights]
g = { shape = [32] }
w1 = { shape = [32, 64] }
b1 = { shape = [64] }
w2 = { shape = [64, 32] }
[graph]
body = [
  'h = gelu(rmsnorm(x, g) @ w1 + b1)',
  'y = x + h @ w2',
]
outputs = ["y", "x"]
)toml";

const char* kDecoder = R"toml(tenon = 1
[model]
name = "decoder"
dtype = "f32"
[dims]
T = "1..8"
[inputs]
x = { shape = [1, "T", 32] }
position = { shape = [], dtype = "i32" }
[weights]
wq = { shape = [64, 32] }
wk = { shape = [32, 32] }
wv = { shape = [32, 32] }
wo = { shape = [32, 64] }
[state]
k_cache = { shape = [1, 1, 16, 32] }
v_cache = { shape = [1, 1, 16, 32] }
[graph]
body = [
  'q = rope(heads(linear(x, wq), 2), position)',
  'k = rope(heads(linear(x, wk), 1), position)',
  'v = heads(linear(x, wv), 1)',
  'k, v = cache(k_cache, v_cache, k, v, position)',
  'a = attention(q, k, v, causal=true, offset=position)',
  'y = x + linear(merge_heads(a), wo)',
]
outputs = ["y"]
)toml";

}  // namespace

TEST_CASE("an ffn runs as planned for two bindings of its dim, with shared weights") {
  if (!host_cuda::host_compiler_available()) {
    MESSAGE("skipped: no C++ compiler");
    return;
  }
  FakeDriver driver;
  CudaDevice device(host_gpu(driver));
  const TensorMap weights = DrawnModel(kFfn, {}).weights;
  const auto residents = device.hold(weights, {});
  for (const int64_t rows : {5, 33}) {
    DrawnModel model(kFfn, {{"T", rows}});
    model.weights = weights;
    const auto plan = model.plan(find_target("sm_80"), false, Policy::kFused);
    const auto program = device.prepare(*model.graph, plan.get(), residents);
    CAPTURE(rows);
    CHECK(model.error(program->run(model.inputs)) < 8 * unit_roundoff(DType::kBF16));
  }
}

TEST_CASE("a decoder with rotary positions and caches runs step after step") {
  if (!host_cuda::host_compiler_available()) {
    MESSAGE("skipped: no C++ compiler");
    return;
  }
  FakeDriver driver;
  CudaDevice device(host_gpu(driver));
  DrawnModel model(kDecoder, {{"T", 3}});
  const auto residents = device.hold(model.weights, model.states);
  const auto plan = model.plan(find_target("sm_80"), false, Policy::kFused);
  const auto program = device.prepare(*model.graph, plan.get(), residents);
  for (const double position : {0, 3}) {
    model.inputs["position"] = Tensor::of({DType::kI32, {}}, {position});
    const Evaluation wanted = model.exact();
    CHECK(model.error(program->run(model.inputs)) < 1e-5);
    model.states = residents->state();
    REQUIRE(wanted.state_updates.size() == 2);
    CHECK(DrawnModel::distance(model.states.at("k_cache"), wanted.state_updates[0]) < 1e-5);
    CHECK(DrawnModel::distance(model.states.at("v_cache"), wanted.state_updates[1]) < 1e-5);
  }
  model.inputs["position"] = Tensor::of({DType::kI32, {}}, {14});
  CHECK_THROWS_WITH_AS(program->run(model.inputs),
                       doctest::Contains("3 tokens at position 14 do not fit the capacity of 16 of state "
                                         "'k_cache' (input 'position')"),
                       Error);
}

TEST_CASE("each kernel is judged on the operands that it met, and a wrong one is named") {
  if (!host_cuda::host_compiler_available()) {
    MESSAGE("skipped: no C++ compiler");
    return;
  }
  FakeDriver driver;
  CudaDevice device(host_gpu(driver));
  DrawnModel model(kDecoder, {{"T", 3}});
  const auto plan = model.plan(find_target("sm_80"), false, Policy::kFused);
  const auto program = device.prepare(*model.graph, plan.get(), device.hold(model.weights, model.states));
  auto& executor = static_cast<CudaProgram&>(*program).executor();
  const std::vector<KernelCheck> checks = check_kernels(executor, model.inputs, model.weights);
  CHECK(checks.size() == plan->kernels.size());
  for (const KernelCheck& check : checks) {
    CAPTURE(check.site);
    CHECK(check.passed());
  }

  // The last kernel's result, spoiled by one element, is noticed there and nowhere else.
  FakeKernel& last = driver.kernels.at(plan->kernels[plan->steps.back().kernel].emitted.name);
  int result = 0;
  const auto& arguments = plan->kernels[plan->steps.back().kernel].emitted.arguments;
  while (arguments[result].kind != KernelArgument::kResult) ++result;
  last.run = [right = last.run, result](const LaunchConfig& config, void** parameters) {
    right(config, parameters);
    (*static_cast<float**>(parameters[result]))[5] += 0.5f;
  };
  for (const KernelCheck& check : check_kernels(executor, model.inputs, model.weights))
    CHECK(check.passed() == (check.kernel != plan->steps.back().kernel));
}
