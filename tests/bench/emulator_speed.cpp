// emulator_speed.cpp: how fast the emulator runs the kernels that Tenon emits, with and without race checks; how long it reads one;
// what a persistent kernel of 132 blocks costs in memory. Processor time of one thread, best of several, beside the goal; exits 1
// beyond a bound, which is what it took before and what a busy machine adds.
#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "codegen/embedded.h"
#include "codegen/lower.h"
#include "ir/diagnostics.h"
#include "ir/model.h"
#include "runtime/binding.h"
#include "runtime/cuda/nvrtc.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/emulator/ptx/parser.h"
#include "runtime/session.h"

using namespace tenon;
using emulator::EmulatorDevice;

namespace {

constexpr int kRepetitions = 7;

// Processor time: what other programs on the machine do does not count.
double milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

template <class Work>
double best_milliseconds(Work work) {
  double best = 1e30;
  for (int i = 0; i < kRepetitions; ++i) {
    const double start = milliseconds();
    work();
    best = std::min(best, milliseconds() - start);
  }
  return best;
}

/// A model whose plan is one kernel; milliseconds of its emulation without race checks, with them twice as much.
struct Subject {
  const char* name;
  double goal, bound;
  const char* text;
};

constexpr Subject kSubjects[] = {{"GEMM 512 x 512 x 512, bf16", 60, 90, R"toml(tenon = 1
[model]
name = "gemm"
dtype = "bf16"
[inputs]
x = { shape = [512, 512] }
[weights]
w = { shape = [512, 512] }
[graph]
body = ['y = x @ w']
outputs = ["y"]
)toml"},
                                 {"causal attention 4 x 512 x 128, bf16", 80, 200, R"toml(tenon = 1
[model]
name = "attention"
dtype = "bf16"
[inputs]
q = { shape = [1, 4, 512, 128] }
k = { shape = [1, 4, 512, 128] }
v = { shape = [1, 4, 512, 128] }
[graph]
body = ['y = attention(q, k, v, causal=true)']
outputs = ["y"]
)toml"},
                                 {"layer norm 512 x 2048, bf16", 15, 50, R"toml(tenon = 1
[model]
name = "layernorm"
dtype = "bf16"
[inputs]
x = { shape = [512, 2048] }
[weights]
w = { shape = [2048] }
b = { shape = [2048] }
[graph]
body = ['y = layernorm(x, w, b)']
outputs = ["y"]
)toml"}};

std::shared_ptr<Plan> plan_of(std::unique_ptr<Graph> graph, const std::string& target) {
  LowerOptions options;
  options.target_name = target;
  options.target.card = find_target(target);
  options.target.library = false;
  options.select.policy = Policy::kFused;
  return lower(std::move(graph), options);
}

Model read(const std::string& name, const std::string& text) {
  return Model::parse(std::make_shared<const SourceFile>(SourceFile{name, text}));
}

/// Of one run of the model: its kernel, and the copies of its inputs and outputs, which cost little beside it.
double emulated(const Subject& subject, bool races) {
  emulator::Options options;
  options.host_threads = 1;
  options.shared_races = races;
  auto machine = std::make_shared<emulator::EmulatedMachine>(emulator::find_architecture("sm_80"), options);
  const auto nvrtc = std::make_shared<const cuda::Nvrtc>(cuda::find_nvrtc());
  auto device =
      std::make_shared<EmulatorDevice>(machine, [nvrtc](std::vector<cuda::CompileRequest> requests) {
        for (cuda::CompileRequest& request : requests) request.cubin = false;
        return nvrtc->compile_all(requests, embedded_templates());
      });
  const Model model = read(subject.name, subject.text);
  const DimBinding dims = model.bind({}, {});
  std::shared_ptr<const Graph> graph = model.build(dims);
  auto plan = plan_of(model.build(dims), "sm_80");
  if (plan->kernels.size() != 1) throw Error(std::string(subject.name) + " is not one kernel");
  Session session(graph, bind_tensors(*graph, {}, 0, false), device, plan);
  const double best = best_milliseconds([&] { session.run(); });
  emulator::require_no_findings(*machine);
  return best;
}

/// Prints a measurement beside what it is to be and what it may be; whether it is no more than that.
bool keeps(const std::string& what, double value, double goal, double bound, const char* unit) {
  std::printf("  %-56s %8.1f %s  goal %3.0f%s, at most %3.0f%s\n", what.c_str(), value, unit, goal,
              value <= goal ? "" : " MISSED", bound, value <= bound ? "" : " EXCEEDED");
  return value <= bound;
}

bool measure_subjects() {
  bool kept = true;
  for (const Subject& subject : kSubjects)
    for (const bool races : {false, true})
      kept &= keeps(std::string(subject.name) + (races ? ", race checks" : ""), emulated(subject, races),
                    subject.goal * (1 + races), subject.bound * (1 + races), "ms");
  return kept;
}

cuda::CompiledKernel compiled(const std::string& name, const std::string& source, const std::string& target) {
  return cuda::Nvrtc(cuda::find_nvrtc()).compile({name, source, target, false}, embedded_templates());
}

/// The longest PTX among the kernels of a model with a cache, for the architectures of both dialects.
std::string longest_ptx(const std::string& path) {
  const Model model = Model::read(path);
  std::string longest;
  for (const char* target : {"sm_80", "sm_120"}) {
    const auto plan = plan_of(model.build(model.bind({{"T", 512}}, {})), target);
    for (const Kernel& kernel : plan->kernels) {
      if (kernel.emitted.source.empty()) continue;
      std::string ptx = compiled(kernel.emitted.name, kernel.emitted.source, target).ptx;
      if (ptx.size() > longest.size()) longest = std::move(ptx);
    }
  }
  return longest;
}

bool measure_reading(const std::string& path) {
  const std::string ptx = longest_ptx(path);
  std::string name;
  const double best = best_milliseconds([&] {
    auto module = std::make_shared<ptx::Module>(ptx::parse(ptx, "longest.ptx"));
    for (const ptx::Function& function : module->functions)
      if (function.entry) name = function.name;
    emulator::decode(module, name, emulator::VariableAddresses(module->variables.size(), 0x1000));
  });
  const auto lines = std::count(ptx.begin(), ptx.end(), '\n');
  return keeps("reading " + name + ", " + std::to_string(lines) + " lines of PTX", best, 10, 15, "ms");
}

// Blocks as a persistent product has them: 384 threads with 64 sums each, 200 KiB of shared memory, all of it in use, and
// a barrier of the whole grid between rounds.
const char* kPersistent =
    R"cuda(extern "C" __global__ __launch_bounds__(384) void persistent(float* out, unsigned* arrived) {
  extern __shared__ float tile[];
  float sums[64] = {};
  for (unsigned round = 0; round < 3; ++round) {
    for (int i = threadIdx.x; i < 51200; i += 384) tile[i] = i + round;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 64; ++i) sums[i] += tile[(threadIdx.x + 384 * i) % 51200] * tile[51199 - threadIdx.x - i];
    __syncthreads();
    if (threadIdx.x == 0) {
      __threadfence();
      atomicAdd(arrived, 1u);
      while (atomicAdd(arrived, 0u) < (round + 1) * gridDim.x) {}
      __threadfence();
    }
    __syncthreads();
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < 64; ++i) sum = sum * 0.5f + sums[i];
  out[blockIdx.x * 384 + threadIdx.x] = sum;
}
)cuda";

/// "VmHWM" or "VmRSS" of this process, in MB.
double resident_megabytes(const char* what) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(what, 0) == 0) return std::stod(line.substr(std::strlen(what) + 1)) / 1024;
  return 0;
}

bool measure_persistent() {
  constexpr int kBlocks = 132, kThreads = 384, kShared = 200 << 10;
  auto module = std::make_shared<ptx::Module>(
      ptx::parse(compiled("persistent.cu", kPersistent, "sm_90a").ptx, "persistent.ptx"));
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak begins anew
  const double before = resident_megabytes("VmRSS");
  emulator::GlobalMemory memory;
  emulator::LaunchRequest request;
  request.program = emulator::decode(module, "persistent", {});
  request.grid[0] = kBlocks;
  request.block[0] = kThreads;
  request.dynamic_shared_bytes = kShared;
  request.cooperative = true;
  const uint64_t arguments[] = {memory.allocate(kBlocks * kThreads * 4, "out"),
                                memory.allocate(4, "arrived")};
  memory.fill(arguments[1], std::byte{0}, 4);
  request.parameters.resize(sizeof arguments);
  std::memcpy(request.parameters.data(), arguments, sizeof arguments);
  emulator::Options options;
  options.multiprocessors = kBlocks;
  options.host_threads = 1;
  const emulator::LaunchResult result = emulator::run(request, memory, options);
  for (const emulator::Finding& finding : result.findings) std::fputs(finding.text().c_str(), stderr);
  const double grown = resident_megabytes("VmHWM") - before;
  return keeps("132 blocks of 384 threads and 200 KiB, cooperative", grown, 500, 500, "MB") &&
         result.findings.empty() && result.completed;
}

int measure(const char* model) {
  if (!cuda::find_nvrtc().library) return std::puts("skipped: NVRTC is not installed"), 0;
  std::printf("The emulator on one core:\n");
  bool kept = measure_persistent();
  kept &= measure_subjects();
  kept &= measure_reading(model);
  return kept ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return measure(argc > 1 ? argv[1] : "examples/models/llama-3.2-1b.toml");
  } catch (const Error& error) {
    std::fputs(error.what(), stderr);
    return static_cast<int>(error.status());
  }
}
