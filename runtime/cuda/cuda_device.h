// The NVIDIA GPU as one of Tenon's devices.
#pragma once
#include <memory>
#include <string>

#include "passes/card.h"
#include "runtime/cuda/cuda_executor.h"
#include "runtime/device.h"

namespace tenon::cuda {

/// A plan at work behind the common interface; the executor is for those who know that it is a GPU.
class CudaProgram : public Program {
 public:
  /// `graph` is the model's, for what must be checked on the host before a run.
  CudaProgram(const Graph& graph, std::unique_ptr<CudaExecutor> executor);
  RunResult run(const TensorMap& inputs) override { return repeat(inputs, 1); }
  /// Nothing waits between the runs: the captured graph is launched `times` times.
  RunResult repeat(const TensorMap& inputs, int64_t times) override;
  CudaExecutor& executor() { return *executor_; }

 private:
  const Graph& graph_;
  std::unique_ptr<CudaExecutor> executor_;
};

class CudaDevice : public Device {
 public:
  explicit CudaDevice(std::shared_ptr<GpuContext> gpu) : gpu_(std::move(gpu)) {}
  /// Opens GPU `ordinal`. Throws Error (the machine cannot).
  static std::unique_ptr<CudaDevice> open(int ordinal);

  std::string description() const override;
  std::shared_ptr<Residents> hold(const TensorMap& weights, const TensorMap& state) override;
  std::unique_ptr<Program> prepare(const Graph& graph, const Plan* plan,
                                   std::shared_ptr<Residents> residents) override;
  bool needs_plan() const override { return true; }
  /// What plans are made for: the GPU at hand.
  virtual Card card() const;
  const std::shared_ptr<GpuContext>& gpu() const { return gpu_; }

 private:
  std::shared_ptr<GpuContext> gpu_;
};

}  // namespace tenon::cuda
