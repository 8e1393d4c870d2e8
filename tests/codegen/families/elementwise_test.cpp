// The elementwise family: every op in every type, index maps, alignment, tails; values by running the
// kernels, and the text of some.
#include "codegen/families/elementwise.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ir/diagnostics.h"
#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

constexpr DType kTypes[] = {DType::kF32, DType::kBF16, DType::kF16, DType::kF8E4M3, DType::kF8E5M2,
                            DType::kI64, DType::kI32,  DType::kI8,  DType::kU8,     DType::kBool};

Value* input(Builder& b, const char* name, DType type, llvm::ArrayRef<Dim> shape, bool weight = false) {
  return b.source(weight ? Op::kWeight : Op::kInput, name, {type, Shape(shape.begin(), shape.end())}, {});
}

std::string check(Graph& graph, llvm::ArrayRef<Value*> results, const KernelCheck& how = {}) {
  for (Value* result : results) graph.add_output("y", result);
  return check_kernel(elementwise_family(), region_of(graph, Pattern::kElementwise), how);
}

/// Ordinary numbers with NaN, infinities, zeros and the edges of integers between them.
HostTensor draw_edges(llvm::StringRef name, const Type& type) {
  HostTensor tensor = draw_normal(name, type);
  const double edges[] = {NAN,  INFINITY, -INFINITY,    0.0,           -0.0,   1e30,    -1e30, 127.5, 128,
                          -129, 255.5,    2147483648.0, -2147483649.0, 9.3e18, -9.3e18, 0.5,   1.5,   2.5};
  for (size_t i = 0; i < tensor.reals.size(); ++i)
    if (type.dtype != DType::kBool && i % 3 == 0) tensor.reals[i] = round_to(type.dtype, edges[i / 3 % 18]);
  const int64_t whole[] = {0, -1, INT64_MAX, INT64_MIN, 2147483647, -2147483648LL, 128, -128, 255};
  for (size_t i = 0; i < tensor.integers.size(); ++i)
    if (i % 3 == 0) {
      const int64_t edge = whole[i / 3 % 9];
      tensor.integers[i] = type.dtype == DType::kI64   ? edge
                           : type.dtype == DType::kI32 ? static_cast<int32_t>(edge)
                           : type.dtype == DType::kI8  ? static_cast<int8_t>(edge)
                                                       : static_cast<uint8_t>(edge);
    }
  return tensor;
}

Value* try_make(Builder& b, Op op, llvm::ArrayRef<Value*> operands) {
  try {
    return b.make(op, operands);
  } catch (const Error&) {
    return nullptr;  // not an op of this type
  }
}

}  // namespace

TEST_CASE("every elementwise op of the table in every type, on ordinary and extreme values") {
  for (DType type : kTypes) {
    Graph graph;
    Builder b(graph);
    Value *x = input(b, "x", type, {Dim(7), Dim(11)}), *z = input(b, "z", type, {Dim(7), Dim(11)});
    Value* c = input(b, "c", DType::kBool, {Dim(7), Dim(11)});
    std::vector<Value*> results;
    for (int i = 0; i < kOpCount; ++i) {
      const Op op = static_cast<Op>(i);
      if (!is_elementwise(op) || op == Op::kCast) continue;
      llvm::SmallVector<Value*, 3> operands{x, z};
      if (op == Op::kWhere) operands = {c, x, z};
      operands.resize(static_cast<size_t>(info(op).min_operands), x);
      if (Value* y = try_make(b, op, operands)) results.push_back(y);
    }
    INFO("type ", name_of(type).str());
    CHECK(results.size() > 5);
    KernelCheck how;
    how.draw = draw_edges;
    if (type == DType::kF32) how.tolerance = 2e-6;
    check(graph, results, how);
  }
}

TEST_CASE("casts between all types saturate, truncate, wrap and keep NaN as declared") {
  for (DType from : kTypes) {
    Graph graph;
    Builder b(graph);
    Value* x = input(b, "x", from, {Dim(90)});
    std::vector<Value*> results;
    for (DType to : kTypes)
      if (to != from) results.push_back(b.cast(b.cast(x, to), to == DType::kBF16 ? DType::kF32 : to));
    INFO("from ", name_of(from).str());
    check(graph, results, {.draw = draw_edges});
  }
}

TEST_CASE("bias and gelu: whole vectors, the bias read by column; one text for every T") {
  std::string texts[2];
  for (int i : {0, 1}) {
    Graph graph;
    Builder b(graph);
    Value* h = b.make(Op::kAdd, {input(b, "x", DType::kBF16, {Dim(6 + i, "T"), Dim(64)}),
                                 input(b, "b1", DType::kBF16, {Dim(64)}, true)});
    h->set_name("h");
    Value* y = b.make(Op::kGeluTanh, {h});
    y->set_name("y");
    texts[i] = check(graph, y, {.all_candidates = true});
  }
  CHECK(texts[0] == texts[1]);
  check_golden("elementwise_bias_gelu", texts[0]);
}

TEST_CASE("broadcast from all sides, odd extents, tails") {
  Graph graph;
  Builder b(graph);
  Value *x = input(b, "x", DType::kF32, {Dim(5), Dim(1), Dim(7)}),
        *z = input(b, "z", DType::kF32, {Dim(3), Dim(1)});
  Value* s = input(b, "s", DType::kF32, {});
  check(graph, b.make(Op::kMul, {b.make(Op::kAdd, {x, z}), s}));
  Graph flat;
  Builder f(flat);
  check(flat,
        f.make(Op::kAdd, {input(f, "x", DType::kF16, {Dim(3), Dim(35)}),
                          input(f, "r", DType::kF16, {Dim(3), Dim(35)})}),
        {.all_candidates = true});
  Graph scalar;
  Builder g(scalar);
  check(scalar, g.make(Op::kExp, {input(g, "x", DType::kF32, {})}));
  Graph tail;
  Builder t(tail);  // a dynamic line of 9: a chunk and one more
  check(tail, t.make(Op::kAdd, {input(t, "x", DType::kBF16, {Dim(4), Dim(9, "T")}),
                                input(t, "m", DType::kBF16, {Dim(9, "T")})}));
}

TEST_CASE("transposes, slices with steps, expands and reshapes become strides") {
  Graph graph;
  Builder b(graph);
  Value* x = input(b, "x", DType::kF32, {Dim(6), Dim(4), Dim(10)});
  Value* t = b.transpose(x, {2, 0, 1});                        // [10, 6, 4]
  Value* s = b.slice(t, 0, 1, 4, 2);                           // rows 1 3 5 7
  Value* r = b.slice(b.transpose(x, {1, 0, 2}), 2, 9, 6, -1);  // [4, 6, 6], backwards
  Value* e = b.expand(input(b, "e", DType::kF32, {Dim(4), Dim(1), Dim(1)}), {Dim(4), Dim(6), Dim(4)});
  check(graph, b.make(Op::kAdd, {b.make(Op::kSub, {s, e}), b.slice(r, 2, 1, 4)}));
}

TEST_CASE("heads are split and merged without a copy between") {
  for (DType type : {DType::kBF16, DType::kF32}) {
    Graph split;
    Builder b(split);
    Value* x = input(b, "x", type, {Dim(2), Dim(5, "T"), Dim(3 * 16)});
    check(split, b.make(Op::kNeg,
                        {b.transpose(b.reshape(x, {Dim(2), Dim(5, "T"), Dim(3), Dim(16)}), {0, 2, 1, 3})}));
    Graph merge;
    Builder m(merge);
    Value* y = input(m, "y", type, {Dim(2), Dim(3), Dim(5, "T"), Dim(16)});
    const std::string text = check(
        merge, m.make(Op::kNeg, {m.reshape(m.transpose(y, {0, 2, 1, 3}), {Dim(2), Dim(5, "T"), Dim(48)})}));
    if (type == DType::kBF16) CHECK(text.find("load<8>") != std::string::npos);
  }
}

TEST_CASE("concat, pad and slices of them, on and off the vector's grid") {
  for (int64_t extent : {16, 5}) {
    Graph graph;
    Builder b(graph);
    Value *x = input(b, "x", DType::kBF16, {Dim(3), Dim(extent)}),
          *z = input(b, "z", DType::kBF16, {Dim(3), Dim(8)});
    Value* both = b.make(Op::kConcat, {b.make(Op::kExp, {x}), z, x}, {{"axis", Dim(1)}});
    Value* padded =
        b.make(Op::kPad, {both},
               {{"before", Shape{Dim(1), Dim(8)}}, {"after", Shape{Dim(0), Dim(extent)}}, {"value", -1.5}});
    check(graph, {b.make(Op::kNeg, {padded})});
    Graph rows;
    Builder r(rows);
    Value *u = input(r, "u", DType::kF32, {Dim(2), Dim(extent)}),
          *w = input(r, "w", DType::kF32, {Dim(3), Dim(extent)});
    check(rows, {r.slice(r.make(Op::kConcat, {u, w, u}, {{"axis", Dim(0)}}), 0, 1, 5)});
  }
}

TEST_CASE("concat of dynamic parts: what follows begins after T") {
  Graph graph;
  Builder b(graph);
  Value *x = input(b, "x", DType::kF32, {Dim(5, "T"), Dim(8)}),
        *z = input(b, "z", DType::kF32, {Dim(3, "S"), Dim(8)});
  check(graph, {b.make(Op::kConcat, {b.make(Op::kNeg, {x}), z, x}, {{"axis", Dim(0)}})});
  Graph reversed;
  Builder r(reversed);
  Value* y = input(r, "y", DType::kF32, {Dim(4), Dim(5, "T")});
  check(reversed, {r.make(Op::kNeg, {r.slice(y, 0, 3, 4, -1)})});
}

TEST_CASE("gather and embedding: negative indices count from the end, computed indices too") {
  Graph graph;
  Builder b(graph);
  Value *table = input(b, "table", DType::kBF16, {Dim(12), Dim(24)}, true),
        *ids = input(b, "ids", DType::kI32, {Dim(2), Dim(5, "T")});
  Value* rows = b.make(Op::kGather, {table, ids}, {{"axis", Dim(0)}});
  Value* scaled = b.make(Op::kMul, {rows, b.constant(4, DType::kBF16)});
  scaled->set_name("x");
  check_golden("elementwise_embedding", check(graph, scaled));
  Graph inner;
  Builder c(inner);
  Value *x = input(c, "x", DType::kF32, {Dim(3), Dim(10), Dim(2)}),
        *at = input(c, "at", DType::kI64, {Dim(4)});
  Value* shifted = c.make(Op::kAdd, {at, c.constant(1, DType::kI64)});
  check(inner, {c.make(Op::kGather, {x, shifted}, {{"axis", Dim(1)}})});
  Graph last;
  Builder l(last);
  check(last, {l.make(Op::kGather,
                      {input(l, "x", DType::kF32, {Dim(3), Dim(12)}), input(l, "at", DType::kI64, {Dim(7)})},
                      {{"axis", Dim(1)}})});
}

TEST_CASE("iota builds masks without a load") {
  Graph graph;
  Builder b(graph);
  const Type row{DType::kI64, {Dim(6, "T")}}, column{DType::kI64, {Dim(16)}};
  Value* i = b.reshape(b.make(Op::kIota, {}, {}, &row), {Dim(6, "T"), Dim(1)});
  Value* j = b.make(Op::kIota, {}, {}, &column);
  check(graph, {b.make(Op::kWhere, {b.make(Op::kLessEqual, {j, i}), b.constant(0, DType::kF32),
                                    b.constant(-INFINITY, DType::kF32)})});
}

TEST_CASE("rope: both pairings, part of a head, tables, every form of positions") {
  struct Case {
    Shape position;
    bool interleaved, table;
    int64_t rotary;
  };
  for (const Case& c : {Case{{}, false, false, 16}, Case{{Dim(2), Dim(1)}, false, true, 16},
                        Case{{Dim(5, "T")}, true, false, 16}, Case{{Dim(2), Dim(5, "T")}, false, false, 8}}) {
    Graph graph;
    Builder b(graph);
    Value* x = input(b, "x", DType::kF32, {Dim(2), Dim(3), Dim(5, "T"), Dim(16)});
    llvm::SmallVector<Value*, 3> operands{x, input(b, "p", DType::kI32, c.position)};
    if (c.table) operands.push_back(input(b, "f", DType::kF32, {Dim(c.rotary / 2)}, true));
    check(graph,
          {b.make(Op::kRope, operands,
                  {{"theta", 500.0},
                   {"interleaved", c.interleaved},
                   {"frequencies", c.table},
                   {"rotary_dim", Dim(c.rotary)},
                   {"scale", 0.5}})},
          {.tolerance = 3e-6});
  }
}

TEST_CASE("several outputs, weights computed at load, and nothing to do") {
  Graph graph;
  Builder b(graph);
  Value *x = input(b, "x", DType::kBF16, {Dim(4), Dim(32)}),
        *r = input(b, "r", DType::kBF16, {Dim(4), Dim(32)});
  Value* g = b.make(Op::kAdd, {input(b, "g", DType::kBF16, {Dim(32)}, true), b.constant(1, DType::kBF16)});
  Value* sum = b.make(Op::kAdd, {x, r});
  check(graph, {sum, b.make(Op::kMul, {sum, g}), b.reshape(b.make(Op::kSilu, {sum}), {Dim(8), Dim(16)})});
  Graph empty;
  Builder e(empty);
  check(empty, {e.make(Op::kExp, {input(e, "x", DType::kF32, {Dim(0, "T"), Dim(8)})})});
}

TEST_CASE("refusals name the op in the way") {
  Target target;
  target.card = find_target("sm_80");
  Graph graph;
  Builder b(graph);
  Value* x = input(b, "x", DType::kF32, {Dim(4), Dim(4)});
  graph.add_output("y", b.reduce(Op::kSum, b.make(Op::kExp, {x}), {1}, false));
  CHECK(elementwise_family().refuses(region_of(graph, Pattern::kElementwise), target) ==
        "sum is a reduction");
  Graph mixed;
  Builder m(mixed);
  Value* z = input(m, "z", DType::kF32, {Dim(4)});
  Value* e = m.make(Op::kExp, {z});
  mixed.add_output("e", e);
  mixed.add_output("y", m.make(Op::kAdd, {e, input(m, "x", DType::kF32, {Dim(4), Dim(4)})}));
  CHECK(elementwise_family().refuses(region_of(mixed, Pattern::kElementwise), target) ==
        "its outputs have different numbers of elements");
}
