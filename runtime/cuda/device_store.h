// What stays on a GPU while plans come and go: weights, packed weights, states.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "runtime/cuda/cuda_device.h"

namespace tenon::cuda {

/// Where weights come from: dense row-major bytes of the buffer's type.
struct HostWeights {
  /// Bytes of a weight; the view need live only until the next call. Throws Error where the weight is
  /// missing.
  std::function<llvm::ArrayRef<char>(const Buffer& weight)> weight;
  /// Bytes of a value that is computed once from weights.
  std::function<std::vector<char>(const Plan& plan, const Packing& packing)> packed;
};

/// Device memory of one model, shared by its plans for all bindings of the dims. Uploads when first asked.
class DeviceStore {
 public:
  DeviceStore(std::shared_ptr<CudaDevice> device, HostWeights host);

  DevicePointer weight(const Buffer& buffer);
  DevicePointer packed(const Plan& plan, const Packing& packing);
  /// Zero at first.
  DevicePointer state(const Buffer& buffer);

  /// The application's own device memory for a weight or a state, instead of a copy. It must come before the
  /// first plan that uses the tensor.
  /// Throws Error for memory that is not 16-byte aligned.
  void adopt(const std::string& name, DevicePointer pointer);
  /// Copies between host and a state of a plan seen before; waits.
  void write_state(const Buffer& buffer, llvm::ArrayRef<char> bytes);
  std::vector<char> read_state(const Buffer& buffer);
  /// All states become zero again.
  void reset_states();

  int64_t bytes() const { return bytes_; }  ///< uploaded and allocated so far

 private:
  struct Entry {
    OwnedMemory memory;
    int64_t bytes = 0;
  };
  Entry upload(llvm::ArrayRef<char> bytes, const std::string& purpose);
  void clear(const Entry& entry);  // waits; the context is current

  std::shared_ptr<CudaDevice> device_;
  HostWeights host_;
  OwnedStream stream_;
  std::map<std::string, DevicePointer> adopted_;
  std::map<std::string, Entry> weights_, packed_, states_;
  int64_t bytes_ = 0;
};

}  // namespace tenon::cuda
