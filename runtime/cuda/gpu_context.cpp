// Opening a GPU and loading kernels onto it.
#include "runtime/cuda/gpu_context.h"

#include <algorithm>

#include "runtime/cache/compiler.h"

namespace tenon::cuda {

std::shared_ptr<GpuContext> GpuContext::open(int ordinal) {
  const Machine machine = describe_gpus();
  if (!machine.api || machine.gpus.empty())
    throw machine_error(machine.driver_problem, "`tenon doctor` says more");
  if (ordinal < 0 || ordinal >= static_cast<int>(machine.gpus.size()))
    throw machine_error("there is no cuda:" + std::to_string(ordinal) + "; this machine has " +
                        std::to_string(machine.gpus.size()) + " GPU(s)");
  return std::make_shared<GpuContext>(*machine.api, ordinal, cache::kernel_compiler(machine.api->version),
                                      find_cublaslt(machine.api->version));
}

GpuContext::GpuContext(const DriverApi& api, int ordinal, KernelCompiler compiler, LibrarySearch library)
    : api_(api),
      gpu_(describe_gpu(api_, ordinal)),
      context_(api_, ordinal),
      compiler_(std::move(compiler)),
      library_search_(std::move(library)) {}

CublasLt& GpuContext::library() {
  if (!library_) library_.emplace(library_search_);
  return *library_;
}

std::vector<std::shared_ptr<const LoadedKernel>> GpuContext::load(const Plan& plan) {
  std::vector<const EmittedKernel*> missing;
  std::vector<CompileRequest> requests;
  for (const Kernel& kernel : plan.kernels) {
    const EmittedKernel& emitted = kernel.emitted;
    if (emitted.source.empty() || loaded_.count(emitted.source)) continue;
    missing.push_back(&emitted);
    requests.push_back({emitted.name + ".cu", emitted.source, gpu_.arch(), true});
    requests.back().ptx = false;
  }
  const std::vector<CompiledKernel> compiled =
      requests.empty() ? std::vector<CompiledKernel>() : compiler_(requests);
  const ContextScope scope(context_);
  for (size_t i = 0; i < missing.size(); ++i)
    loaded_[missing[i]->source] = load_one(*missing[i], compiled[i]);

  std::vector<std::shared_ptr<const LoadedKernel>> result;
  for (const Kernel& kernel : plan.kernels)
    result.push_back(kernel.emitted.source.empty() ? nullptr : loaded_.at(kernel.emitted.source));
  return result;
}

std::shared_ptr<const LoadedKernel> GpuContext::load_one(const EmittedKernel& kernel,
                                                         const CompiledKernel& compiled) const {
  auto loaded = std::make_shared<LoadedKernel>();
  loaded->resources = compiled.resources;
  loaded->module = context_.load_module(compiled.cubin.empty() ? compiled.ptx : compiled.cubin, kernel.name);
  const auto check = [&](DriverStatus status, const char* call) {
    api_.check(status, call, "kernel " + kernel.name);
  };
  check(api_.cuModuleGetFunction(&loaded->function, loaded->module.get(), kernel.name.c_str()),
        "cuModuleGetFunction");
  // Without this the driver allows 48 KB, with it what the card has.
  if (kernel.shared_bytes > 48 * 1024)
    check(api_.cuFuncSetAttribute(loaded->function, kMaxDynamicSharedBytes,
                                  static_cast<int>(kernel.shared_bytes)),
          "cuFuncSetAttribute");
  const int cluster = kernel.cluster[0] * kernel.cluster[1] * kernel.cluster[2];
  constexpr int kPortableCluster = 8;
  if (cluster > kPortableCluster)
    check(api_.cuFuncSetAttribute(loaded->function, kNonPortableClusterAllowed, 1), "cuFuncSetAttribute");
  return loaded;
}

}  // namespace tenon::cuda
