#include "tests/runtime/cpu/graphs.h"

namespace tenon {
namespace {

using test::check_graph;

struct Options {
  int64_t batch = 2, heads = 4, key_heads = 4, queries = 10, keys = 10, depth = 16, value_depth = 16;
  bool causal = false, sinks = false, alibi = false;
  int64_t window = 0;
  double softcap = 0;
  Shape mask;
  DType mask_type = DType::kF32, dtype = DType::kF32;
  std::vector<double> offset;
  bool offset_by_row = false;
};

void check(const Options& o, double tolerance) {
  Graph graph;
  Builder b(graph);
  std::vector<Value*> operands{
      b.source(Op::kInput, "q", {o.dtype, {o.batch, o.heads, o.queries, o.depth}}),
      b.source(Op::kInput, "k", {o.dtype, {o.batch, o.key_heads, o.keys, o.depth}}),
      b.source(Op::kInput, "v", {o.dtype, {o.batch, o.key_heads, o.keys, o.value_depth}})};
  Attributes attributes;
  if (o.causal) attributes.set("causal", true);
  if (o.window) attributes.set("window", Dim(o.window));
  if (o.softcap > 0) attributes.set("softcap", o.softcap);
  auto add = [&](const char* flag, const Type& type) {
    attributes.set(flag, true);
    operands.push_back(b.source(Op::kInput, flag, type));
  };
  if (!o.mask.empty()) add("mask", {o.mask_type, o.mask});
  if (!o.offset.empty()) add("offset", {DType::kI32, o.offset_by_row ? Shape{o.batch} : Shape{}});
  if (o.alibi) add("alibi", {o.dtype, {o.heads}});
  if (o.sinks) add("sinks", {o.dtype, {o.heads}});
  graph.add_output("y", b.make(Op::kAttention, operands, attributes));
  check_graph(graph, tolerance, [&](const Node& node) {
    return node.attributes.string("name") == "offset" ? Tensor::of(node.type(), o.offset)
                                                      : test::drawn_source(node);
  });
}

TEST_CASE("every option against the evaluator, short and over several blocks") {
  for (int64_t length : {1, 10, 300}) {
    Options base;
    base.queries = base.keys = length;
    auto with = [&](auto change) {
      Options o = base;
      change(o);
      check(o, 3e-6);
    };
    with([](Options&) {});
    with([](Options& o) { o.causal = true; });
    with([](Options& o) { o.causal = true, o.window = 7; });
    with([](Options& o) { o.window = 150; });
    with([](Options& o) { o.softcap = 2.5; });
    with([](Options& o) { o.key_heads = 1; });
    with([](Options& o) { o.key_heads = 2, o.causal = true, o.value_depth = 24, o.depth = 20; });
    with([](Options& o) { o.sinks = true, o.causal = true; });
    with([](Options& o) { o.alibi = true, o.causal = true; });
    with([&](Options& o) { o.mask = {length, length}, o.mask_type = DType::kBool; });
    with([&](Options& o) { o.mask = {2, 1, 1, length}, o.mask_type = DType::kBool; });
    with([&](Options& o) { o.mask = {4, 1, length}; });
  }
}

TEST_CASE("offsets: a cache longer than what is seen, a negative one, one a row") {
  Options o;
  o.causal = true;
  o.keys = 200;
  o.queries = 3;
  o.key_heads = 2;
  for (double offset : {0.0, 40.0, 197.0, -2.0, -5.0}) {
    o.offset = {offset};
    o.offset_by_row = false;
    check(o, 3e-6);
    o.offset = {offset, 11};
    o.offset_by_row = true;
    check(o, 3e-6);
  }
  o.offset = {40};
  o.offset_by_row = false;
  o.queries = 1;
  o.window = 16;
  check(o, 3e-6);
}

TEST_CASE("16-bit tensors: rounded once, at the end") {
  Options o;
  o.queries = o.keys = 150;
  o.causal = true;
  for (DType dtype : {DType::kBF16, DType::kF16}) {
    o.dtype = dtype;
    check(o, dtype == DType::kBF16 ? 3e-3 : 4e-4);
  }
}

TEST_CASE("rows that see nothing are 0, no key at all is 0") {
  Options o;
  o.mask = {10, 10};
  o.mask_type = DType::kBool;
  Graph graph;
  Builder b(graph);
  Type type{DType::kF32, {1, 1, 4, 8}};
  Value* q = b.source(Op::kInput, "q", type);
  Value* mask = b.source(Op::kInput, "mask", {DType::kBool, {4, 4}});
  graph.add_output("y", b.make(Op::kAttention, {q, q, q, mask}, {{"mask", true}}));
  auto given = [](const Node& node) {
    if (node.type().dtype != DType::kBool) return test::drawn_source(node);
    return Tensor::of(node.type(), {0, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 1});
  };
  check_graph(graph, 1e-6, given);
  CHECK(cpu::evaluate(graph, given).outputs[0].at(3) == 0);
  Options none;
  none.keys = 0;
  check(none, 0);
}

TEST_CASE("heads that are views of one product: split, reshape, transpose cost no copy and no error") {
  for (DType dtype : {DType::kF32, DType::kBF16}) {
    Graph graph;
    Builder b(graph);
    Value* x = b.source(Op::kInput, "x", {dtype, {2, 50, 3 * 64}});
    auto heads = [&](int64_t part) {
      return b.transpose(b.reshape(b.slice(x, 2, part * 64, 64), {2, 50, 4, 16}), {0, 2, 1, 3});
    };
    Value* y = b.make(Op::kAttention, {heads(0), heads(1), heads(2)}, {{"causal", true}});
    graph.add_output("y", b.reshape(b.transpose(y, {0, 2, 1, 3}), {2, 50, 64}));
    check_graph(graph, dtype == DType::kF32 ? 2e-6 : 3e-3);
  }
}

}  // namespace
}  // namespace tenon
