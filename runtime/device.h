// device.h: what a model runs on: the interface that the cpu, a GPU and an emulator stand behind.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "runtime/tensor.h"

namespace tenon {

struct Plan;  // codegen/plan.h: kernels and their launches; the cpu needs none

/// The weights and states of one model on one device, shared by all its programs (prefill and decoding of any
/// length): weights uploaded or mapped once, states kept from run to run.
class Residents {
 public:
  virtual ~Residents() = default;
  /// Every state as it is now, by name.
  virtual TensorMap state() const = 0;
  /// One of them. It must be there.
  virtual Tensor state(const std::string& name) const = 0;
  /// Gives states other values, by name, of their types; programs that are ready see them in their next run.
  virtual void set_state(const TensorMap& states) = 0;
};

/// What a run gave.
struct RunResult {
  std::vector<Tensor> outputs;  ///< in the order of the graph's outputs, of their declared types
  double wall_us = 0;           ///< from the inputs at hand to the outputs at hand
  double device_us = 0;         ///< of it, between the first and the last kernel; 0 where nothing measures it
};

/// A graph ready to run. It refers to the graph that it was made from.
class Program {
 public:
  virtual ~Program() = default;
  /// `inputs` by name, of their declared types. Updates the states. Throws Error for what data can cause: an
  /// index out of range, a cache write past its capacity. Caches may then hold rows of the failed run from its
  /// position on; nothing before that changes.
  virtual RunResult run(const TensorMap& inputs) = 0;
  /// run() `times` times (at least once) with the same inputs, the device going from one to the next by itself
  /// where it can: for graphs whose states alone change. The outputs are those of the last; times are of all.
  virtual RunResult repeat(const TensorMap& inputs, int64_t times);
};

class Device {
 public:
  virtual ~Device() = default;
  /// For people and JSON: "cpu (2 threads)", "cuda:0 (NVIDIA H200)".
  virtual std::string description() const = 0;
  /// Takes weights and states by the names of their nodes ({name}), all of declared types. Tensors that share
  /// storage are held once.
  virtual std::shared_ptr<Residents> hold(const TensorMap& weights, const TensorMap& state) = 0;
  /// `plan` is null for the cpu, which runs the graph itself; graph and plan outlive the program.
  virtual std::unique_ptr<Program> prepare(const Graph& graph, const Plan* plan,
                                           std::shared_ptr<Residents> residents) = 0;
  /// True where prepare() wants a plan.
  virtual bool needs_plan() const = 0;
};

/// "auto", "cpu", "cuda", "cuda:1", "emulator:sm_80", ... Throws Error: a name that is none of these (bad
/// input), a device that this machine or this version does not have (the machine cannot).
std::unique_ptr<Device> make_device(llvm::StringRef name);

}  // namespace tenon
