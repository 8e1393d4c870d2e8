// view.h: a tensor read through strides: transposes, slices and broadcasts cost nothing until somebody needs
// dense memory.
#pragma once
#include <algorithm>
#include <cstring>

#include "runtime/tensor.h"

namespace tenon::cpu {

/// Element (i, j, ..) lies at offset + strides . (i, j, ..) of `storage`, counted in elements of its type.
struct View {
  Tensor storage;
  Extents extents, strides;
  int64_t offset = 0;
  /// Of quantised weights, where `group` is not 0: `storage` holds the integers, `group` elements of the last axis
  /// share one of `scales`; dense. Products and gathers read it, all else what `widened` makes of it.
  Tensor scales = {};
  int64_t group = 0;

  static View of(Tensor tensor);  ///< the whole tensor, dense
  DType dtype() const { return storage.dtype(); }
  int64_t rank() const { return static_cast<int64_t>(extents.size()); }
  int64_t elements() const;
  const std::byte* data() const { return storage.data() + offset * size_of(dtype()); }
  bool dense() const;  ///< row-major without gaps

  View permuted(llvm::ArrayRef<int64_t> perm) const;
  /// Read as `shape`, which it broadcasts to (aligned right).
  View broadcast(llvm::ArrayRef<int64_t> shape) const;
  /// Under other extents with as many elements; copies where no strides can say it.
  View reshaped(llvm::ArrayRef<int64_t> shape) const;
  /// The same elements, dense; itself where it is.
  View made_dense() const;
  /// A tensor of `type` (the view's dtype and extents).
  Tensor tensor(const Type& type) const;
};

/// Row-major strides of extents.
Extents dense_strides(llvm::ArrayRef<int64_t> extents);

/// Copies `from` to the place whose strides these are, in parallel.
void copy_to(const View& from, std::byte* to, llvm::ArrayRef<int64_t> to_strides);

/// Walks a view in row-major order in pieces: neighbouring axes that lie together are walked as one.
class Walk {
 public:
  explicit Walk(const View& view);

  /// Calls run(offset, step, length) for the runs that make up elements [begin, begin + count): the elements
  /// offset, offset + step, ... of the storage.
  template <class Run>
  void runs(int64_t begin, int64_t count, Run run) const {
    if (count == 0) return;
    int64_t inner = extents_.back(), step = strides_.back(), rest = begin / inner, column = begin % inner;
    while (count > 0) {
      int64_t row = offset_, index = rest;
      for (size_t axis = extents_.size() - 1; axis-- > 0; index /= extents_[axis])
        row += index % extents_[axis] * strides_[axis];
      int64_t length = std::min(count, inner - column);
      run(row + column * step, step, length);
      count -= length;
      column = 0;
      ++rest;
    }
  }

  /// Elements [begin, begin + count) in the type of the arithmetic.
  void load(int64_t begin, int64_t count, float* out) const;
  void load(int64_t begin, int64_t count, int64_t* out) const;

 private:
  template <class T>
  void load_as(int64_t begin, int64_t count, T* out) const;
  DType dtype_;
  const std::byte* data_;
  Extents extents_, strides_;  // at least one axis
  int64_t offset_;
};

/// From the type of the arithmetic to storage.
void store(const float* values, int64_t count, DType dtype, std::byte* out);
void store(const int64_t* values, int64_t count, DType dtype, std::byte* out);

}  // namespace tenon::cpu
