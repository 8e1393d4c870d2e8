// kernel_check.h: every kernel of a plan beside the f64 evaluator, one launch each, on the values that it meets.
#pragma once
#include <string>
#include <vector>

#include "runtime/cuda/cuda_executor.h"
#include "runtime/judge.h"

namespace tenon {

struct KernelCheck {
  int kernel = 0;    ///< of the plan
  std::string site;  ///< of the launch that was judged
  std::vector<OutputCheck> outputs;
  bool passed() const;
};

/// Runs the plan step by step. Before the first launch of each kernel its operands are read back, after it its results,
/// which are judged by the region's body: an error names the kernel that made it, not the last that passed it on.
/// `inputs` and `weights` are the model's, by name.
std::vector<KernelCheck> check_kernels(cuda::CudaExecutor& executor, const TensorMap& inputs,
                                       const TensorMap& weights);

}  // namespace tenon
