// count_work.cpp: compulsory traffic and arithmetic of a region's body.
#include "passes/family.h"

#include <algorithm>

namespace tenon {
namespace {

/// True when the kernel reads elements of `value` by this use (a cache about to be written in part is not
/// read; what only packed nodes read is read at load).
bool reads_in_kernel(const Value* value, const Node* user) {
  if (user->op() == Op::kCacheWrite && user->operand(0) == value) return false;
  return !is_packed(user->result());
}

// Elements that a kernel reads: of a gather's table only the rows that are asked for, and of quantised weights
// those whose values are.
int64_t elements_read(const Value* value) {
  const int64_t all = value->type().elements();
  int64_t elements = 0;
  for (const Node* user : value->users()) {
    if (!reads_in_kernel(value, user)) continue;
    if (user->op() == Op::kGroupedMatmul && user->operand(1) == value) {  // of the chosen ones alone
      const int64_t experts = value->type().shape[0].extent();
      const int64_t chosen = std::min(experts, user->operand(2)->type().elements());
      elements = std::max(elements, experts ? all / experts * chosen : 0);
      continue;
    }
    bool rows = (user->op() == Op::kGather || user->op() == Op::kSlice) && user->operand(0) == value;
    int64_t read = rows ? user->type().elements() : all;
    if (user->op() == Op::kDequantise && all > 0) {
      const int64_t values =
          user->type().elements() / all;  // of one element: two to a byte, a group to a scale
      read = values > 0 ? (elements_read(user->result()) + values - 1) / values : all;
    }
    elements = std::max(elements, read);
  }
  return std::min(elements, all);
}

int64_t bytes_read(const Value* value) { return elements_read(value) * size_of(value->type().dtype); }

int64_t contraction_flops(const Node& node) {
  const Type& a = node.operand(0)->type();
  int64_t rank = a.rank();
  int64_t k = a.shape[rank == 1 ? 0 : rank - (node.attributes.flag("transpose_a") ? 2 : 1)].extent();
  return 2 * node.type().elements() * k;
}

// The sum over queries i < queries of clamp(i + offset + 1, 0, keys): a triangle, then full rows. In floating
// point: absurd lengths must not overflow, nor take long.
double causal_scores(double queries, double keys, double offset) {
  const double first = std::clamp(-offset - 1, 0.0, queries);  // the first row that sees more than nothing
  const double full = std::clamp(keys - offset - 1, first, queries);  // the first that sees all keys
  const double triangle = (full - first) * (first + full - 1 + 2 * (offset + 1)) / 2;
  return triangle + (queries - full) * keys;
}

// Scores that a causal mask leaves when the offset is a number; all of them otherwise.
int64_t attention_flops(const Node& node) {
  const Type &q = node.operand(0)->type(), &k = node.operand(1)->type(), &v = node.operand(2)->type();
  const double heads = static_cast<double>(q.shape[0].extent()) * static_cast<double>(q.shape[1].extent());
  const double queries = static_cast<double>(q.shape[2].extent()),
               keys = static_cast<double>(k.shape[2].extent());
  double scores = queries * keys;
  const Value* offset = optional_operand(node, "offset");
  if (node.attributes.flag("causal") && (!offset || offset->node()->op() == Op::kConstant))
    scores = causal_scores(queries, keys, offset ? offset->node()->attributes.number("value") : 0);
  const double depth = static_cast<double>(q.shape[3].extent() + v.shape[3].extent());
  return static_cast<int64_t>(std::min(2 * heads * scores * depth, 9e18));
}

int64_t flops_of(const Node& node) {
  switch (node.kind()) {
    case OpKind::kContraction: return contraction_flops(node);
    case OpKind::kReduction:
    case OpKind::kNormalisation: return info(node.op()).flops * node.operand(0)->type().elements();
    default:
      if (node.op() == Op::kDequantise) return info(node.op()).flops * elements_read(node.result());
      if (node.op() == Op::kAttention) return attention_flops(node);
      if (node.op() == Op::kGroupedMatmul)
        return 2 * node.type().elements() * node.operand(1)->type().shape[2].extent();
      return info(node.op()).flops * node.type().elements();
  }
}

}  // namespace

void count_work(const Region& region, Estimate& estimate) {
  estimate.bytes_read = estimate.bytes_written = estimate.flops = 0;
  for (const Node& node : region.body->nodes()) {
    bool in_memory = node.op() == Op::kParameter || is_packed(node.result());
    if (in_memory)
      estimate.bytes_read += bytes_read(node.result());
    else
      estimate.flops += flops_of(node);
  }
  for (const Graph::Output& output : region.body->outputs()) {
    const Node& node = *output.value->node();
    estimate.bytes_written +=
        node.op() == Op::kCacheWrite ? node.operand(1)->type().bytes() : output.value->type().bytes();
  }
}

}  // namespace tenon
