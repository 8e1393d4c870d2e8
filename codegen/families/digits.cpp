// digits.cpp: digits of coordinates through reshapes, and addresses made of them.
#include "codegen/families/digits.h"

#include <algorithm>

#include "codegen/strided_view.h"
#include "passes/region.h"

namespace tenon {

Extent::Extent(const Dim& dim) {
  if (!dim.dynamic()) {
    number = dim.extent();
    return;
  }
  std::string names;  // "T*768" is 768 times T
  llvm::SmallVector<llvm::StringRef, 4> factors{dim.symbol()};
  if (dim.symbol().find_first_of("+-/()") == llvm::StringRef::npos) {
    factors.clear();
    dim.symbol().split(factors, '*');
  }
  for (llvm::StringRef factor : factors) {
    int64_t fixed;
    if (!factor.getAsInteger(10, fixed))
      number *= fixed;
    else
      names += (names.empty() ? "" : "*") + factor.str();
  }
  dynamic.push_back(Dim(number == 0 ? 0 : dim.extent() / number, names));
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

std::optional<OperandView> operand_view(const Value* value) {
  std::optional<StridedView> view = view_of(value);
  if (!view || (view->base->node()->op() != Op::kParameter && !is_packed(view->base))) return std::nullopt;
  return OperandView{view->base, view->offset, {view->strides.begin(), view->strides.end()}};
}

}  // namespace tenon
