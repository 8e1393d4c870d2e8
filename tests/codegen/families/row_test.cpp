// The row family: norms, softmax and reductions over any axes, in registers and streamed; values by running
// the kernels on ordinary rows and on those that break naive ones: large means, all -inf, NaN, nothing, one
// element past a tile.
#include "codegen/families/row.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

Value* input(Builder& b, const char* name, DType type, llvm::ArrayRef<Dim> shape, bool weight = false) {
  return b.source(weight ? Op::kWeight : Op::kInput, name, {type, Shape(shape.begin(), shape.end())}, {});
}

std::string check(Graph& graph, llvm::ArrayRef<Value*> results, const KernelCheck& how = {}) {
  for (Value* result : results) graph.add_output("y", result);
  return check_kernel(row_family(), region_of(graph, Pattern::kRow), how);
}

HostTensor draw_hard(llvm::StringRef name, const Type& type) {
  HostTensor tensor = draw_normal(name, type);
  const int64_t row = type.shape.empty() ? 1 : std::max<int64_t>(type.shape.back().extent(), 1);
  for (size_t i = 0; i < tensor.reals.size(); ++i) {
    const int64_t r = static_cast<int64_t>(i) / row;
    double& x = tensor.reals[i];
    if (name != "x") continue;
    if (r % 6 == 1) x = -INFINITY;
    if (r % 6 == 2 && static_cast<int64_t>(i) % row == row / 2) x = NAN;
    if (r % 6 == 3 && static_cast<int64_t>(i) % row == row / 3) x = -INFINITY;
    if (r % 6 == 4) x = round_to(type.dtype, 80 * x);
  }
  return tensor;
}

HostTensor draw_far(llvm::StringRef name, const Type& type) {
  HostTensor tensor = draw_normal(name, type);
  if (name == "x")
    for (double& x : tensor.reals) x = round_to(type.dtype, 1000 + x / 4);
  return tensor;
}

}  // namespace

TEST_CASE(
    "layernorm keeps the variance of rows far from zero, with residual, weight and bias, of any length") {
  for (int64_t length : {768, 8, 1, 37, 1032})
    for (DType type : {DType::kF32, DType::kBF16}) {
      Graph graph;
      Builder b(graph);
      Value* sum = b.make(Op::kAdd, {input(b, "x", type, {Dim(5, "T"), Dim(length)}),
                                     input(b, "r", type, {Dim(5, "T"), Dim(length)})});
      sum->set_name("h");
      Value* y =
          b.make(Op::kLayernorm,
                 {sum, input(b, "g", type, {Dim(length)}, true), input(b, "b", type, {Dim(length)}, true)},
                 {{"axis", Dim(1)}, {"weight", true}, {"bias", true}, {"eps", 1e-5}});
      y->set_name("y");
      INFO("length ", length);
      const std::string text = check(
          graph, {sum, y},
          {.draw = draw_far, .all_candidates = length == 768, .tolerance = type == DType::kF32 ? 2e-4 : 0});
      if (length == 768 && type == DType::kBF16) check_golden("row_layernorm", text);
    }
}

TEST_CASE("softmax: rows of -inf, NaN, one -inf, large values; any axis") {
  for (int64_t axis : {0, 1, 2})
    for (DType type : {DType::kF32, DType::kF16}) {
      Graph graph;
      Builder b(graph);
      Value* x = input(b, "x", type, {Dim(3), Dim(7), Dim(16)});
      check(graph,
            {b.make(Op::kSoftmax, {b.make(Op::kMul, {x, b.constant(0.5, type)})}, {{"axis", Dim(axis)}})},
            {.draw = draw_hard, .all_candidates = true});
      Graph logs;
      Builder l(logs);
      check(
          logs,
          {l.make(Op::kLogSoftmax, {input(l, "x", type, {Dim(3), Dim(7), Dim(16)})}, {{"axis", Dim(axis)}})},
          {.draw = draw_hard});
    }
}

TEST_CASE("every reduction in every type, over trailing, leading, middle, split and all axes") {
  for (DType type : {DType::kF32, DType::kBF16, DType::kI64, DType::kI32, DType::kU8})
    for (const Extents& axes :
         {Extents{2}, Extents{0}, Extents{1}, Extents{0, 2}, Extents{0, 1, 2}, Extents{1, 2}}) {
      Graph graph;
      Builder b(graph);
      Value* x = input(b, "x", type, {Dim(6), Dim(5), Dim(24)});
      std::vector<Value*> results;
      for (Op op : {Op::kSum, Op::kMean, Op::kMax, Op::kMin, Op::kProd})
        results.push_back(b.reduce(op, x, axes, op == Op::kSum));
      if (axes.size() == 1) results.push_back(b.reduce(Op::kArgmax, x, axes, false));
      INFO("type ", name_of(type).str(), " first axis ", axes[0], " of ", axes.size());
      check(graph, results,
            {.draw = type == DType::kF32 ? draw_hard : draw_normal, .tolerance = is_float(type) ? 1e-2 : 0});
    }
}

TEST_CASE("products of types that no product kernel multiplies are sums of rows") {
  struct Case {
    Shape a, b;
    bool transpose_a, transpose_b;
  };
  for (const Case& c : {Case{{3, 5}, {5, 4}, false, false}, Case{{2, 3, 5}, {4, 5}, false, true},
                        Case{{2, 5, 3}, {2, 5, 4}, true, false}, Case{{5}, {5, 4}, false, false},
                        Case{{3, 5}, {5}, false, false}})
    for (DType type : {DType::kI64, DType::kI32, DType::kI8, DType::kU8, DType::kF8E4M3, DType::kF8E5M2}) {
      Graph graph;
      Builder b(graph);
      INFO("type ", name_of(type).str());
      check(graph,
            {b.matmul(input(b, "a", type, c.a), input(b, "b", type, c.b), c.transpose_a, c.transpose_b)});
    }
}

TEST_CASE("a sum over many rows of one column, ties of argmax, rows of one element, and of none") {
  Graph graph;
  Builder b(graph);
  Value* x = input(b, "x", DType::kF32, {Dim(1000), Dim(12)});
  check(graph,
        {b.reduce(Op::kMean, x, {0}, false), b.reduce(Op::kArgmax, b.make(Op::kFloor, {x}), {0}, false)});
  Graph ties;
  Builder t(ties);
  check(ties,
        {t.reduce(Op::kArgmax, t.make(Op::kFloor, {input(t, "x", DType::kF32, {Dim(9), Dim(100)})}), {1},
                  false)},
        {.all_candidates = true});
  Graph one;
  Builder o(one);
  check(one, {o.make(Op::kSoftmax, {input(o, "x", DType::kF32, {Dim(9), Dim(1)})}, {{"axis", Dim(1)}})});
  Graph none;
  Builder n(none);
  Value* nothing = input(n, "x", DType::kF32, {Dim(4), Dim(0, "T")});
  std::vector<Value*> results;
  for (Op op : {Op::kSum, Op::kMean, Op::kMax, Op::kMin, Op::kProd})
    results.push_back(n.reduce(op, nothing, {1}, false));
  check(none, results);
  Graph empty;
  Builder e(empty);
  check(empty, {e.reduce(Op::kSum, input(e, "x", DType::kF32, {Dim(0, "T"), Dim(8)}), {1}, false)});
}

TEST_CASE("rmsnorm with a rounding tail; moments; a mask from iota before a softmax") {
  Graph graph;
  Builder b(graph);
  Value* x = input(b, "x", DType::kBF16, {Dim(4, "T"), Dim(64)});
  Value* y = b.make(Op::kRmsnorm, {x, input(b, "g", DType::kBF16, {Dim(64)}, true)},
                    {{"axis", Dim(1)}, {"weight", true}, {"eps", 1e-6}});
  y->set_name("y");
  check_golden("row_rmsnorm", check(graph, {y}));
  Graph statistics;
  Builder m(statistics);
  Node* moments = m.make_node(Op::kMoments, {input(m, "x", DType::kF16, {Dim(6), Dim(40)})},
                              {{"axis", Dim(1)}, {"eps", 1e-5}});
  check(statistics, {moments->result(0), moments->result(1)}, {.draw = draw_far, .tolerance = 1e-3});
  Graph masked;
  Builder k(masked);
  const Type row{DType::kI64, {Dim(24)}};
  Value* j = k.make(Op::kIota, {}, {}, &row);
  Value* scores = input(k, "x", DType::kF32, {Dim(3), Dim(24)});
  Value* seen = k.make(Op::kLess, {j, k.constant(10, DType::kI64)});
  check(masked,
        {k.make(Op::kSoftmax, {k.make(Op::kWhere, {seen, scores, k.constant(-INFINITY, DType::kF32)})},
                {{"axis", Dim(1)}})},
        {.all_candidates = true});
}

TEST_CASE("cumsum and topk along any axis: carries across warps' widths, NaN first, ties by place") {
  for (DType type : {DType::kF32, DType::kI32, DType::kBF16})
    for (int64_t axis : {0, 1}) {
      INFO("type ", name_of(type).str(), " axis ", axis);
      Graph sums;
      Builder b(sums);
      check(sums,
            {b.make(Op::kCumsum, {input(b, "z", type, {Dim(70), Dim(65, "T")})}, {{"axis", Dim(axis)}})},
            {.tolerance = is_float(type) ? 1e-2 : 0});
      Graph best;
      Builder t(best);
      Node* top = t.make_node(Op::kTopk, {input(t, "x", type, {Dim(12), Dim(300, "T")})},
                              {{"axis", Dim(axis)}, {"k", Dim(7)}});
      check(best, {top->result(0), top->result(1)}, {.draw = type == DType::kF32 ? draw_hard : draw_normal});
    }
  Graph places;
  Builder p(places);
  Node* top = p.make_node(Op::kTopk, {input(p, "x", DType::kF32, {Dim(3), Dim(9)})},
                          {{"axis", Dim(1)}, {"k", Dim(9)}});
  check_golden("row_topk", check(places, {top->result(1)}));
}

TEST_CASE("softmax over a vocabulary: too long for registers, and odd") {
  Graph graph;
  Builder b(graph);
  Value* y =
      b.make(Op::kSoftmax, {input(b, "logits", DType::kF32, {Dim(2, "T"), Dim(50257)})}, {{"axis", Dim(1)}});
  y->set_name("y");
  const std::string text = check(graph, {y});
  CHECK(text.find("StreamedRow") != std::string::npos);
  check_golden("row_softmax_vocabulary", text);
}

TEST_CASE("a long row of which one value is wanted is shared by several blocks") {
  for (DType type : {DType::kF32, DType::kBF16, DType::kI32})
    for (Op op : {Op::kSum, Op::kMean, Op::kMax, Op::kMin, Op::kArgmax}) {
      Graph graph;
      Builder b(graph);
      Value* x =
          b.make(Op::kAdd, {input(b, "x", type, {Dim(5, "T"), Dim(40001)}), input(b, "z", type, {Dim(1)})});
      INFO(name_of(op).str(), " of ", name_of(type).str());
      check(graph, {b.reduce(op, x, {1}, false)},
            {.draw = type == DType::kF32 && op != Op::kSum && op != Op::kMean ? draw_hard : draw_normal,
             .all_candidates = true,
             .config = "streamed",
             .tolerance = is_float(type) ? 1e-2 : 0});
    }
  Graph ties;  // in different blocks' shares, and within one
  Builder t(ties);
  Value* first = t.reduce(
      Op::kArgmax, t.make(Op::kFloor, {input(t, "logits", DType::kF32, {Dim(2), Dim(66000)})}), {1}, false);
  first->set_name("first");
  const std::string text = check(ties, {first}, {.all_candidates = true});
  CHECK(text.find(".slices = 32") != std::string::npos);
  check_golden("row_argmax_shared", text);
  Graph all;  // one value of everything
  Builder a(all);
  check(all, {a.reduce(Op::kMax, input(a, "x", DType::kF16, {Dim(64), Dim(2048)}), {0, 1}, false)},
        {.all_candidates = true, .config = "streamed"});
}

TEST_CASE("products of integers are sums of rows, whichever way their operands lie") {
  for (bool transposed : {false, true}) {
    Graph graph;
    Builder b(graph);
    const Shape left = transposed ? Shape{2, 9, 5} : Shape{2, 5, 9},
                right = transposed ? Shape{7, 9} : Shape{9, 7};
    Value* y =
        b.matmul(input(b, "x", DType::kI32, left), input(b, "z", DType::kI32, right), transposed, transposed);
    y->set_name("y");
    check(graph, {y});
  }
}
