// A CUDA driver in host memory for tests: device pointers are host pointers, streams run at once, captures
// are replayed later, kernels are host functions, and every call is recorded by name.
#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "runtime/cuda/driver_api.h"

namespace tenon::cuda {

/// What a kernel of a module does. `parameters` points to copies of the launch's parameters.
struct FakeKernel {
  std::vector<size_t> parameter_bytes;
  std::function<void(const LaunchConfig&, void** parameters)> run;
};

/// The one device of this driver. Functions of the table reach it through a global, so one lives at a time.
class FakeDriver {
 public:
  FakeDriver();
  ~FakeDriver();
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  /// The table that code under test receives.
  const DriverApi& api() const { return api_; }

  std::map<std::string, FakeKernel> kernels;  ///< by name; a module offers all of them
  std::vector<std::string> calls;             ///< names of the functions called; launches as "launch NAME"
  size_t allocated_bytes = 0;                 ///< live
  int64_t live_objects = 0;                   ///< modules, streams, events, graphs, contexts not yet released
  bool fail_allocation = false;               ///< cuMemAlloc answers CUDA_ERROR_OUT_OF_MEMORY

  int count(const std::string& call) const;

 private:
  DriverApi api_;
};

}  // namespace tenon::cuda
