// digits.cpp: digits of coordinates through reshapes, and addresses made of them.
#include "codegen/families/digits.h"

#include <algorithm>

#include "ir/infer.h"
#include "passes/region.h"

namespace tenon {

Extent::Extent(const Dim& dim) {
  if (dim.dynamic())
    dynamic.push_back(dim);
  else
    number = dim.extent();
}

int64_t Extent::value() const {
  int64_t product = number;
  for (const Dim& factor : dynamic) product *= factor.extent();
  return product;
}

Extent operator*(const Extent& a, const Extent& b) {
  Extent product = a;
  product.number *= b.number;
  product.dynamic.append(b.dynamic.begin(), b.dynamic.end());
  return product;
}

Extent product_of(llvm::ArrayRef<Dim> dims) {
  Extent product;
  for (const Dim& dim : dims) product = product * Extent(dim);
  return product;
}

DigitMap digits_of(Coordinate coordinate, llvm::ArrayRef<Dim> shape) {
  DigitMap map(shape.size());
  bool leading = true;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    map[i].push_back({coordinate, product_of(shape.drop_front(i + 1)), shape[i], leading});
    leading = false;
  }
  return map;
}

std::optional<DigitMap> reshaped(const DigitMap& map, llvm::ArrayRef<Dim> to) {
  llvm::SmallVector<Digit, 8> left;  // digits not yet placed, outermost first
  for (const auto& axis : map) left.append(axis.begin(), axis.end());
  DigitMap result(to.size());
  for (size_t i = to.size(); i-- > 0;) {
    int64_t need = to[i].extent();
    if (need == 0) return std::nullopt;
    while (need > 1) {
      if (left.empty()) return std::nullopt;
      Digit digit = left.pop_back_val();
      const int64_t extent = digit.extent.extent();
      if (need % extent != 0) {  // the axis takes the inner part of the digit
        if (extent % need != 0) return std::nullopt;
        const Dim inner = to[i].extent() == need ? to[i] : Dim(need);
        left.push_back(
            {digit.coordinate, digit.weight * Extent(inner), floor_div(digit.extent, inner), digit.leading});
        digit.extent = inner;
        digit.leading = false;
      }
      need /= digit.extent.extent();
      result[i].insert(result[i].begin(), digit);
    }
  }
  if (!left.empty()) return std::nullopt;
  return result;
}

std::vector<Extent> row_major(llvm::ArrayRef<Dim> shape) {
  std::vector<Extent> strides;
  for (size_t i = 0; i < shape.size(); ++i) strides.push_back(product_of(shape.drop_front(i + 1)));
  return strides;
}

std::vector<AddressTerm> address_of(const DigitMap& map, llvm::ArrayRef<Dim> shape,
                                    llvm::ArrayRef<Extent> strides) {
  std::vector<AddressTerm> terms;
  const size_t missing = map.size() - shape.size();  // axes that the tensor does not have
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 1) continue;
    Extent inside = strides[i];
    for (const Digit& digit : llvm::reverse(map[missing + i])) {
      terms.push_back({digit, inside});
      inside = inside * Extent(digit.extent);
    }
  }
  std::stable_sort(terms.begin(), terms.end(), [](const AddressTerm& a, const AddressTerm& b) {
    if (a.digit.coordinate != b.digit.coordinate) return a.digit.coordinate < b.digit.coordinate;
    return a.digit.weight.value() > b.digit.weight.value();
  });
  std::vector<AddressTerm> merged;
  for (const AddressTerm& inner : terms) {
    if (!merged.empty()) {
      AddressTerm& outer = merged.back();
      const Extent extent(inner.digit.extent);
      if (outer.digit.coordinate == inner.digit.coordinate &&
          outer.digit.weight.value() == (inner.digit.weight * extent).value() &&
          outer.stride.value() == (inner.stride * extent).value()) {
        outer = {{inner.digit.coordinate, inner.digit.weight, outer.digit.extent * inner.digit.extent,
                  outer.digit.leading},
                 inner.stride};
        continue;
      }
    }
    merged.push_back(inner);
  }
  return merged;
}

namespace {

/// Strides of the same memory under another shape.
std::optional<std::vector<Extent>> reshaped_strides(llvm::ArrayRef<Dim> from, llvm::ArrayRef<Extent> strides,
                                                    llvm::ArrayRef<Dim> to) {
  std::vector<Extent> result(to.size());
  size_t i = from.size();
  int64_t left = 1;  // elements of from[i..] that `to` has not used
  Extent stride;
  for (size_t j = to.size(); j-- > 0;) {
    int64_t need = to[j].extent();
    if (need == 0) return std::nullopt;
    while (left == 1 && i > 0) {
      left = from[--i].extent();
      stride = strides[i];
    }
    result[j] = stride;
    while (need > left) {  // the axis takes several: each must continue the one inside it
      if (need % left != 0 || i == 0) return std::nullopt;
      if (strides[i - 1].value() != stride.value() * left && from[i - 1] != 1) return std::nullopt;
      need /= left;
      stride = stride * Extent(left);
      left = from[--i].extent();
    }
    if (left % need != 0) return std::nullopt;
    left /= need;
    stride = stride * (need == to[j].extent() ? Extent(to[j]) : Extent(need));
  }
  return result;
}

}  // namespace

std::optional<OperandView> operand_view(const Value* value) {
  const Node& node = *value->node();
  if (node.op() == Op::kParameter || is_packed(value))
    return OperandView{value, 0, row_major(value->type().shape)};
  if (node.kind() != OpKind::kMovement || node.operand_count() != 1) return std::nullopt;
  std::optional<OperandView> view = operand_view(node.operand(0));
  if (!view) return std::nullopt;
  const Type &from = node.operand(0)->type(), &to = value->type();
  std::vector<Extent> strides(to.shape.size(), Extent(0));
  switch (node.op()) {
    case Op::kTranspose: {
      const Extents perm = node.attributes.integers("perm");
      for (size_t i = 0; i < perm.size(); ++i) strides[i] = view->strides[perm[i]];
      break;
    }
    case Op::kExpand: {
      const size_t missing = to.shape.size() - from.shape.size();
      for (size_t i = 0; i < from.shape.size(); ++i)
        if (from.shape[i] == to.shape[missing + i]) strides[missing + i] = view->strides[i];
      break;
    }
    case Op::kSlice: {
      strides = view->strides;
      Extent& stride = strides[normalise_axis(node.attributes.integer("axis"), from.rank(), node.location)];
      const Dim start = node.attributes.dim("start");
      if (start.extent() != 0 || start.dynamic()) {
        if (view->offset.value() != 0) return std::nullopt;
        view->offset = stride * Extent(start);
      }
      stride = stride * Extent(node.attributes.integer("step", 1));
      break;
    }
    case Op::kReshape: {
      std::optional<std::vector<Extent>> same = reshaped_strides(from.shape, view->strides, to.shape);
      if (!same) return std::nullopt;
      strides = std::move(*same);
      break;
    }
    default: return std::nullopt;
  }
  view->strides = std::move(strides);
  return view;
}

}  // namespace tenon
