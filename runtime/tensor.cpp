// tensor.cpp: storage of tensors and access to single elements.
#include "runtime/tensor.h"

#include <cassert>
#include <cstdlib>
#include <cstring>

#include "ir/diagnostics.h"
#include "runtime/convert.h"

namespace tenon {
namespace {

constexpr size_t kAlignment = 64;                  // a cache line, and the widest vector
constexpr size_t kAddressSpace = size_t{1} << 47;  // no x86-64 process has more, so nobody need be asked

}  // namespace

Tensor Tensor::allocate(Type type, bool zero) {
  Tensor tensor;
  tensor.elements_ = type.elements();
  size_t bytes = static_cast<size_t>(type.bytes());
  void* block = nullptr;
  if (bytes < kAddressSpace)
    block = zero ? std::calloc(bytes + kAlignment, 1) : std::malloc(bytes + kAlignment);
  if (!block)
    throw Error("no memory for " + type.text() + ": " + std::to_string(bytes) + " bytes", {}, "",
                Status::kMachineCannot);
  tensor.owner_ = std::shared_ptr<void>(block, std::free);
  auto address = reinterpret_cast<uintptr_t>(block);
  tensor.data_ = static_cast<std::byte*>(block) + (kAlignment - address % kAlignment);
  tensor.writable_ = true;
  tensor.type_ = std::move(type);
  return tensor;
}

Tensor Tensor::zeros(Type type) { return allocate(std::move(type), true); }
Tensor Tensor::uninitialised(Type type) { return allocate(std::move(type), false); }

Tensor Tensor::view(Type type, const std::byte* data, std::shared_ptr<const void> owner) {
  Tensor tensor;
  tensor.elements_ = type.elements();
  tensor.type_ = std::move(type);
  tensor.data_ = data;
  tensor.owner_ = std::move(owner);
  return tensor;
}

Tensor Tensor::of(Type type, llvm::ArrayRef<double> values) {
  Tensor tensor = uninitialised(std::move(type));
  assert(tensor.elements() == static_cast<int64_t>(values.size()));
  if (is_integer(tensor.dtype())) {
    std::vector<int64_t> integers(values.begin(), values.end());
    from_i64(integers.data(), tensor.elements(), tensor.dtype(), tensor.mutable_data());
  } else {
    from_f64(values.data(), tensor.elements(), tensor.dtype(), tensor.mutable_data());
  }
  return tensor;
}

std::byte* Tensor::mutable_data() {
  assert(writable_ && "a mapped tensor is read-only");
  return const_cast<std::byte*>(data_);
}

Tensor Tensor::reshaped(llvm::ArrayRef<Dim> shape) const {
  Tensor result = *this;
  result.type_.shape.assign(shape.begin(), shape.end());
  assert(result.type_.elements() == elements_);
  return result;
}

Tensor Tensor::copy() const {
  Tensor result = uninitialised(type_);
  std::memcpy(result.mutable_data(), data_, bytes());
  return result;
}

double Tensor::at(int64_t i) const {
  if (!is_float(dtype())) return static_cast<double>(integer_at(i));
  float value;
  to_f32(dtype(), data_ + i * size_of(dtype()), 1, &value);
  return value;
}

int64_t Tensor::integer_at(int64_t i) const {
  int64_t value;
  to_i64(dtype(), data_ + i * size_of(dtype()), 1, &value);
  return value;
}

HostTensor to_host(const Tensor& tensor) {
  HostTensor host;
  host.type = tensor.type();
  int64_t count = tensor.elements();
  if (host.integral()) {
    host.integers.resize(count);
    to_i64(tensor.dtype(), tensor.data(), count, host.integers.data());
  } else {
    std::vector<float> values(count);
    to_f32(tensor.dtype(), tensor.data(), count, values.data());
    host.reals.assign(values.begin(), values.end());
  }
  return host;
}

Tensor from_host(const HostTensor& host) {
  if (!host.integral()) return Tensor::of(host.type, host.reals);
  Tensor tensor = Tensor::uninitialised(host.type);
  from_i64(host.integers.data(), tensor.elements(), tensor.dtype(), tensor.mutable_data());
  return tensor;
}

}  // namespace tenon
