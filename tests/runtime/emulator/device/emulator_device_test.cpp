// Models on the emulator: through plan, NVRTC, executor and PTX to values, meters and equations.
#include "runtime/emulator/device/emulator_device.h"

#include <doctest/doctest.h>

#include "codegen/plan_json.h"
#include "codegen/residence.h"
#include "ir/diagnostics.h"
#include "runtime/kernel_check.h"
#include "tests/runtime/cuda/drawn_model.h"

using namespace tenon;
using namespace tenon::emulator;

namespace {

bool have_nvrtc() {
  if (cuda::find_nvrtc().library) return true;
  MESSAGE("SKIPPED: NVRTC is not installed");
  return false;
}

const char* kModel = R"toml(tenon = 1
[model]
name = "m"
dtype = "f32"
[dims]
T = "1..64"
[inputs]
x = { shape = ["T", 32] }
[weights]
g = { shape = [32] }
w = { shape = [32, 48] }
[graph]
body = [
  'h = layernorm(x, g)',
  'y = gelu(h @ w)',
]
outputs = ["y"]
)toml";

// A kernel that writes two elements past a value of four.
const char* kBad = R"cuda(extern "C" __global__ void bad(float* y) { y[threadIdx.x] = 1; })cuda";

// Launches six threads of kernel `bad` on memory for four.
void launch_bad(EmulatorDevice& device, const std::string& source) {
  const cuda::GpuContext& gpu = *device.gpu();
  const cuda::ContextScope scope(gpu.context());
  const cuda::OwnedMemory memory = gpu.context().allocate(16, "the result of site");
  cuda::CompileRequest request{"bad.cu", source, "sm_80", false};
  const std::string ptx = cuda::Nvrtc(cuda::find_nvrtc()).compile(request, {}).ptx;
  const cuda::OwnedModule module = gpu.context().load_module(ptx, "bad");
  cuda::Function function = nullptr;
  REQUIRE(gpu.api().cuModuleGetFunction(&function, module.get(), "bad") == 0);
  cuda::DevicePointer pointer = memory.get();
  void* parameters[] = {&pointer};
  const cuda::LaunchConfig config{1, 1, 1, 6, 1, 1, 0, nullptr, nullptr, 0};
  REQUIRE(gpu.api().cuLaunchKernelEx(&config, function, parameters, nullptr) == 0);
}

}  // namespace

TEST_CASE("emulator: devices by name") {
  if (!have_nvrtc()) return;
  CHECK(make_device("emulator")->description() == "emulator (sm_120)");
  for (const Architecture& architecture : architectures())
    CHECK(make_device("emulator:" + architecture.name.str())->description() ==
          "emulator (" + architecture.name.str() + ")");
  CHECK_THROWS_WITH_AS(make_device("emulator:sm_90"),
                       doctest::Contains("it knows sm_80, sm_89, sm_90a, sm_100a, sm_120"), Error);
  CHECK_THROWS_AS(make_device("emulator:"), Error);
}

TEST_CASE("emulator: a model's kernels agree with the f64 evaluator, write what they must and say so") {
  if (!have_nvrtc()) return;
  for (const char* name : {"sm_80", "sm_90a", "sm_120"}) {
    CAPTURE(name);
    const auto device = EmulatorDevice::open(name);
    const cuda::DrawnModel model(kModel, {{"T", 5}});
    const auto plan = model.plan(device->card(), false, Policy::kFused);
    const auto program = device->prepare(*model.graph, plan.get(), device->hold(model.weights, model.states));
    const RunResult result = program->run(model.inputs);
    CHECK(model.error(result) < 1e-5);
    CHECK(result.device_us == 0);
    CHECK(findings_text(device->machine()) == "");
    CHECK(device->machine().records().size() == plan->steps.size());
    int64_t written = 0;
    for (const LaunchRecord* record : records_of(*plan, device->machine())) {
      REQUIRE(record);
      CHECK(record->result.completed);
      written += static_cast<int64_t>(record->result.meter.totals().global_bytes_written);
    }
    CHECK(written >= 5 * 48 * 4);
    program->run(model.inputs);  // the second run's launches alone
    CHECK(device->machine().records().size() == plan->steps.size());
  }
}

TEST_CASE("emulator: a device holds the weights that launches read, each once, and the plan says how much") {
  if (!have_nvrtc()) return;
  const auto device = EmulatorDevice::open("sm_80");
  const cuda::DrawnModel model(kModel, {{"T", 5}});
  const auto plan = model.plan(device->card(), false, Policy::kFused);
  const auto store = std::dynamic_pointer_cast<cuda::DeviceStore>(device->hold(model.weights, model.states));
  REQUIRE(store);
  CHECK(store->bytes() == 0);
  const auto program = device->prepare(*model.graph, plan.get(), store);
  CHECK(store->bytes() == weight_memory(*plan).held);
  CHECK(weight_memory(*plan).held <= 2 * 32 * 48 * 4);
  CHECK(model.error(program->run(model.inputs)) < 1e-5);
}

TEST_CASE("emulator: every kernel is checked alone, on the values that it meets") {
  if (!have_nvrtc()) return;
  const auto device = EmulatorDevice::open("sm_80");
  const cuda::DrawnModel model(kModel, {{"T", 3}});
  const auto plan = model.plan(device->card(), false, Policy::kFused);
  const auto program = device->prepare(*model.graph, plan.get(), device->hold(model.weights, model.states));
  auto& executor = dynamic_cast<cuda::CudaProgram&>(*program).executor();
  const auto checks = check_kernels(executor, model.inputs, model.weights);
  REQUIRE(checks.size() == plan->kernels.size());
  for (const KernelCheck& check : checks) CHECK(check.passed());
}

TEST_CASE("emulator: a finding names allocation, source line and equation") {
  if (!have_nvrtc()) return;
  const auto source = std::make_shared<SourceFile>(SourceFile{"m.toml", "a\n  'y = x + 1',\n"});
  Kernel kernel;
  kernel.emitted.name = "bad";
  kernel.ops = {"add"};
  kernel.lines = {{source, 2, 3, 1}};
  CHECK(equation_of(kernel) == "add\n    m.toml:2: 'y = x + 1'");
  const auto device = EmulatorDevice::open("sm_80");
  device->machine().set_equation("bad", equation_of(kernel));
  launch_bad(*device, kBad);
  const std::string text = findings_text(device->machine());
  for (const char* part :
       {"bad: out of bounds", "`the result of site`", "thread (4,0,0)", "bad.cu:1", "m.toml:2: 'y = x + 1'"})
    CHECK_MESSAGE(text.find(part) != std::string::npos, part, " in ", text);
  CHECK_THROWS_WITH_AS(require_no_findings(device->machine()),
                       doctest::Contains("the emulator found a fault"), Error);
}

TEST_CASE("emulator: the first findings are told, each once") {
  if (!have_nvrtc()) return;
  std::string source = "extern \"C\" __global__ void bad(volatile float* y) {\n";
  for (int i = 0; i < 13; ++i) source += "y[threadIdx.x] = " + std::to_string(i) + ";\n";
  const auto device = EmulatorDevice::open("sm_80");
  launch_bad(*device, source + "}");
  launch_bad(*device, source + "}");
  const std::string text = findings_text(device->machine());
  CHECK(text.find("bad.cu:11") != std::string::npos);
  CHECK(text.find("bad.cu:12") == std::string::npos);
  CHECK(text.find("and 6 more: --json has all") != std::string::npos);
  CHECK(text.find("bad.cu:2\n") != std::string::npos);
  CHECK(text.find("bad.cu:2\n") == text.rfind("bad.cu:2\n"));
}
