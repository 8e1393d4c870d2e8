// What stays on a GPU while plans come and go: weights, packed weights, states.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cuda/gpu_context.h"
#include "runtime/device.h"

namespace tenon::cuda {

/// Device memory of one model, shared by its plans for all bindings of the dims. Weights are uploaded when a
/// plan first wants them, those of equal storage once; a weight that is only packed never is.
class DeviceStore : public Residents {
 public:
  /// All weights and states of the model, of declared types.
  DeviceStore(std::shared_ptr<GpuContext> gpu, TensorMap weights, const TensorMap& states);

  DevicePointer weight(const Buffer& buffer);
  DevicePointer packed(const Plan& plan, const Packing& packing);
  /// Throws Error where an earlier binding of the dims gave the state another size.
  DevicePointer state(const Buffer& buffer);

  /// The application's own device memory for a weight or a state, instead of a copy. It must come before the
  /// first plan that uses the tensor. A packed weight is still computed from the host's. Throws Error for
  /// memory that is not 16-byte aligned.
  void adopt(const std::string& name, DevicePointer pointer);

  TensorMap state() const override;
  Tensor state(const std::string& name) const override;
  /// Waits.
  void set_state(const TensorMap& states) override;

  int64_t bytes() const { return bytes_; }  ///< allocated so far

 private:
  struct State {
    Type type;
    OwnedMemory memory;  // none where the application's own is used
    DevicePointer place = 0;
  };
  Tensor host_weight(const Buffer& buffer);
  OwnedMemory upload(const Tensor& tensor, const std::string& purpose, bool read_only);
  void copy_in(DevicePointer target, const Tensor& tensor);

  std::shared_ptr<GpuContext> gpu_;
  TensorMap host_weights_;
  OwnedStream stream_;
  std::map<std::string, DevicePointer> adopted_;
  std::map<std::pair<const std::byte*, int64_t>, OwnedMemory> weights_;  // by storage
  std::map<std::string, OwnedMemory> packed_;                            // by expression and weights
  std::map<std::string, State> states_;
  int64_t bytes_ = 0;
};

}  // namespace tenon::cuda
