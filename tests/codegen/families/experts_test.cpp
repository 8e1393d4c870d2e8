// Tests of codegen/families/experts*.cpp: kernels against the f64 evaluator, what is offered and refused.
#include "codegen/families/experts.h"

#include <doctest/doctest.h>

#include "passes/passes.h"
#include "tests/codegen/kernel_check.h"

namespace tenon {
namespace {

struct Shapes {
  DType dtype;
  Dim rows;
  int choices, experts, depth, columns;
};

struct Mixture {
  Graph graph;
  Builder builder{graph};
  Value *x, *ids, *weights;

  explicit Mixture(const Shapes& s) {
    x = input("x", s.dtype, {s.rows, s.depth});
    ids = input("ids", DType::kI64, {s.rows, s.choices});
    weights = input("weights", DType::kF32, {s.rows, s.choices});
  }
  Value* input(llvm::StringRef name, DType dtype, Shape shape, Op op = Op::kInput) {
    return builder.source(op, name, {dtype, std::move(shape)}, {{"name", name.str()}});
  }
  Value* product(Value* rows, llvm::StringRef name, int experts, int columns, int depth) {
    Value* w = input(name, rows->type().dtype, {experts, columns, depth}, Op::kWeight);
    return builder.make(Op::kGroupedMatmul, {rows, w, ids});
  }
  Region region(Value* result) {
    result->set_name("y");
    graph.add_output("y", result);
    return region_of(graph, Pattern::kExperts);
  }
};

/// Normal numbers, and ids below `experts` of which the last but one is never chosen.
Draw ids_below(int64_t experts) {
  return [experts](llvm::StringRef name, const Type& type) {
    HostTensor tensor = draw_normal(name, type);
    for (int64_t& id : tensor.integers) {
      id = (id + 12) % experts;
      if (id == experts - 2) id = experts - 1;
    }
    return tensor;
  };
}

Region gate(Mixture& m, const Shapes& s) {
  Value* g = m.product(m.x, "gate", s.experts, s.columns, s.depth);
  Value* u = m.product(m.x, "up", s.experts, s.columns, s.depth);
  return m.region(m.builder.make(Op::kMul, {m.builder.make(Op::kSilu, {g}), u}));
}

Region weighted_sum(Mixture& m, const Shapes& s) {
  Value* rows = m.input("rows", s.dtype, {s.rows, s.choices, s.depth});
  Value* y = m.builder.cast(m.product(rows, "down", s.experts, s.columns, s.depth), DType::kF32);
  Value* factors = m.builder.reshape(m.weights, {s.rows, s.choices, 1});
  Value* sum = m.builder.reduce(Op::kSum, m.builder.make(Op::kMul, {y, factors}), {1}, false);
  Value* residual = m.input("r", s.dtype, {s.rows, s.columns});
  return m.region(m.builder.make(Op::kAdd, {residual, m.builder.cast(sum, s.dtype)}));
}

}  // namespace

TEST_CASE("two products of the chosen experts and their gate, streamed") {
  for (Shapes s :
       {Shapes{DType::kBF16, Dim(3, "T"), 2, 5, 40, 17}, Shapes{DType::kF32, Dim(2, "T"), 1, 3, 7, 9}}) {
    Mixture m(s);
    std::string text = check_kernel(experts_family(), gate(m, s),
                                    {.target = "h200", .draw = ids_below(s.experts), .config = "stream"});
    if (s.dtype == DType::kBF16) check_golden("experts_gate", text);
  }
}

TEST_CASE("two products of the chosen experts and their gate, in tiles") {
  for (Shapes s :
       {Shapes{DType::kBF16, Dim(90, "T"), 2, 5, 40, 24}, Shapes{DType::kF32, Dim(70, "T"), 2, 35, 7, 9}}) {
    Mixture m(s);
    check_kernel(experts_family(), gate(m, s),
                 {.target = "h200", .draw = ids_below(s.experts), .config = "tiles 16x64"});
  }
}

TEST_CASE("all rows may choose one expert, and a row one expert twice") {
  Shapes s{DType::kBF16, Dim(80, "T"), 2, 4, 24, 8};
  Mixture m(s);
  const auto one = [](llvm::StringRef name, const Type& type) {
    HostTensor tensor = draw_normal(name, type);
    for (int64_t& id : tensor.integers) id = 2;
    return tensor;
  };
  check_kernel(experts_family(), m.region(m.product(m.x, "w", s.experts, s.columns, s.depth)),
               {.target = "h200", .draw = one, .config = "tiles 32x64"});
}

TEST_CASE("the chosen experts' results, weighted, summed and added to a residual") {
  Shapes s{DType::kBF16, Dim(3, "T"), 4, 6, 24, 11};
  Mixture m(s);
  check_golden("experts_sum", check_kernel(experts_family(), weighted_sum(m, s),
                                           {.target = "h200", .draw = ids_below(s.experts)}));
}

TEST_CASE("what is no experts' region says why") {
  Shapes s{DType::kF32, 3, 2, 4, 8, 8};
  Target target{.card = find_target("h200")};
  {
    Mixture m(s);
    Value* y = m.product(m.x, "w", s.experts, s.columns, s.depth);
    Value* wide = m.input("b", DType::kF32, {s.columns});
    Region region = m.region(m.builder.make(Op::kAdd, {y, wide}));
    CHECK(experts_family().refuses(region, target) == "add reads f32[8] beside the experts");
  }
  {
    Mixture m(s);
    Value* h = m.builder.make(Op::kSilu, {m.x});
    Region region = m.region(m.product(h, "w", s.experts, s.columns, s.depth));
    CHECK(experts_family().refuses(region, target) == "silu before the experts' product");
  }
  {  // many choices of few experts are no stream
    Shapes many{DType::kF32, 100, 2, 4, 8, 8};
    Mixture m(many);
    Region region = m.region(m.product(m.x, "w", many.experts, many.columns, many.depth));
    const auto all = experts_family().candidates(region, target);
    CHECK(all.size() > 1);
    CHECK(all[0].why_not == "200 choices would read the weights of 4 experts over and over");
    CHECK(all[1].why_not == "");
  }
}

TEST_CASE("a mixture of experts is two launches behind its router") {
  Shapes s{DType::kBF16, 2, 2, 4, 16, 32};
  Mixture m(s);
  Value* g = m.product(m.x, "gate", 4, 32, 16);
  Value* u = m.product(m.x, "up", 4, 32, 16);
  Value* h = m.builder.make(Op::kMul, {m.builder.make(Op::kSilu, {g}), u});
  Value* y = m.builder.cast(m.product(h, "down", 4, 16, 32), DType::kF32);
  Value* factors = m.builder.reshape(m.weights, {2, 2, 1});
  Value* sum = m.builder.reduce(Op::kSum, m.builder.make(Op::kMul, {y, factors}), {1}, false);
  m.graph.add_output("y", m.builder.make(Op::kAdd, {m.x, m.builder.cast(sum, DType::kBF16)}));
  Proposals proposals = propose_fusions(m.graph);
  std::vector<size_t> sizes;
  for (const Region& region : proposals.regions)
    if (region.pattern == Pattern::kExperts &&
        experts_family().refuses(region, {.card = find_target("h200")}).empty())
      sizes.push_back(region.nodes.size());
  CHECK(*std::max_element(sizes.begin(), sizes.end()) == 7);  // down, cast, reshape, mul, sum, cast, add
  CHECK(llvm::is_contained(sizes, 4u));                       // gate, up, silu, mul
}

}  // namespace tenon
