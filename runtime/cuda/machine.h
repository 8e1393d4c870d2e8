// What this machine offers for CUDA: libraries, versions, GPUs. Never throws for an absence; absences are
// described.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cuda/driver_api.h"
#include "runtime/cuda/library_search.h"

namespace tenon::cuda {

struct Gpu {
  int ordinal = 0;
  std::string name;
  int compute_major = 0, compute_minor = 0;
  int multiprocessors = 0;
  int64_t memory_bytes = 0, l2_bytes = 0;
  int64_t shared_bytes_per_block = 0;  ///< with opt-in
  /// The architecture to compile for: "sm_80", "sm_90a"; from 9.0 on the variant that has the generation's
  /// own instructions.
  std::string arch() const;
};

/// Reads one GPU's attributes. Throws tenon::Error.
Gpu describe_gpu(const DriverApi& api, int ordinal);

struct Machine {
  LibrarySearch driver, nvrtc, cublaslt;
  std::optional<DriverApi> api;  ///< absent where the driver is, or does not start
  std::string driver_problem;    ///< why `api` is absent or `gpus` is empty; empty when all is well
  std::vector<Gpu> gpus;
  /// A GPU, and the compiler that makes kernels for it.
  bool can_run_kernels() const { return !gpus.empty() && nvrtc.library; }
};

/// The driver and its GPUs; `nvrtc` and `cublaslt` are left out.
Machine describe_gpus();
/// Searches and asks everything once (tens of milliseconds where the libraries exist).
Machine describe_machine();

}  // namespace tenon::cuda
