#include "tests/runtime/cpu/graphs.h"

namespace tenon {
namespace {

using test::check_graph;

TEST_CASE("every reduction, over every set of axes of a strided view, kept or not") {
  for (Op op : {Op::kSum, Op::kMean, Op::kMax, Op::kMin, Op::kProd, Op::kArgmax})
    for (DType dtype : {DType::kF32, DType::kBF16, DType::kI32, DType::kI64})
      for (std::vector<Dim> axes : {std::vector<Dim>{0}, {-1}, {1, 0}, {2, 0}, {0, 1, 2}}) {
        if (op == Op::kArgmax && axes.size() > 1) continue;
        for (bool keepdims : {false, true}) {
          Graph graph;
          Builder b(graph);
          Value* x = b.transpose(b.source(Op::kInput, "x", {dtype, {7, 5, 33}}), {2, 0, 1});
          Attributes attributes{{"axes", Shape(axes.begin(), axes.end())}};
          if (keepdims) attributes.set("keepdims", true);
          graph.add_output("y", b.make(op, {x}, attributes));
          check_graph(graph, dtype == DType::kF32 ? 1e-6 : dtype == DType::kBF16 ? 4e-3 : 0);
        }
      }
}

TEST_CASE("reductions of nothing") {
  for (Op op : {Op::kSum, Op::kMean, Op::kMax, Op::kMin, Op::kProd})
    for (DType dtype : {DType::kF32, DType::kI32}) {
      Graph graph;
      Builder b(graph);
      graph.add_output("y", b.reduce(op, b.source(Op::kInput, "x", {dtype, {3, 0}}), {1}, false));
      check_graph(graph, 0);
      cpu::Values values = cpu::evaluate(graph, test::drawn_source);
      if (op == Op::kProd) CHECK(values.outputs[0].at(2) == 1);
      if (op == Op::kMax && dtype == DType::kF32) CHECK(values.outputs[0].at(0) == -HUGE_VAL);
    }
}

TEST_CASE("NaN wins every extreme; the first of ties is the index") {
  Graph graph;
  Builder b(graph);
  Value* x = b.source(Op::kInput, "x", {DType::kF32, {3, 4}});
  for (Op op : {Op::kMax, Op::kMin, Op::kArgmax}) graph.add_output("y", b.reduce(op, x, {1}, false));
  auto given = [](const Node& node) {
    return Tensor::of(node.type(), {1, 7, 7, 2, NAN, 3, 9, 1, 0, 5, NAN, 8});
  };
  check_graph(graph, 0, given);
  cpu::Values values = cpu::evaluate(graph, given);
  CHECK(values.outputs[2].integer_at(0) == 1);
  CHECK(values.outputs[2].integer_at(2) == 2);
  CHECK(std::isnan(values.outputs[0].at(1)));
}

TEST_CASE("softmax, log_softmax, cumsum along any axis") {
  for (Op op : {Op::kSoftmax, Op::kLogSoftmax, Op::kCumsum})
    for (int64_t axis : {0, 1, 2}) {
      Graph graph;
      Builder b(graph);
      Value* x = b.source(Op::kInput, "x", {DType::kF32, {4, 37, 5}});
      graph.add_output("y", b.make(op, {x}, {{"axis", Dim(axis)}}));
      check_graph(graph, 1e-6);
    }
}

TEST_CASE("softmax of large and of infinite scores") {
  Graph graph;
  Builder b(graph);
  graph.add_output(
      "y", b.make(Op::kSoftmax, {b.source(Op::kInput, "x", {DType::kF32, {2, 3}})}, {{"axis", Dim(-1)}}));
  check_graph(graph, 1e-6, [](const Node& node) {
    return Tensor::of(node.type(), {1000, 1001, 1002, -HUGE_VAL, 0, 1});
  });
}

TEST_CASE("layernorm, rmsnorm and moments over one and over several axes, with and without weights") {
  for (Op op : {Op::kLayernorm, Op::kRmsnorm, Op::kMoments})
    for (int64_t axis : {-1, 1})
      for (int weights = 0; weights < 3; ++weights) {
        if (weights > (op == Op::kLayernorm ? 2 : op == Op::kRmsnorm ? 1 : 0)) continue;
        Graph graph;
        Builder b(graph);
        std::vector<Value*> operands{b.source(Op::kInput, "x", {DType::kF32, {6, 9, 50}})};
        Attributes attributes{{"axis", Dim(axis)}, {"eps", 1e-5}};
        if (weights > 0)
          attributes.set("weight", true), operands.push_back(b.source(Op::kWeight, "w", {DType::kF32, {50}}));
        if (weights > 1)
          attributes.set("bias", true), operands.push_back(b.source(Op::kWeight, "b", {DType::kF32, {50}}));
        Node* node = b.make_node(op, operands, attributes);
        for (int i = 0; i < node->result_count(); ++i) graph.add_output("y", node->result(i));
        check_graph(graph, 2e-6);
      }
}

TEST_CASE("topk along both axes, ties by index") {
  for (int64_t axis : {0, 1}) {
    Graph graph;
    Builder b(graph);
    Value* x = b.source(Op::kInput, "x", {DType::kI32, {20, 30}});  // few values: many ties
    Node* node = b.make_node(Op::kTopk, {x}, {{"axis", Dim(axis)}, {"k", Dim(7)}});
    graph.add_output("values", node->result(0));
    graph.add_output("indices", node->result(1));
    check_graph(graph, 0);
  }
}

}  // namespace
}  // namespace tenon
