// shape.h: extents that may bear the name of a dynamic dim, and tensor types made of them.
#pragma once
#include <cstdint>
#include <string>

#include "ir/dtype.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

namespace tenon {

/// One extent of a shape. A graph is built for one binding of its dynamic dims, so the number is always
/// known; an extent that depends on a dynamic dim also keeps the expression ("T", "B*T") so that text shows
/// it and generated kernels take it as a parameter instead of baking the number in. Two dims are equal when
/// their numbers are.
class Dim {
 public:
  Dim(int64_t extent = 0)
      : extent_(extent) {}  // NOLINT(google-explicit-constructor): a number is a fixed dim
  Dim(int64_t extent, llvm::StringRef symbol);  ///< dynamic when `symbol` is not empty; the text is interned

  int64_t extent() const { return extent_; }
  bool dynamic() const { return symbol_ != nullptr; }
  llvm::StringRef symbol() const { return symbol_ ? llvm::StringRef(*symbol_) : llvm::StringRef(); }
  /// "T" or "4096".
  std::string text() const { return symbol_ ? *symbol_ : std::to_string(extent_); }

  friend bool operator==(const Dim& a, const Dim& b) { return a.extent_ == b.extent_; }
  friend bool operator!=(const Dim& a, const Dim& b) { return a.extent_ != b.extent_; }

 private:
  int64_t extent_;
  const std::string* symbol_ = nullptr;  // interned for the life of the process
};

/// Arithmetic of extents; the symbol of a dynamic result is the expression, neutral elements dropped.
/// Throws Error beyond 2^62 ("... is too large"), and for an expression of more than 1024 characters.
Dim operator+(const Dim& a, const Dim& b);
Dim operator-(const Dim& a, const Dim& b);
Dim operator*(const Dim& a, const Dim& b);
Dim floor_div(const Dim& a, const Dim& b);  ///< b must not be 0

using Shape = llvm::SmallVector<Dim, 4>;
using Extents = llvm::SmallVector<int64_t, 6>;

/// Number of elements; throws Error above 2^62.
int64_t element_count(llvm::ArrayRef<Dim> shape);
Dim element_count_dim(llvm::ArrayRef<Dim> shape);
Extents extents_of(llvm::ArrayRef<Dim> shape);
/// Strides in elements of a dense row-major tensor.
Extents row_major_strides(llvm::ArrayRef<Dim> shape);

/// A tensor's element type and shape. Text: "bf16[T, 4096]"; a scalar is "f32[]".
struct Type {
  DType dtype = DType::kF32;
  Shape shape;

  int64_t rank() const { return static_cast<int64_t>(shape.size()); }
  int64_t elements() const { return element_count(shape); }
  int64_t bytes() const;  ///< throws Error when it overflows
  std::string text() const;
  friend bool operator==(const Type& a, const Type& b) { return a.dtype == b.dtype && a.shape == b.shape; }
  friend bool operator!=(const Type& a, const Type& b) { return !(a == b); }
};

std::string text_of(llvm::ArrayRef<Dim> shape);  ///< "[T, 4096]"

}  // namespace tenon
