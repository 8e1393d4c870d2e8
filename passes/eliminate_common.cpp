// eliminate_common.cpp: computes equal things once.
#include <bit>

#include "llvm/ADT/Hashing.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

/// Exact identity of attributes: unlike ==, it tells 0.0 from -0.0 and a dynamic dim from its number, so that
/// a graph's structure does not depend on what extents happen to coincide.
struct Hash {
  size_t operator()(bool value) const { return llvm::hash_value(value); }
  size_t operator()(const Dim& value) const {
    return llvm::hash_combine(value.extent(), llvm::hash_value(value.symbol()));
  }
  size_t operator()(double value) const { return llvm::hash_value(std::bit_cast<uint64_t>(value)); }
  size_t operator()(const std::string& value) const { return llvm::hash_value(value); }
  size_t operator()(const Shape& value) const { return range(value); }
  size_t operator()(const std::vector<double>& value) const { return range(value); }
  template <class Range>
  size_t range(const Range& values) const {
    size_t hash = values.size();
    for (const auto& value : values) hash = llvm::hash_combine(hash, (*this)(value));
    return hash;
  }
};

bool identical(double a, double b) { return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b); }
bool identical(const Dim& a, const Dim& b) { return a == b && a.symbol() == b.symbol(); }
bool identical(bool a, bool b) { return a == b; }
bool identical(const std::string& a, const std::string& b) { return a == b; }
template <class Range>
bool identical(const Range& a, const Range& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const auto& x, const auto& y) { return identical(x, y); });
}
bool identical(const Attributes& a, const Attributes& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.index() == y.second.index() &&
           std::visit(
               [&](const auto& left) {
                 return identical(left, std::get<std::decay_t<decltype(left)>>(y.second));
               },
               x.second);
  });
}

using Operands = llvm::SmallVector<Value*, 4>;
/// Operands in an order that does not depend on how a commutative op was written.
Operands ordered_operands(const Node& node) {
  Operands operands(node.operands().begin(), node.operands().end());
  if (is_commutative(node.op())) llvm::sort(operands);
  return operands;
}

size_t hash_of(const Node& node) {
  size_t hash = llvm::hash_combine(static_cast<int>(node.op()), static_cast<int>(node.type().dtype),
                                   Hash().range(node.type().shape));
  for (const Value* operand : ordered_operands(node)) hash = llvm::hash_combine(hash, operand);
  for (const auto& [name, value] : node.attributes)
    hash = llvm::hash_combine(hash, llvm::hash_value(name), std::visit(Hash(), value));
  return hash;
}

bool same_computation(const Node& a, const Node& b) {
  if (a.op() != b.op() || a.result_count() != b.result_count()) return false;
  for (int i = 0; i < a.result_count(); ++i)
    if (a.type(i).dtype != b.type(i).dtype || !identical(a.type(i).shape, b.type(i).shape)) return false;
  return ordered_operands(a) == ordered_operands(b) && identical(a.attributes, b.attributes);
}

}  // namespace

bool eliminate_common(Graph& graph) {
  llvm::DenseMap<size_t, llvm::SmallVector<Node*, 1>> seen;
  bool changed = false;
  for (Node& node : llvm::make_early_inc_range(graph.nodes())) {
    if (!is_erasable(node) || node.body) continue;
    auto& bucket = seen[hash_of(node) & (~size_t{0} >> 1)];  // the map keeps its two largest keys for itself
    auto* first =
        llvm::find_if(bucket, [&](const Node* earlier) { return same_computation(*earlier, node); });
    if (first == bucket.end()) {
      bucket.push_back(&node);
      continue;
    }
    for (int i = 0; i < node.result_count(); ++i) graph.replace_all_uses(node.result(i), (*first)->result(i));
    graph.erase(&node);
    changed = true;
  }
  return changed;
}

}  // namespace tenon
