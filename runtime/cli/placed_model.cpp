// placed_model.cpp: from a model file to a program on a device.
#include "runtime/cli/placed_model.h"

namespace tenon::cli {

cuda::CudaExecutor* PlacedModel::executor() const {
  auto* on_gpu = dynamic_cast<cuda::CudaProgram*>(program.get());
  return on_gpu ? &on_gpu->executor() : nullptr;
}

void add_tensor_options(CLI::App& command, TensorOptions& options) {
  command
      .add_option("--weights", options.weights, "a safetensors file, its index, or a folder; may be repeated")
      ->type_name("F.safetensors|DIR")
      ->allow_extra_args(false);
  command.add_option("--inputs", options.inputs, "inputs by name; the others are drawn")
      ->type_name("F.safetensors");
  command.add_option("--seed", options.seed, "of the tensors that are not given")->type_name("N");
}

PlacedModel place(const ModelOptions& options, const TensorOptions& tensors, std::shared_ptr<Device> device) {
  parse_policy(options.policy);
  GivenPaths paths;
  paths.weights = tensors.weights;
  paths.inputs = tensors.inputs;
  const GivenTensors given = open_tensors(paths);
  PlacedModel placed{
      BoundModel::read(options, given.input_extents()), nullptr, {}, nullptr, nullptr, nullptr};
  placed.graph = placed.bound.model.build(placed.bound.dims);
  placed.device = std::move(device);
  if (placed.device->needs_plan()) placed.plan = placed.bound.plan_on(options, *placed.device);
  placed.binding = bind_tensors(*placed.graph, given, tensors.seed, false);
  print_notes(options, placed.bound.notes);
  print_notes(options, placed.binding.notes);
  placed.program = placed.device->prepare(*placed.graph, placed.plan.get(),
                                          placed.device->hold(placed.binding.weights, placed.binding.state));
  return placed;
}

}  // namespace tenon::cli
