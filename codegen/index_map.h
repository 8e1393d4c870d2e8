// index_map.h: where an element of a value lies, as an affine function of the coordinates that a kernel
// walks.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "ir/shape.h"

namespace tenon {

/// constant + the sum of coefficient * variable. Terms are sorted by variable, coefficients are not 0.
/// Numbers that depend on dynamic dims keep their symbols.
struct Affine {
  Dim constant = 0;
  llvm::SmallVector<std::pair<int, Dim>, 4> terms;

  Affine() = default;
  Affine(Dim constant) : constant(constant) {}  // NOLINT(google-explicit-constructor): a number is an index
  static Affine variable(int v);
  int64_t coefficient(int v) const;  ///< 0 where absent
  void add(const Affine& other, Dim times = 1);
  friend bool operator==(const Affine& a, const Affine& b);
};

/// What an index is computed from. Its values are 0 ... extent - 1.
struct Variable {
  enum Origin {
    kAxis,       ///< of the walked space
    kQuotient,   ///< argument / divisor
    kRemainder,  ///< argument % divisor
    kGathered,   ///< step's value as an index into `extent` elements: from the end where negative, clamped
    kLastWrite,  ///< the largest j with ids[j] == argument (in `divisor` elements), step being the load of
                 ///< ids[0]; -1: none
    kLoaded,     ///< step's value as it is: conditions keep it inside `extent`
  };
  Dim extent;
  Origin origin = kAxis;
  Affine argument = {};
  Dim divisor = 1;
  int step = -1;                         ///< of the program that owns the space
  llvm::SmallVector<int, 2> reads = {};  ///< variables that it is computed from
  int64_t multiple = 1;   ///< of an axis: known to divide its extent, whatever the dynamic dims are
  std::string name = {};  ///< in the kernel: "c0"

  bool axis() const { return origin == kAxis; }
  bool run_time() const { return step >= 0; }  ///< computed from something loaded
};

/// The largest number known to divide d whatever its dynamic dims are.
int64_t known_divisor(const Dim& d);

/// The variables of one kernel. The first are the axes, outermost first; more axes only through split().
class IndexSpace {
 public:
  explicit IndexSpace(llvm::ArrayRef<Dim> axes);

  std::vector<Variable> variables;
  int axis_count() const { return axes_; }
  /// An axis that must be split for an index to stay affine: (axis, extent of its inner part); axis -1: none
  /// asked.
  std::pair<int, int64_t> wanted_split{-1, 0};

  int add_variable(Variable variable);
  /// Smallest and largest value.
  std::pair<int64_t, int64_t> range(const Affine& a) const;
  /// True when `a` reads variable v, directly or through definitions.
  bool depends(const Affine& a, int v) const;
  /// The row-major offset of an element.
  static Affine offset(llvm::ArrayRef<Affine> index, llvm::ArrayRef<Dim> shape);
  /// The index, in a tensor of shape `to`, of the element at `index` of one of shape `from`: same row-major
  /// place.
  llvm::SmallVector<Affine, 4> reshape(llvm::ArrayRef<Affine> index, llvm::ArrayRef<Dim> from,
                                       llvm::ArrayRef<Dim> to);

 private:
  /// (a / size, a % size). Asks for a split or makes a run-time number where that is not affine.
  std::pair<Affine, Affine> divide(const Affine& a, Dim size);

  int axes_;
};

}  // namespace tenon
