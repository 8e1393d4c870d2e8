// Runs a plan on a GPU: one arena, kernels with parameters from the plan, a graph captured once and replayed.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "codegen/plan.h"
#include "runtime/cuda/device_store.h"

namespace tenon::cuda {

/// Medians in microseconds.
struct Timing {
  double run_us = 0;            ///< a whole run, replayed as a graph
  std::vector<double> step_us;  ///< each launch between two events, in the order of the plan's steps
};

/// A plan for one binding of the dims on one device. One thread at a time; runs of one executor must not
/// overlap (they share the arena and the states).
class CudaExecutor {
 public:
  /// Compiles and loads what the device lacks. `plan` outlives the executor. Throws Error: compiler, driver,
  /// library.
  CudaExecutor(std::shared_ptr<GpuContext> gpu, std::shared_ptr<DeviceStore> store, const Plan& plan);
  ~CudaExecutor();
  const Plan& plan() const { return plan_; }
  GpuContext& gpu() const { return *gpu_; }

  /// The application's own device memory for an input or an output, of the tensor's bytes, 16-byte aligned.
  /// What is not bound gets memory of the executor's at prepare(). Throws Error for an unknown name.
  void bind_input(llvm::StringRef name, DevicePointer pointer);
  void bind_output(llvm::StringRef name, DevicePointer pointer);

  /// Allocates, uploads weights, and captures the graph: all that enqueue() must not do. To be called before
  /// the first enqueue(); after a later bind it is optional (until then kernels are launched one by one).
  void prepare();
  /// Puts one run into `stream`: no allocation, no synchronisation, legal while the caller captures it.
  /// Throws Error when prepare() has not been called.
  void enqueue(Stream stream);
  /// prepare() if need be, `times` runs in a row on the executor's own stream, and wait. Returns the
  /// microseconds between their first and last work on the device.
  double run(int64_t times = 1);

  /// Host copies of bound or own memory; they wait. Sizes are the tensors'.
  void write_input(llvm::StringRef name, llvm::ArrayRef<char> bytes);
  void read_output(llvm::StringRef name, llvm::MutableArrayRef<char> bytes);

  /// For checks: one step alone, and the bytes of any buffer as they are after it. Both wait.
  void run_step(int step);
  void read(BufferRef place, llvm::MutableArrayRef<char> bytes);

  Timing measure(int repeats);

 private:
  struct Launch;  // a step with its parameters resolved
  struct OutputCopy {
    BufferRef from;
    DevicePointer to = 0;
    int64_t bytes = 0;
  };

  int input_buffer(llvm::StringRef name) const;
  DevicePointer address(BufferRef place) const;
  void place_buffers();
  void place_values_apart();
  void place_outputs();
  void resolve();
  void resolve_kernel(Launch& launch, const Step& step);
  void resolve_product(Launch& launch, const Step& step);
  void resolve_copy(Launch& launch, const Step& step);
  void capture();
  void launch(const Launch& launch, Stream stream);
  void enqueue_steps(Stream stream);
  void read_memory(DevicePointer from, llvm::MutableArrayRef<char> bytes);
  void wait();

  std::shared_ptr<GpuContext> gpu_;
  std::shared_ptr<DeviceStore> store_;
  const Plan& plan_;
  std::vector<std::shared_ptr<const LoadedKernel>> kernels_;
  OwnedStream stream_;
  OwnedEvent start_, stop_;
  OwnedMemory arena_, library_workspace_;
  std::vector<OwnedMemory> own_memory_;   // of inputs and outputs that nobody bound
  std::vector<DevicePointer> addresses_;  // by buffer; 0: not placed
  std::map<std::string, DevicePointer> bound_outputs_;
  std::vector<OutputCopy> output_copies_;                   // outputs that are no kernel's own result
  std::vector<std::shared_ptr<PreparedProduct>> products_;  // by kernel
  std::vector<std::unique_ptr<Launch>> launches_;           // by step
  OwnedGraphExec graph_;
  bool prepared_ = false;
};

}  // namespace tenon::cuda
