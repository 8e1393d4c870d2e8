// The instructions that the emulator knows, on a GPU: what the tests of the emulator expect of each is what the silicon does.
#include <doctest/doctest.h>

#include <cstdlib>

#include "runtime/cuda/gpu_context.h"
#include "tests/runtime/emulator/instructions/cases/all_cases.h"
#include "tests/runtime/emulator/instructions/cases/check_cases.h"

using namespace tenon;
using namespace tenon::cuda;
using namespace tenon::emulator;

namespace {

/// The outputs of one kernel of a loaded module, as check_on_emulator() lays them out.
std::vector<uint64_t> outputs_on_gpu(const GpuContext& gpu, Module module, const std::string& kernel,
                                     const std::vector<Inputs>& inputs) {
  const DriverApi& api = gpu.api();
  std::vector<uint64_t> in(4 * kThreads), out(2 * kThreads);
  for (int n = 0; n < kThreads; ++n)
    for (int s = 0; s < 4; ++s) in[s * kThreads + n] = inputs[n][s];
  const OwnedMemory in_place = gpu.context().allocate(in.size() * 8, "inputs"),
                    out_place = gpu.context().allocate(out.size() * 8, "outputs");
  const OwnedStream stream = gpu.context().make_stream();
  TENON_CUDA(api, cuMemcpyHtoDAsync_v2, in_place.get(), in.data(), in.size() * 8, stream.get());
  TENON_CUDA(api, cuMemcpyHtoDAsync_v2, out_place.get(), out.data(), out.size() * 8, stream.get());
  Function function = nullptr;
  TENON_CUDA(api, cuModuleGetFunction, &function, module, kernel.c_str());
  const LaunchConfig config = {kBlocks, 1, 1, kBlockThreads, 1, 1, 0, stream.get(), nullptr, 0};
  DevicePointer arguments[2] = {in_place.get(), out_place.get()};
  void* parameters[2] = {&arguments[0], &arguments[1]};
  TENON_CUDA(api, cuLaunchKernelEx, &config, function, parameters, nullptr);
  TENON_CUDA(api, cuMemcpyDtoHAsync_v2, out.data(), out_place.get(), out.size() * 8, stream.get());
  TENON_CUDA(api, cuStreamSynchronize, stream.get());
  return out;
}

}  // namespace

TEST_CASE("instructions do on the GPU what the emulator's tests expect of them") {
  const auto gpu = GpuContext::open(0);
  const ContextScope scope(gpu->context());
  for (const auto& group : all_cases()) {
    const auto& name = group.first;
    const auto& cases = group.second;
    const OwnedModule module = gpu->context().load_module(module_of(cases, kThreads), name);
    for (size_t i = 0; i < cases.size(); ++i) {
      const std::vector<Inputs> inputs = inputs_of(cases[i], kThreads);
      const std::vector<uint64_t> out = outputs_on_gpu(*gpu, module.get(), "k" + std::to_string(i), inputs);
      std::string wrong;
      int count = 0;
      for (int n = 0; n < kThreads; ++n) {
        if (n % kStride >= kBlockThreads) continue;
        const std::string found = judged(cases[i], inputs[n], {out[n], out[kThreads + n]}, cases[i].bound);
        if (!found.empty() && count++ < 8) wrong += found + "\n";
      }
      CHECK_MESSAGE(wrong.empty(), name << ": " << count << " values\n" << wrong);
    }
  }
}
