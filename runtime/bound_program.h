// A model on a device with the application's own memory at its inputs and outputs: what tenon_c.h stands for.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/model.h"
#include "passes/select.h"
#include "runtime/device.h"

namespace tenon {

/// Dense host memory of a weight's declared type; the application keeps it alive.
struct GivenWeight {
  const void* data = nullptr;
  size_t bytes = 0;
};

struct ProgramOptions {
  std::string device = "auto";
  Policy policy = Policy::kAuto;
  std::vector<std::string> weight_files;
  std::map<std::string, GivenWeight> given_weights;  ///< by name; they go before a file's
  DimBinding dims;
};

/// "auto", "fused" or "library"; throws Error.
Policy policy_of(llvm::StringRef name);

/// The weights of a graph by their nodes' names, of declared types: given ones, then those of the files.
/// Throws Error that lists every weight that is missing or does not fit.
TensorMap gather_weights(const Graph& graph, const ProgramOptions& options);

/// One thread at a time.
class BoundProgram {
 public:
  struct Slot {
    std::string name;
    Type type;
    Extents extents;
  };

  BoundProgram(std::shared_ptr<const Model> model, ProgramOptions options);
  ~BoundProgram();
  /// Other values of dims: weights, states and compiled kernels stay, bound memory is forgotten.
  void rebind(const DimBinding& dims);

  std::string device() const { return device_->description(); }
  llvm::ArrayRef<Slot> inputs() const { return inputs_; }
  llvm::ArrayRef<Slot> outputs() const { return outputs_; }
  llvm::ArrayRef<Slot> states() const { return states_; }

  /// Device memory on a GPU, host memory on the cpu and the emulator. Throws Error for an unknown name.
  void bind_input(llvm::StringRef name, const void* data);
  void bind_output(llvm::StringRef name, void* data);
  /// The three throw Error while something is not bound; enqueue also before prepare.
  void prepare();
  void enqueue(void* stream);
  void run();

  Tensor state(llvm::StringRef name) const;
  /// `bytes` are the state's, dense.
  void set_state(llvm::StringRef name, llvm::ArrayRef<char> bytes);

  class Backend;

 private:
  void make_backend();
  void require_all_bound() const;

  std::shared_ptr<const Model> model_;
  ProgramOptions options_;
  std::unique_ptr<Device> device_;
  TensorMap weights_;
  std::shared_ptr<Residents> residents_;
  std::unique_ptr<Graph> graph_;
  std::vector<Slot> inputs_, outputs_, states_;
  std::map<std::string, const void*> bound_inputs_;
  std::map<std::string, void*> bound_outputs_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace tenon
