// session.h: a model's graph with its tensors, in place on a device.
#pragma once
#include "codegen/plan.h"
#include "runtime/binding.h"
#include "runtime/device.h"
#include "runtime/judge.h"

namespace tenon {

/// One binding of the dims. States live as long as the session.
class Session {
 public:
  /// `plan` is null for a device that needs none.
  Session(std::shared_ptr<const Graph> graph, Binding binding, std::shared_ptr<Device> device,
          std::shared_ptr<const Plan> plan);

  const Graph& graph() const { return *graph_; }
  const Device& device() const { return *device_; }
  const Binding& binding() const { return binding_; }  ///< as it was before the first run
  RunResult run() { return program_->run(binding_.inputs); }
  TensorMap state() const { return residents_->state(); }

 private:
  std::shared_ptr<const Graph> graph_;
  Binding binding_;
  std::shared_ptr<Device> device_;
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<Residents> residents_;
  std::unique_ptr<Program> program_;
};

/// Judges a run's outputs by the f64 evaluator.
std::vector<OutputCheck> check_outputs(const Session& session, const RunResult& result);

}  // namespace tenon
