// placed_model.h: a model with its tensors on a device, for the commands that look at kernels at work.
#pragma once
#include "runtime/binding.h"
#include "runtime/cli/model_options.h"
#include "runtime/cuda/cuda_device.h"

namespace tenon::cli {

struct PlacedModel {
  BoundModel bound;
  std::shared_ptr<const Graph> graph;
  Binding binding;
  std::shared_ptr<Device> device;
  std::shared_ptr<const Plan> plan;  ///< null on the cpu
  std::unique_ptr<Program> program;

  /// The executor on a GPU, null on any other device.
  cuda::CudaExecutor* executor() const;
};

struct TensorOptions {
  std::vector<std::string> weights;
  std::string inputs;  ///< F.safetensors, or ""
  uint64_t seed = 0;
};
/// Adds --weights, --inputs and --seed to a command.
void add_tensor_options(CLI::App& command, TensorOptions& options);

/// Opens the files, binds dims and tensors, plans and prepares; prints the notes.
PlacedModel place(const ModelOptions& options, const TensorOptions& tensors, std::shared_ptr<Device> device);

}  // namespace tenon::cli
