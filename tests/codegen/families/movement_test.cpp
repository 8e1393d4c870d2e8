// The movement family: writes into a cache in place, scatter where the last write wins.
#include "codegen/families/movement.h"

#include <doctest/doctest.h>

#include "tests/codegen/kernel_check.h"

using namespace tenon;

namespace {

Value* input(Builder& b, const char* name, DType type, llvm::ArrayRef<Dim> shape) {
  return b.source(Op::kInput, name, {type, Shape(shape.begin(), shape.end())}, {});
}

HostTensor draw_positions(llvm::StringRef name, const Type& type) {
  HostTensor tensor = draw_normal(name, type);
  if (name == "position")
    for (size_t i = 0; i < tensor.integers.size(); ++i) tensor.integers[i] = 3 + 2 * static_cast<int64_t>(i);
  if (name == "index")
    for (size_t i = 0; i < tensor.integers.size(); ++i)
      tensor.integers[i] = static_cast<int64_t>(i * 5 % 7) - 3;
  if (name == "pages")  // of a pool of 7, each in one place of the table
    for (size_t i = 0; i < tensor.integers.size(); ++i) tensor.integers[i] = static_cast<int64_t>(i * 5 % 7);
  if (name == "straddling") tensor.integers = {13, 31};  // two rows whose tokens lie on two pages
  return tensor;
}

std::string check(Graph& graph, llvm::ArrayRef<Value*> results) {
  for (Value* result : results) graph.add_output("y", result);
  return check_kernel(movement_family(), region_of(graph, Pattern::kMovement), {.draw = draw_positions});
}

}  // namespace

TEST_CASE("a cache takes its new rows in place, at one position or one for each row of the batch") {
  for (const Shape& position : {Shape{}, Shape{Dim(2)}}) {
    Graph graph;
    Builder b(graph);
    Value *cache = input(b, "cache", DType::kBF16, {Dim(2), Dim(3), Dim(12), Dim(16)}),
          *rows = input(b, "k", DType::kBF16, {Dim(2), Dim(3), Dim(4, "T"), Dim(16)});
    Value* updated = b.make(Op::kCacheWrite, {cache, rows, input(b, "position", DType::kI32, position)});
    updated->set_name("k_cache");
    const std::string text = check(graph, updated);
    if (position.empty()) check_golden("movement_cache_write", text);
  }
}

TEST_CASE("a token, its place in a history and the next position are one kernel, in place") {
  for (int64_t rows : {1, 3}) {
    Graph graph;
    Builder b(graph);
    const Dim n(rows);
    Value *chosen = b.cast(input(b, "chosen", DType::kI64, {n}), DType::kI32),
          *position = input(b, "position", DType::kI32, {n}),
          *history = input(b, "history", DType::kI32, {n, Dim(1), Dim(64), Dim(1)});
    Value* written =
        b.make(Op::kCacheWrite, {history, b.reshape(chosen, {n, Dim(1), Dim(1), Dim(1)}), position});
    written->set_name("history");
    Value* token = b.reshape(chosen, {n, Dim(1)});
    token->set_name("token");
    Value* next = b.make(Op::kAdd, {position, b.constant(1, DType::kI32)});
    next->set_name("next");
    const std::string text = check(graph, {written, token, next});
    if (rows == 3) check_golden("movement_token", text);
  }
}

TEST_CASE("a pool takes new rows on the pages that the table names, across pages") {
  for (bool turned : {false, true}) {
    Graph graph;
    Builder b(graph);
    Value *pool = input(b, "pool", DType::kBF16, {Dim(7), Dim(3), Dim(16), Dim(16)}),
          *rows = input(b, "k", DType::kBF16, {Dim(2), Dim(3), Dim(8, "T"), Dim(16)}),
          *position = input(b, "straddling", DType::kI32, {Dim(2)}),
          *pages = input(b, "pages", turned ? DType::kI64 : DType::kI32, {Dim(2), Dim(3)});
    if (turned) rows = b.make(Op::kRope, {rows, b.reshape(position, {2, 1})}, {{"theta", 100.0}});
    Value* updated = b.make(Op::kCacheWrite, {pool, rows, position, pages}, {{"pages", true}});
    updated->set_name("k_pool");
    const std::string text = check(graph, updated);
    if (!turned) check_golden("movement_paged_write", text);
  }
}

TEST_CASE("rope turns keys on their way into the cache") {
  Graph graph;
  Builder b(graph);
  Value *cache = input(b, "cache", DType::kF32, {Dim(1), Dim(2), Dim(12), Dim(8)}),
        *k = input(b, "k", DType::kF32, {Dim(1), Dim(2), Dim(4, "T"), Dim(8)});
  Value* position = input(b, "position", DType::kI32, {});
  check(graph,
        b.make(Op::kCacheWrite, {cache, b.make(Op::kRope, {k, position}, {{"theta", 100.0}}), position}));
}

TEST_CASE("scatter: of several writes to one place the last wins; along any axis") {
  for (int64_t axis : {0, 1}) {
    Graph graph;
    Builder b(graph);
    Value *x = input(b, "x", DType::kF32, {Dim(7), Dim(7)}), *at = input(b, "index", DType::kI64, {Dim(9)});
    Value* updates = input(b, "u", DType::kF32, axis == 0 ? Shape{Dim(9), Dim(7)} : Shape{Dim(7), Dim(9)});
    check(graph, b.make(Op::kScatter, {x, at, updates}, {{"axis", Dim(axis)}}));
  }
}
