// evaluate_ops.h: the evaluator's parts, one function a kind of op, and the walk over strided tensors that
// they share. Only evaluate*.cpp include it.
#pragma once
#include <type_traits>

#include "ir/evaluate.h"

namespace tenon::evaluation {

using Operands = llvm::ArrayRef<const HostTensor*>;

/// One result's values before rounding; `type` is the node's.
HostTensor elementwise(const Node& node, Operands operands);
HostTensor reduction(const Node& node, Operands operands);
std::vector<HostTensor> normalisation(const Node& node, Operands operands);
HostTensor matmul(const Node& node, Operands operands);
HostTensor attention(const Node& node, Operands operands);
HostTensor rope(const Node& node, Operands operands);
HostTensor cache_write(const Node& node, Operands operands);
HostTensor grouped_matmul(const Node& node, Operands operands);
HostTensor dequantise(const Node& node, Operands operands);
HostTensor sample(const Node& node, Operands operands);
HostTensor movement(const Node& node, Operands operands);

/// The vector of a tensor that holds its elements: T is double or int64_t.
template <class T>
std::vector<T>& elements(HostTensor& tensor) {
  if constexpr (std::is_same_v<T, double>)
    return tensor.reals;
  else
    return tensor.integers;
}
template <class T>
const std::vector<T>& elements(const HostTensor& tensor) {
  return elements<T>(const_cast<HostTensor&>(tensor));
}

/// Integer arithmetic modulo 2^64; plain arithmetic of reals.
template <class T>
T add(T a, T b) {
  if constexpr (std::is_same_v<T, int64_t>)
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}
template <class T>
T mul(T a, T b) {
  if constexpr (std::is_same_v<T, int64_t>)
    return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else
    return a * b;
}
/// Each element of an integer tensor modulo 2^bits of its type.
void wrap(HostTensor& tensor);
/// A real as an element of an integer type: truncated, saturated, NaN to 0.
int64_t to_integer(DType type, double value);

/// Strides with which a tensor of `shape` is read as one of `rank` axes: aligned right, 0 where it
/// broadcasts.
Extents broadcast_strides(llvm::ArrayRef<Dim> shape, size_t rank);

/// Walks `extents` in row-major order and calls run(offsets) for each run along the last axis: offsets[i] is
/// where the run of the tensor with strides[i] starts.
template <class Run>
void for_each_run(llvm::ArrayRef<int64_t> extents, llvm::ArrayRef<Extents> strides, Run run) {
  for (int64_t extent : extents)
    if (extent == 0) return;
  size_t outer = extents.empty() ? 0 : extents.size() - 1;
  llvm::SmallVector<int64_t, 4> offsets(strides.size(), 0);
  Extents index(outer, 0);
  for (;;) {
    run(offsets.data());
    size_t axis = outer;
    while (axis-- > 0) {
      for (size_t i = 0; i < strides.size(); ++i) offsets[i] += strides[i][axis];
      if (++index[axis] < extents[axis]) break;
      index[axis] = 0;
      for (size_t i = 0; i < strides.size(); ++i) offsets[i] -= strides[i][axis] * extents[axis];
    }
    if (axis == static_cast<size_t>(-1)) return;
  }
}

template <class T>
void copy_strided(llvm::ArrayRef<int64_t> extents, T* to, const Extents& to_strides, const T* from,
                  const Extents& from_strides) {
  int64_t length = extents.empty() ? 1 : extents.back();
  int64_t to_step = extents.empty() ? 0 : to_strides.back();
  int64_t from_step = extents.empty() ? 0 : from_strides.back();
  for_each_run(extents, {to_strides, from_strides}, [&](const int64_t* at) {
    T* target = to + at[0];
    const T* source = from + at[1];
    for (int64_t i = 0; i < length; ++i) target[i * to_step] = source[i * from_step];
  });
}

}  // namespace tenon::evaluation
