#include "ir/op.h"
#include "tests/runtime/cpu/graphs.h"

namespace tenon {
namespace {

using test::check_graph;

/// The types that an op of the table takes.
bool takes(Op op, DType dtype) {
  bool logical = op == Op::kNot || op == Op::kAnd || op == Op::kOr || op == Op::kXor;
  if (logical) return dtype == DType::kBool;
  bool any = is_comparison(op) || op == Op::kWhere || op == Op::kMaximum || op == Op::kMinimum;
  if (dtype == DType::kBool) return any;
  if (is_float(dtype) || any) return true;
  switch (op) {
    case Op::kNeg:
    case Op::kAbs:
    case Op::kSign:
    case Op::kRelu:
    case Op::kFloor:
    case Op::kCeil:
    case Op::kRound:
    case Op::kAdd:
    case Op::kSub:
    case Op::kMul:
    case Op::kDiv:
    case Op::kPow: return true;
    default: return false;
  }
}

TEST_CASE("every elementwise op of the table, every type, broadcast three ways") {
  int tested = 0;
  for (int index = 0; index < kOpCount; ++index) {
    auto op = static_cast<Op>(index);
    if (!is_elementwise(op) || op == Op::kCast) continue;
    for (DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kI32, DType::kI64, DType::kI8,
                        DType::kU8, DType::kBool}) {
      if (!takes(op, dtype)) continue;
      CAPTURE(name_of(op).str());
      CAPTURE(name_of(dtype).str());
      Graph graph;
      Builder b(graph);
      const Shape shapes[] = {{3, 1, 700}, {5, 1}, {3, 5, 700}};
      std::vector<Value*> operands;
      int count = info(op).min_operands;
      if (op == Op::kWhere) operands.push_back(b.source(Op::kInput, "c", {DType::kBool, {5, 700}}));
      for (int i = static_cast<int>(operands.size()); i < count; ++i)
        operands.push_back(b.source(Op::kInput, i ? "y" : "x", {dtype, shapes[i]}));
      graph.add_output("result", b.make(op, operands));
      // log and sqrt of negatives give NaN in both; f32 functions are good to a few ulp.
      check_graph(graph, dtype == DType::kF32 ? 2e-6 : is_float(dtype) ? 2e-4 : 0);
      ++tested;
    }
  }
  CHECK(tested > 150);
}

TEST_CASE("casts between all types, with NaN, infinities and values outside the range") {
  const DType all[] = {DType::kBool, DType::kI8,   DType::kU8,  DType::kI32,    DType::kI64,
                       DType::kF16,  DType::kBF16, DType::kF32, DType::kF8E4M3, DType::kF8E5M2};
  for (DType from : all)
    for (DType to : all) {
      CAPTURE(name_of(from).str());
      CAPTURE(name_of(to).str());
      Graph graph;
      Builder b(graph);
      graph.add_output("y", b.cast(b.source(Op::kInput, "x", {from, {8}}), to));
      auto odd = [&](const Node& node) {
        if (is_float(from))
          return Tensor::of(node.type(), {0, -0.75, 1.5, 300.5, -1e6, HUGE_VAL, -HUGE_VAL, NAN});
        return test::drawn(node.type(), 3, from == DType::kU8 ? 0 : -100, 100);
      };
      check_graph(graph, 0, odd);
    }
}

TEST_CASE("functions at their edges: NaN stays, infinities have their limits") {
  for (Op op : {Op::kExp, Op::kTanh, Op::kErf, Op::kSigmoid, Op::kRelu, Op::kSoftplus, Op::kSign}) {
    CAPTURE(name_of(op).str());
    Graph graph;
    Builder b(graph);
    graph.add_output("y", b.make(op, {b.source(Op::kInput, "x", {DType::kF32, {6}})}));
    check_graph(graph, 1e-6, [](const Node& node) {
      return Tensor::of(node.type(), {HUGE_VAL, -HUGE_VAL, NAN, 88.5, -300, 0});
    });
  }
}

TEST_CASE("exp, tanh, erf and gelu follow the f64 functions over their range") {
  std::vector<double> values;
  for (int i = -4000; i <= 4000; ++i) values.push_back(i * 0.0025);
  for (Op op : {Op::kExp, Op::kTanh, Op::kErf, Op::kGelu, Op::kGeluTanh, Op::kSilu, Op::kSigmoid}) {
    CAPTURE(name_of(op).str());
    Graph graph;
    Builder b(graph);
    graph.add_output("y", b.make(op, {b.source(Op::kInput, "x", {DType::kF32, {8001}})}));
    auto grid = [&](const Node& node) { return Tensor::of(node.type(), values); };
    Tensor y = cpu::evaluate(graph, grid).outputs[0];
    Evaluation exact = evaluate(graph, [&](const Node& node) { return to_host(grid(node)); });
    double worst = 0;
    for (int64_t i = 0; i < y.elements(); ++i) {
      double e = exact.outputs[0].at(i);
      if (std::fabs(e) > 1e-30) worst = std::max(worst, std::fabs(y.at(i) - e) / std::fabs(e));
    }
    CHECK(worst < (op == Op::kGelu || op == Op::kGeluTanh ? 2e-5 : 1e-6));  // far tails, near 1e-22
  }
}

}  // namespace
}  // namespace tenon
