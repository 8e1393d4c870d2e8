// tensor.h: a dense row-major tensor on the host whose storage is owned, or mapped from a file.
#pragma once
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "ir/evaluate.h"
#include "ir/shape.h"

namespace tenon {

/// A value of a Type in row-major order. Copies share the storage; only whoever allocated it writes to it.
class Tensor {
 public:
  Tensor() = default;
  /// Storage aligned to 64 bytes. Throws Error (the machine cannot) when memory is refused.
  static Tensor zeros(Type type);
  static Tensor uninitialised(Type type);
  /// Borrows read-only `data`, kept alive by `owner` (a mapped file). `data` is aligned to the element.
  static Tensor view(Type type, const std::byte* data, std::shared_ptr<const void> owner);
  /// A dense tensor of these elements, each rounded to the type.
  static Tensor of(Type type, llvm::ArrayRef<double> values);

  const Type& type() const { return type_; }
  DType dtype() const { return type_.dtype; }
  int64_t elements() const { return elements_; }
  int64_t bytes() const { return elements_ * size_of(type_.dtype); }
  const std::byte* data() const { return data_; }
  std::byte* mutable_data();  ///< of an allocated tensor
  bool writable() const { return writable_; }
  /// The same storage under another shape with as many elements.
  Tensor reshaped(llvm::ArrayRef<Dim> shape) const;
  Tensor copy() const;

  /// Element i in row-major order: any float, bool or integer (an i64 beyond 2^53 loses its last bits).
  double at(int64_t i) const;
  int64_t integer_at(int64_t i) const;  ///< of an integer or bool tensor

 private:
  static Tensor allocate(Type type, bool zero);
  Type type_;
  int64_t elements_ = 0;
  const std::byte* data_ = nullptr;
  bool writable_ = false;
  std::shared_ptr<const void> owner_;
};

using TensorMap = std::map<std::string, Tensor>;  ///< by the name that the model gives

/// To and from the evaluator's tensors. A float that the type cannot hold is rounded.
HostTensor to_host(const Tensor& tensor);
Tensor from_host(const HostTensor& tensor);

}  // namespace tenon
