// One GPU ready to work: driver, context, compiler, library, and the kernels loaded so far.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codegen/plan.h"
#include "runtime/cuda/cublaslt.h"
#include "runtime/cuda/handles.h"
#include "runtime/cuda/machine.h"
#include "runtime/cuda/nvrtc.h"

namespace tenon::cuda {

/// A kernel on the device. Shared by all plans whose kernels have equal sources.
struct LoadedKernel {
  OwnedModule module;
  Function function = nullptr;
  KernelResources resources;
};

/// Thread-compatible: one thread at a time. Whatever it makes must not outlive it.
class GpuContext {
 public:
  /// Opens GPU `ordinal` of this machine. Throws Error (status kMachineCannot): no driver, no such GPU.
  static std::shared_ptr<GpuContext> open(int ordinal);
  /// The parts given, for tests and for callers with a compiler of their own.
  GpuContext(const DriverApi& api, int ordinal, KernelCompiler compiler, LibrarySearch library);
  GpuContext(const GpuContext&) = delete;
  GpuContext& operator=(const GpuContext&) = delete;

  const Gpu& gpu() const { return gpu_; }
  const DriverApi& api() const { return api_; }
  const PrimaryContext& context() const { return context_; }

  /// The plan's kernels, in its order; null where a kernel has no source (library products). Compiles what
  /// was not loaded before, all at once. Throws Error with the compiler's or the driver's words.
  std::vector<std::shared_ptr<const LoadedKernel>> load(const Plan& plan);
  bool has_library() const { return static_cast<bool>(library_search_.library); }
  /// cuBLASLt, opened when first wanted. Throws Error where it is absent.
  CublasLt& library();

 private:
  std::shared_ptr<const LoadedKernel> load_one(const EmittedKernel& kernel,
                                               const CompiledKernel& compiled) const;

  DriverApi api_;
  Gpu gpu_;
  PrimaryContext context_;
  KernelCompiler compiler_;
  LibrarySearch library_search_;
  std::optional<CublasLt> library_;
  std::map<std::string, std::shared_ptr<const LoadedKernel>> loaded_;  // by source
};

}  // namespace tenon::cuda
