#include "tests/runtime/cpu/graphs.h"

namespace tenon {
namespace {

using test::check_graph;

TEST_CASE("movements of every type, of views and after each other") {
  for (DType dtype : {DType::kF32, DType::kBF16, DType::kI64, DType::kI32, DType::kU8, DType::kBool}) {
    Graph graph;
    Builder b(graph);
    Value* x = b.source(Op::kInput, "x", {dtype, {4, 6, 10}});
    Value* t = b.transpose(x, {2, 0, 1});
    graph.add_output("transpose", t);
    graph.add_output("reshape", b.reshape(t, {5, 8, 6}));
    graph.add_output("slice", b.slice(t, 0, 9, 5, -2));
    graph.add_output("view", b.reshape(b.slice(t, 1, 1, 2), {10, 2, 3, 2}));
    graph.add_output("expand", b.expand(b.slice(x, 1, 2, 1), {3, 4, 6, 10}));
    graph.add_output("concat", b.make(Op::kConcat, {x, b.slice(x, 1, 0, 2), x}, {{"axis", Dim(1)}}));
    graph.add_output("pad", b.make(Op::kPad, {t},
                                   {{"before", Shape{1, 0, 2}}, {"after", Shape{0, 3, 1}}, {"value", 1.0}}));
    Value* index = b.source(Op::kInput, "index", {DType::kI32, {3, 2}});
    for (int64_t axis : {0, 1, 2})
      graph.add_output("gather", b.make(Op::kGather, {t, index}, {{"axis", Dim(axis)}}));
    Value* places = b.source(Op::kInput, "places", {DType::kI64, {3}});
    Value* updates = b.source(Op::kInput, "updates", {dtype, {4, 3, 10}});
    graph.add_output("scatter", b.make(Op::kScatter, {x, places, updates}, {{"axis", Dim(1)}}));
    check_graph(graph, 0, [](const Node& node) {
      llvm::StringRef name = node.attributes.string("name");
      if (name == "index") return Tensor::of(node.type(), {0, -1, 3, 2, 1, -4});
      if (name == "places") return Tensor::of(node.type(), {5, -6, 5});  // the last write wins
      return test::drawn_source(node);
    });
  }
}

TEST_CASE("an index outside the axis is an error with op and place") {
  for (double index : {4.0, -5.0}) {
    Graph graph;
    Builder b(graph);
    auto file = std::make_shared<SourceFile>(SourceFile{"m.toml", "y = embedding(x, i)\n"});
    b.at(Location{file, 1, 5, 9});
    Value* x = b.source(Op::kInput, "x", {DType::kF32, {4, 2}});
    Value* i = b.source(Op::kInput, "i", {DType::kI32, {1}});
    graph.add_output("y", b.make(Op::kGather, {x, i}, {{"axis", Dim(0)}}));
    auto given = [&](const Node& node) {
      return node.type().dtype == DType::kI32 ? Tensor::of(node.type(), {index}) : test::drawn_source(node);
    };
    const std::string message = "m.toml:1:5: error: index " + std::to_string(static_cast<int>(index)) +
                                " is outside an axis of 4 of input 'x'";
    CHECK_THROWS_WITH_AS(cpu::evaluate(graph, given), doctest::Contains(message.c_str()), Error);
  }
}

TEST_CASE("constants, iota and frequency tables") {
  Graph graph;
  Builder b(graph);
  graph.add_output("one", b.constant(0.1, DType::kBF16, {3, 2}));
  graph.add_output("max", b.constant(1e30, DType::kI64, {2}));
  Type type{DType::kI32, {5}};
  graph.add_output("iota", b.make(Op::kIota, {}, {}, &type));
  Type values{DType::kF32, {3}};
  graph.add_output("values",
                   b.make(Op::kConstant, {}, {{"values", std::vector<double>{1, 2, 0.1}}}, &values));
  Type table{DType::kF32, {4}};
  graph.add_output("table", b.make(Op::kRopeTable, {}, {{"theta", 500.0}}, &table));
  check_graph(graph, 1e-7);
}

TEST_CASE("rope with every form of position, both pairings, part of the row, given frequencies") {
  for (Shape position : {Shape{}, Shape{7}, Shape{2, 1}, Shape{2, 7}})
    for (bool interleaved : {false, true})
      for (bool given : {false, true}) {
        Graph graph;
        Builder b(graph);
        std::vector<Value*> operands{b.source(Op::kInput, "x", {DType::kF32, {2, 3, 7, 12}}),
                                     b.source(Op::kInput, "position", {DType::kI32, position})};
        Attributes attributes{{"theta", 1000.0}, {"rotary_dim", Dim(8)}, {"scale", 1.25}};
        if (interleaved) attributes.set("interleaved", true);
        if (given) {
          attributes.set("frequencies", true);
          operands.push_back(b.source(Op::kWeight, "f", {DType::kF32, {4}}));
        }
        graph.add_output("y", b.make(Op::kRope, operands, attributes));
        check_graph(graph, 1e-6, [](const Node& node) {
          if (node.type().dtype == DType::kI32) return test::drawn(node.type(), 5, 0, 4000);
          return test::drawn_source(node);
        });
      }
}

}  // namespace
}  // namespace tenon
