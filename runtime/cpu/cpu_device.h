// cpu_device.h: the cpu as a device: it runs a graph as it stands, at any stage of compilation.
#pragma once
#include <functional>

#include "runtime/device.h"

namespace tenon::cpu {

std::unique_ptr<Device> make_cpu_device();

/// Values of a graph's outputs and state updates from those of its inputs, weights, states and parameters.
struct Values {
  std::vector<Tensor> outputs, state_updates;
};
Values evaluate(const Graph& graph, const std::function<Tensor(const Node&)>& source);

}  // namespace tenon::cpu
