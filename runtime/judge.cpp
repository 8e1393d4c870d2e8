// judge.cpp: distances from the f64 evaluator, and how large they may be.
#include "runtime/judge.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tenon {
namespace {

/// The longest sum of the graph: what a product contracts, what a reduction or a row takes in.
int64_t longest_sum(const Graph& graph) {
  int64_t longest = 1;
  for (const Node& node : graph.nodes()) {
    if (node.operand_count() == 0) continue;
    const Type& x = node.operand(0)->type();
    OpKind kind = node.kind();
    bool row = kind == OpKind::kContraction || kind == OpKind::kNormalisation || kind == OpKind::kComposite;
    if (row && x.rank() > 0) longest = std::max(longest, x.shape.back().extent());
    if (node.op() == Op::kAttention) longest = std::max(longest, node.operand(1)->type().shape[2].extent());
    if (kind == OpKind::kReduction && node.type().elements() > 0)
      longest = std::max(longest, x.elements() / node.type().elements());
  }
  return longest;
}

/// What a value's own error `relative` can become where the graph rounds it to a narrower type on the way: elements that lie as near
/// to a rounding boundary go the other way. Of spacing 2u, a part relative / 2u of the elements does, by 2u each: sqrt(2u relative)
/// in the norm.
double flipped_roundings(const Graph& graph, double relative) {
  double narrowest = 0;
  for (const Node& node : graph.nodes())
    if (node.op() == Op::kCast && is_float(node.type().dtype) && is_float(node.operand(0)->type().dtype))
      if (double u = unit_roundoff(node.type().dtype); u > unit_roundoff(node.operand(0)->type().dtype))
        narrowest = std::max(narrowest, u);
  return std::sqrt(2 * narrowest * relative);
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

/// ||actual - expected|| / ||expected|| over finite elements; infinity where others differ, unless `rounded` left
/// its declared type's range in the same way. An expected tensor of zeros is compared absolutely.
template <class At>
double relative_error(const HostTensor& expected, const HostTensor& rounded, At actual) {
  double difference = 0, norm = 0;
  for (int64_t i = 0; i < expected.type.elements(); ++i) {
    double e = expected.at(i), a = actual(i);
    if (!std::isfinite(e) || !std::isfinite(a)) {
      const double r = rounded.at(i);
      if (same(e, a) || (std::isfinite(e) && !std::isfinite(r) && same(r, a))) continue;
      return std::numeric_limits<double>::infinity();
    }
    difference += (a - e) * (a - e);
    norm += e * e;
  }
  return std::sqrt(norm > 0 ? difference / norm : difference);
}

}  // namespace

std::vector<OutputCheck> judge(const Graph& graph, const std::function<HostTensor(const Node&)>& source,
                               llvm::ArrayRef<Tensor> actual) {
  Evaluation exact = evaluate(graph, source), declared = evaluate(graph, source, Rounding::kDeclared);
  double floor = 8 * unit_roundoff(DType::kF32) * std::sqrt(static_cast<double>(longest_sum(graph)));
  floor += flipped_roundings(graph, floor);
  std::vector<OutputCheck> checks;
  for (size_t i = 0; i < exact.outputs.size(); ++i) {
    const HostTensor &expected = exact.outputs[i], &rounded = declared.outputs[i];
    OutputCheck check;
    check.error = relative_error(expected, rounded, [&](int64_t at) { return actual[i].at(at); });
    double own = relative_error(expected, rounded, [&](int64_t at) { return rounded.at(at); });
    check.tolerance = (std::isfinite(own) ? 4 * own : 0) + (is_float(expected.type.dtype) ? floor : 0);
    checks.push_back(check);
  }
  return checks;
}

}  // namespace tenon
