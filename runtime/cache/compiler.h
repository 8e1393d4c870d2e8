// compiler.h: the compiler of generated kernels: NVRTC with the embedded templates, behind the cache.
#pragma once
#include <memory>
#include <optional>

#include "runtime/cache/kernel_cache.h"
#include "runtime/cuda/library_search.h"

namespace tenon::cache {

/// NVRTC, found by a note of the last search where nothing has changed since, and opened when something is to be compiled.
class LazyNvrtc : public Backend {
 public:
  /// `store`, which may be null, keeps the note; `driver_version` as find_nvrtc() takes it. Throws Error (the machine
  /// cannot) where NVRTC is absent.
  LazyNvrtc(const Store* store, int driver_version);

  cuda::NvrtcIdentity identity() override { return identity_; }
  void open() override;
  cuda::CompiledKernel compile(const cuda::CompileRequest& request) const override;
  bool is_open() const { return library_.has_value(); }

 private:
  const Store* store_;
  int driver_version_;
  std::string note_;  // its name: a digest of all that the search depends on
  cuda::NvrtcIdentity identity_;
  std::optional<cuda::Nvrtc> library_;
};

/// By the settings of the environment. Throws Error (the machine cannot) where NVRTC is absent.
cuda::KernelCompiler kernel_compiler(int driver_version = 0);

}  // namespace tenon::cache
