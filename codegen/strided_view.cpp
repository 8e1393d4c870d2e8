// strided_view.cpp: strides through movement, with dynamic extents compared by name.
#include "codegen/strided_view.h"

#include <algorithm>
#include <vector>

namespace tenon {
namespace {

/// A dim as a number times names: "T*2048" is 2048 · T. Anything but a product counts as one name.
struct Monomial {
  int64_t number = 1;
  std::vector<std::string> names;  // sorted

  explicit Monomial(const Dim& dim) {
    if (!dim.dynamic()) {
      number = dim.extent();
      return;
    }
    if (dim.symbol().find_first_of("+-/()") != llvm::StringRef::npos) {
      names.push_back(dim.symbol().str());
      return;
    }
    llvm::SmallVector<llvm::StringRef, 4> factors;
    dim.symbol().split(factors, '*');
    for (llvm::StringRef factor : factors) {
      int64_t value;
      if (factor.getAsInteger(10, value))
        names.push_back(factor.str());
      else
        number *= value;
    }
    std::sort(names.begin(), names.end());
  }
  friend bool operator==(const Monomial& a, const Monomial& b) {
    return a.number == b.number && a.names == b.names;
  }
  bool divides(const Monomial& other) const {
    return number != 0 && other.number % number == 0 &&
           std::includes(other.names.begin(), other.names.end(), names.begin(), names.end());
  }
};

bool same(const Dim& a, const Dim& b) { return Monomial(a) == Monomial(b); }

/// The axes that are not fixed extents of 1, which any stride suits.
llvm::SmallVector<int, 6> proper_axes(llvm::ArrayRef<Dim> shape) {
  llvm::SmallVector<int, 6> axes;
  for (int i = 0; i < static_cast<int>(shape.size()); ++i)
    if (shape[i].dynamic() || shape[i].extent() != 1) axes.push_back(i);
  return axes;
}

/// The strides of the same elements under another shape, nothing where axes that merge do not follow each
/// other. Works through both shapes from the right, a group of equal products at a time.
std::optional<Shape> reshaped(llvm::ArrayRef<Dim> from, llvm::ArrayRef<Dim> strides, llvm::ArrayRef<Dim> to) {
  Shape result(to.size(), Dim(0));
  auto left = proper_axes(from), right = proper_axes(to);
  while (!left.empty() && !right.empty()) {
    int i = left.pop_back_val(), j = right.pop_back_val();
    Dim have = from[i], need = to[j], run = strides[i];
    result[j] = run;
    while (!same(have, need)) {
      if (Monomial(have).divides(Monomial(need)) && !left.empty()) {
        const int outer = left.pop_back_val();
        if (!same(strides[outer], strides[i] * from[i])) return std::nullopt;
        i = outer;
        have = have * from[i];
      } else if (Monomial(need).divides(Monomial(have)) && !right.empty()) {
        run = run * to[j];
        j = right.pop_back_val();
        result[j] = run;
        need = need * to[j];
      } else {
        return std::nullopt;
      }
    }
  }
  if (!left.empty() || !right.empty()) return std::nullopt;
  return result;
}

bool moves(const Node& node) {
  return node.op() == Op::kReshape || node.op() == Op::kTranspose || node.op() == Op::kSlice ||
         node.op() == Op::kExpand;
}

/// What `node` makes of a view of its operand.
bool move(const Node& node, StridedView& view) {
  const Type &from = node.operand(0)->type(), &to = node.type();
  if (node.op() == Op::kReshape) {
    auto strides = reshaped(from.shape, view.strides, to.shape);
    if (strides) view.strides = *strides;
    return strides.has_value();
  }
  if (node.op() == Op::kTranspose) {
    Shape strides;
    for (int64_t axis : node.attributes.integers("perm")) strides.push_back(view.strides[axis]);
    view.strides = strides;
  } else if (node.op() == Op::kSlice) {
    Dim& stride = view.strides[node.attributes.integer("axis")];
    view.offset = view.offset + node.attributes.dim("start") * stride;
    stride = stride * node.attributes.dim("step", 1);
  } else {
    Shape strides(to.shape.size() - from.shape.size(), Dim(0));
    for (size_t i = 0; i < from.shape.size(); ++i)
      strides.push_back(same(from.shape[i], to.shape[strides.size()]) ? view.strides[i] : Dim(0));
    view.strides = strides;
  }
  return true;
}

}  // namespace

Shape dense_strides(llvm::ArrayRef<Dim> shape) {
  Shape strides(shape.size(), Dim(1));
  for (int i = static_cast<int>(shape.size()) - 2; i >= 0; --i) strides[i] = strides[i + 1] * shape[i + 1];
  return strides;
}

int64_t known_factor(const Dim& dim) { return Monomial(dim).number; }

std::optional<StridedView> view_of(const Value* value, const Node** obstacle) {
  const Node& node = *value->node();
  if (!moves(node)) return StridedView{value, 0, dense_strides(value->type().shape)};
  auto view = view_of(node.operand(0), obstacle);
  if (!view || move(node, *view)) return view;
  if (obstacle) *obstacle = &node;
  return std::nullopt;
}

std::optional<StridedView> place_in(const Value* value, const Value* output) {
  if (value == output) return StridedView{output, 0, dense_strides(output->type().shape)};
  if (value->users().size() != 1 || value->is_result()) return std::nullopt;
  const Node& node = *value->users()[0];
  if (node.op() != Op::kReshape && node.op() != Op::kTranspose) return std::nullopt;
  auto view = place_in(node.result(), output);
  if (!view) return view;
  if (node.op() == Op::kReshape) {
    auto strides = reshaped(node.type().shape, view->strides, value->type().shape);
    if (!strides) return std::nullopt;
    view->strides = *strides;
  } else {
    Shape strides(view->strides);
    Extents perm = node.attributes.integers("perm");
    for (size_t i = 0; i < perm.size(); ++i) strides[perm[i]] = view->strides[i];
    view->strides = strides;
  }
  return view;
}

}  // namespace tenon
