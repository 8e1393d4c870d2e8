// kernel_cache.h: a batch of kernels from the cache, and what is not there from a compiler, once among all who race.
#pragma once
#include <optional>
#include <vector>

#include "runtime/cache/settings.h"
#include "runtime/cache/store.h"

namespace tenon::cache {

/// What stands behind the cache: NVRTC, or a test's stand-in.
class Backend {
 public:
  virtual ~Backend() = default;
  /// What its code depends on beside the request; before open() perhaps from memory.
  virtual cuda::NvrtcIdentity identity() = 0;
  /// Called before anything is compiled; from then on identity() is the compiler's own word. Throws Error.
  virtual void open() = 0;
  /// Thread-safe once open. Throws Error, SourceRefused where the same request will fail again.
  virtual cuda::CompiledKernel compile(const cuda::CompileRequest& request) const = 0;
};

/// Thread-compatible. Trouble with the cache itself never reaches the caller: settings.warn hears of it.
class KernelCache {
 public:
  KernelCache(Settings settings, llvm::ArrayRef<EmbeddedFile> headers);

  /// The kernels of the requests, in their order. Throws what the first request that fails has thrown, now or when the
  /// cache kept its refusal.
  std::vector<cuda::CompiledKernel> compile(const std::vector<cuda::CompileRequest>& requests,
                                            Backend& backend);
  /// Null where there is no cache to work with.
  const Store* store() const { return store_ ? &*store_ : nullptr; }

 private:
  struct Job;
  std::vector<Job> jobs_of(const std::vector<cuda::CompileRequest>& requests, Backend& backend);
  void load(Job& job) const;
  void build(Job& job, const Backend& backend) const;
  void wait_and_build(Job& job, const Backend& backend) const;
  void save(const Entry& entry) const;

  Settings settings_;
  HeaderIndex headers_;
  std::optional<Store> store_;
};

}  // namespace tenon::cache
