// Quantised weights in products, gathers and everything else, with groups and lengths that divide nothing well.
#include "tests/runtime/cpu/graphs.h"

namespace tenon {
namespace {

using test::check_graph;

Tensor drawn_integers(const Node& node) {
  const DType dtype = node.type().dtype;
  if (dtype == DType::kU8) return test::drawn(node.type(), 5, 0, 255);
  if (dtype == DType::kI8) return test::drawn(node.type(), 6, -128, 127);
  if (dtype == DType::kI32) return test::drawn(node.type(), 7, 0, 4);
  return test::drawn_source(node);
}

Value* weight(Builder& b, DType integers, DType floats, int64_t out, int64_t in, int64_t group) {
  Value* values = b.source(Op::kWeight, "w", {integers, {out, integers == DType::kU8 ? in / 2 : in}});
  Value* scales = b.source(Op::kWeight, "w.scale", {floats, {out, in / group}});
  return b.make(Op::kDequantise, {values, scales}, {{"group", group}});
}

TEST_CASE("products, gathers and other readers of quantised weights agree with the evaluator") {
  struct Case {
    int64_t out, in, group;
  };
  for (DType integers : {DType::kU8, DType::kI8})
    for (DType floats : {DType::kF32, DType::kBF16, DType::kF16})
      for (const Case& c : {Case{70, 64, 16}, {130, 18, 3}, {5, 12, 1}, {33, 6, 6}}) {
        CAPTURE(c.in);
        Graph graph;
        Builder b(graph);
        Value* w = weight(b, integers, floats, c.out, c.in, c.group);
        Value* x = b.source(Op::kInput, "x", {floats, {2, 3, c.in}});
        Value* y = b.source(Op::kInput, "y", {floats, {4, c.out}});
        Value* ids = b.source(Op::kInput, "ids", {DType::kI32, {3}});
        graph.add_output("by columns", b.matmul(x, w, false, true));
        graph.add_output("by rows", b.matmul(y, w));
        graph.add_output("left", b.matmul(w, w, false, true));
        graph.add_output("table", b.make(Op::kGather, {w, ids}, {{"axis", Dim(0)}}));
        graph.add_output("columns", b.make(Op::kGather, {w, ids}, {{"axis", Dim(1)}}));
        graph.add_output("sum", b.make(Op::kAdd, {w, w}));
        graph.add_output("itself", w);
        check_graph(graph, floats == DType::kF32 ? 2e-6 : 5e-3, drawn_integers);
      }
}

}  // namespace
}  // namespace tenon
