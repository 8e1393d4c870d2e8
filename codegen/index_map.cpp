// index_map.cpp: affine indices and what a reshape does to them.
#include "codegen/index_map.h"

#include <algorithm>
#include <cassert>

namespace tenon {

Affine Affine::variable(int v) {
  Affine a;
  a.terms.push_back({v, Dim(1)});
  return a;
}

int64_t Affine::coefficient(int v) const {
  for (const auto& [variable, coefficient] : terms)
    if (variable == v) return coefficient.extent();
  return 0;
}

void Affine::add(const Affine& other, Dim times) {
  constant = constant + other.constant * times;
  for (const auto& [v, coefficient] : other.terms) {
    const Dim more = coefficient * times;
    auto at = std::lower_bound(terms.begin(), terms.end(), v,
                               [](const auto& term, int key) { return term.first < key; });
    if (at == terms.end() || at->first != v)
      terms.insert(at, {v, more});
    else
      at->second = at->second + more;
  }
  llvm::erase_if(terms, [](const auto& term) { return term.second.extent() == 0; });
}

bool operator==(const Affine& a, const Affine& b) { return a.constant == b.constant && a.terms == b.terms; }

IndexSpace::IndexSpace(llvm::ArrayRef<Dim> axes) : axes_(static_cast<int>(axes.size())) {
  for (const Dim& extent : axes)
    variables.push_back({.extent = extent,
                         .multiple = known_divisor(extent),
                         .name = "c" + std::to_string(variables.size())});
}

int IndexSpace::add_variable(Variable variable) {
  assert(!variable.axis());
  for (size_t i = axes_; i < variables.size(); ++i) {
    const Variable& other = variables[i];
    if (other.origin == variable.origin && other.step == variable.step && other.divisor == variable.divisor &&
        other.argument == variable.argument)
      return static_cast<int>(i);
  }
  variable.name = "i" + std::to_string(variables.size() - axes_);
  variables.push_back(std::move(variable));
  return static_cast<int>(variables.size()) - 1;
}

int64_t known_divisor(const Dim& d) {
  if (!d.dynamic()) return std::max<int64_t>(std::abs(d.extent()), 1);
  if (d.symbol().find_first_of("+-/(") != llvm::StringRef::npos) return 1;
  int64_t divisor = 1, factor;
  llvm::SmallVector<llvm::StringRef, 4> factors;
  d.symbol().split(factors, '*');
  for (llvm::StringRef text : factors)
    if (!text.trim().getAsInteger(10, factor)) divisor *= factor;
  return divisor;
}

std::pair<int64_t, int64_t> IndexSpace::range(const Affine& a) const {
  int64_t low = a.constant.extent(), high = low;
  for (const auto& [v, coefficient] : a.terms) {
    const int64_t reach = coefficient.extent() * std::max<int64_t>(variables[v].extent.extent() - 1, 0);
    (reach < 0 ? low : high) += reach;
  }
  return {low, high};
}

bool IndexSpace::depends(const Affine& a, int v) const {
  for (const auto& term : a.terms) {
    if (term.first == v) return true;
    for (int read : variables[term.first].reads)
      if (depends(Affine::variable(read), v)) return true;
  }
  return false;
}

Affine IndexSpace::offset(llvm::ArrayRef<Affine> index, llvm::ArrayRef<Dim> shape) {
  Affine sum;
  Dim stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    sum.add(index[i], stride);
    stride = stride * shape[i];
  }
  return sum;
}

std::pair<Affine, Affine> IndexSpace::divide(const Affine& a, Dim size) {
  const int64_t s = std::max<int64_t>(size.extent(), 1);
  if (s == 1) return {a, Affine()};
  Affine high, low;
  for (const auto& [v, coefficient] : a.terms) {
    Affine& part = coefficient.extent() % s == 0 ? high : low;
    const Dim scaled = &part == &low               ? coefficient
                       : coefficient.extent() == s ? Dim(1)
                                                   : floor_div(coefficient, size);
    part.terms.push_back({v, scaled});
  }
  const int64_t constant = a.constant.extent(),
                quotient = constant >= 0 ? constant / s : -((s - 1 - constant) / s);
  const bool apart = a.constant.dynamic() && quotient != 0;
  high.constant = apart ? floor_div(a.constant, size) : Dim(quotient);
  low.constant = quotient == 0 ? a.constant
                 : apart       ? a.constant - high.constant * size
                               : Dim(constant - quotient * s);
  const auto [least, most] = range(low);
  if (least >= 0 && most < s) return {high, low};
  for (const auto& [v, coefficient] : low.terms) {
    const int64_t c = coefficient.extent();
    if (!variables[v].axis() || c <= 0 || s % c != 0) continue;
    const int64_t inner = s / c;
    if (inner > 1 && variables[v].extent.extent() > inner && variables[v].extent.extent() % inner == 0 &&
        wanted_split.first < 0)
      wanted_split = {v, inner};
  }
  Variable quotient_of{
      .extent = Dim(range(a).second / s + 1), .origin = Variable::kQuotient, .argument = a, .divisor = size};
  Variable rest_of{.extent = size, .origin = Variable::kRemainder, .argument = a, .divisor = size};
  for (const auto& term : a.terms)
    quotient_of.reads.push_back(term.first), rest_of.reads.push_back(term.first);
  return {Affine::variable(add_variable(std::move(quotient_of))),
          Affine::variable(add_variable(std::move(rest_of)))};
}

llvm::SmallVector<Affine, 4> IndexSpace::reshape(llvm::ArrayRef<Affine> index, llvm::ArrayRef<Dim> from,
                                                 llvm::ArrayRef<Dim> to) {
  llvm::SmallVector<Affine, 4> result(to.size());
  if (element_count(to) == 0) return result;
  llvm::SmallVector<size_t, 4> long_from, long_to;  // extents of 1 have index 0 and take no part
  for (size_t k = 0; k < from.size(); ++k)
    if (from[k].extent() != 1) long_from.push_back(k);
  for (size_t k = 0; k < to.size(); ++k)
    if (to[k].extent() != 1) long_to.push_back(k);
  for (size_t i = long_from.size(), j = long_to.size();
       j > 0;) {  // groups of as many elements, from the last
    const size_t j_end = j;
    Affine rest = index[long_from[--i]];
    Dim stride = from[long_from[i]];
    int64_t there = to[long_to[--j]].extent();
    while (stride.extent() != there) {
      if (stride.extent() > there) {
        there *= to[long_to[--j]].extent();
      } else {
        rest.add(index[long_from[--i]], stride);
        stride = stride * from[long_from[i]];
      }
    }
    for (size_t k = j_end - 1; k > j; --k) {
      auto [high, low] = divide(rest, to[long_to[k]]);
      result[long_to[k]] = low;
      rest = high;
    }
    result[long_to[j]] = rest;
  }
  return result;
}

}  // namespace tenon
