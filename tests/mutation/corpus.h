// corpus.h: kernels with all that a launch of each needs, small enough to be run a thousand times.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "runtime/cuda/nvrtc.h"
#include "runtime/emulator/machine/launch.h"
#include "runtime/tensor_map.h"

namespace tenon::mutation {

/// A piece of device memory. What `contents` does not give is not initialised. All buffers are compared after a run.
struct Buffer {
  std::string name;
  int64_t bytes = 0;
  std::vector<std::byte> contents;
};

/// What a parameter of the kernel receives.
struct Argument {
  enum Kind { kPointer, kInteger, kTensor } kind = kInteger;
  int buffer = -1;      ///< of a pointer, or behind a tensor map
  int64_t value = 0;    ///< of an integer, as wide as the parameter
  TensorTiling tensor;  ///< `base` is the buffer's
};

struct Case {
  std::string name, target;  ///< "gemm", "sm_80"
  std::string source;        ///< CUDA C++
  std::string entry;
  int grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, cluster[3] = {1, 1, 1};
  int64_t shared_bytes = 0;
  bool cooperative = false;
  std::vector<Buffer> buffers = {};
  std::vector<Argument> arguments = {};
};

/// What Tenon's families write: products with and without a split sum, attention, norms, softmax, a choice of rows' largest.
std::vector<Case> tenon_kernels();
/// The kernels of tests/mutation/kernels, for sm_90a.
std::vector<Case> hopper_kernels();
/// The header that they include.
std::vector<EmbeddedFile> hopper_headers();

}  // namespace tenon::mutation
