// Owners of what the driver hands out: contexts, memory, modules, streams, events, graphs.
#pragma once
#include <string>
#include <utility>

#include "runtime/cuda/driver_api.h"

namespace tenon::cuda {

/// A context and the driver that it belongs to; both outlive what is made in it.
struct ContextRef {
  const DriverApi* api = nullptr;
  Context context = nullptr;
};

/// A handle that `Destroy`, a function of the driver's table, takes back in the context that it was made in.
template <class Handle, auto Destroy>
class Owned {
 public:
  Owned() = default;
  Owned(ContextRef home, Handle handle) : home_(home), handle_(handle) {}
  ~Owned() { reset(); }
  Owned(Owned&& other) noexcept : home_(other.home_), handle_(std::exchange(other.handle_, Handle{})) {}
  Owned& operator=(Owned&& other) noexcept {
    reset();
    home_ = other.home_;
    handle_ = std::exchange(other.handle_, Handle{});
    return *this;
  }
  Handle get() const { return handle_; }
  explicit operator bool() const { return handle_ != Handle{}; }
  void reset() {
    if (handle_ == Handle{}) return;
    const DriverApi& api = *home_.api;
    Context popped = nullptr;
    api.cuCtxPushCurrent_v2(home_.context);
    (api.*Destroy)(std::exchange(handle_, Handle{}));
    api.cuCtxPopCurrent_v2(&popped);
  }

 private:
  ContextRef home_;
  Handle handle_{};
};

using OwnedMemory = Owned<DevicePointer, &DriverApi::cuMemFree_v2>;
using OwnedModule = Owned<Module, &DriverApi::cuModuleUnload>;
using OwnedStream = Owned<Stream, &DriverApi::cuStreamDestroy_v2>;
using OwnedEvent = Owned<Event, &DriverApi::cuEventDestroy_v2>;
using OwnedGraph = Owned<GraphHandle, &DriverApi::cuGraphDestroy>;
using OwnedGraphExec = Owned<GraphExec, &DriverApi::cuGraphExecDestroy>;

/// The primary context of one GPU, shared with whatever else of the process uses that GPU.
class PrimaryContext {
 public:
  PrimaryContext(const DriverApi& api, int ordinal);
  ~PrimaryContext() { api_.cuDevicePrimaryCtxRelease_v2(device_); }
  PrimaryContext(const PrimaryContext&) = delete;
  PrimaryContext& operator=(const PrimaryContext&) = delete;
  const DriverApi& api() const { return api_; }
  Context get() const { return context_; }
  ContextRef ref() const { return {&api_, context_}; }

  /// `bytes` of device memory, 256-byte aligned; none for 0 bytes. Throws Error that says what it was for. `read_only`: no
  /// kernel writes it, which a driver that watches memory holds them to.
  OwnedMemory allocate(size_t bytes, const std::string& purpose, bool read_only = false) const;
  OwnedModule load_module(const std::string& image, const std::string& name) const;
  OwnedStream make_stream() const;
  OwnedEvent make_event() const;

 private:
  const DriverApi& api_;
  DeviceOrdinal device_ = 0;
  Context context_ = nullptr;
};

/// Makes a context current for the calling thread, and the one before it when the scope ends.
class ContextScope {
 public:
  explicit ContextScope(const PrimaryContext& context) : api_(context.api()) {
    TENON_CUDA(api_, cuCtxPushCurrent_v2, context.get());
  }
  ~ContextScope() {
    Context popped = nullptr;
    api_.cuCtxPopCurrent_v2(&popped);
  }
  ContextScope(const ContextScope&) = delete;
  ContextScope& operator=(const ContextScope&) = delete;

 private:
  const DriverApi& api_;
};

/// What kernels' 16-byte vectors count on; the driver's own allocations are 256-byte aligned.
constexpr DevicePointer kPointerAlignment = 16;
/// Throws Error where the application's memory for tensor `name` is less aligned.
void require_alignment(llvm::StringRef name, DevicePointer pointer);

}  // namespace tenon::cuda
