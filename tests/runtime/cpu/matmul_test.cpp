#include "tests/runtime/cpu/graphs.h"

namespace tenon {
namespace {

using test::check_graph;

double tolerance(DType dtype) { return dtype == DType::kF32 ? 2e-6 : dtype == DType::kI32 ? 0 : 5e-3; }

TEST_CASE("products of every layout, batch, type and awkward size") {
  struct Case {
    Shape a, b;
    bool ta, tb;
  };
  const Case cases[] = {{{1, 1}, {1, 1}, false, false},
                        {{17, 33}, {33, 65}, false, false},
                        {{17, 33}, {65, 33}, false, true},
                        {{33, 17}, {33, 65}, true, false},
                        {{33, 17}, {65, 33}, true, true},
                        {{300, 129}, {129, 1500}, false, false},
                        {{3, 1, 7, 9}, {5, 9, 4}, false, false},
                        {{3, 5, 7, 9}, {9, 4}, false, false},
                        {{2, 4, 6, 8}, {2, 4, 10, 8}, false, true},
                        {{1, 300}, {301, 300}, false, true},
                        {{4, 300}, {37, 300}, false, true},
                        {{3, 61}, {61, 517}, false, false},
                        {{9}, {9, 4}, false, false},
                        {{6, 9}, {9}, false, false},
                        {{9}, {9}, false, false},
                        {{4, 3, 9}, {9}, false, false},
                        {{5, 0}, {0, 3}, false, false},
                        {{0, 4}, {4, 3}, false, false},
                        {{2, 0, 4}, {4, 3}, false, false}};
  for (const Case& c : cases)
    for (DType dtype : {DType::kF32, DType::kBF16, DType::kF16, DType::kI32}) {
      Graph graph;
      Builder b(graph);
      Value* left = b.source(Op::kInput, "a", {dtype, c.a});
      Value* right = b.source(Op::kInput, "b", {dtype, c.b});
      graph.add_output("y", b.matmul(left, right, c.ta, c.tb));
      check_graph(graph, tolerance(dtype));
    }
}

TEST_CASE("operands that are views: transposed, sliced, broadcast") {
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    Graph graph;
    Builder b(graph);
    Value* x = b.source(Op::kInput, "x", {dtype, {2, 30, 3, 40}});
    Value* left = b.transpose(x, {0, 2, 1, 3});  // [2, 3, 30, 40]
    Value* right =
        b.slice(b.source(Op::kInput, "w", {dtype, {40, 90}}), 1, 4, 40, 2);  // [40, 40], every second
    graph.add_output("y", b.matmul(left, right));
    graph.add_output("s", b.matmul(left, left, false, true));
    Value* e = b.expand(b.source(Op::kInput, "e", {dtype, {1, 40}}), {20, 40});
    graph.add_output("e", b.matmul(e, right));
    check_graph(graph, tolerance(dtype));
  }
}

}  // namespace
}  // namespace tenon
