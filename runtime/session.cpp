// session.cpp: putting tensors in place, and judging what comes out.
#include "runtime/session.h"

namespace tenon {

Session::Session(std::shared_ptr<const Graph> graph, Binding binding, std::shared_ptr<Device> device,
                 std::shared_ptr<const Plan> plan)
    : graph_(std::move(graph)),
      binding_(std::move(binding)),
      device_(std::move(device)),
      plan_(std::move(plan)) {
  residents_ = device_->hold(binding_.weights, binding_.state);
  program_ = device_->prepare(*graph_, plan_.get(), residents_);
}

std::vector<OutputCheck> check_outputs(const Session& session, const RunResult& result) {
  return judge(
      session.graph(),
      [&](const Node& node) {
        const Binding& binding = session.binding();
        const TensorMap& tensors = node.op() == Op::kInput    ? binding.inputs
                                   : node.op() == Op::kWeight ? binding.weights
                                                              : binding.state;
        return to_host(tensors.at(node.attributes.string("name").str()));
      },
      result.outputs);
}

}  // namespace tenon
