#include "runtime/input_checks.h"

#include <doctest/doctest.h>

#include "ir/builder.h"
#include "ir/diagnostics.h"

namespace tenon {
namespace {

Tensor integers(Shape shape, llvm::ArrayRef<int32_t> values) {
  Tensor tensor = Tensor::uninitialised({DType::kI32, std::move(shape)});
  std::copy(values.begin(), values.end(), reinterpret_cast<int32_t*>(tensor.mutable_data()));
  return tensor;
}

TEST_CASE("a position past the capacity and a page that the pool does not have are refused") {
  Graph graph;
  Builder b(graph);
  const auto source = [&](Op op, const char* name, DType type, Shape shape) {
    return b.source(op, name, {type, std::move(shape)}, {{"name", std::string(name)}});
  };
  Value* pool = source(Op::kState, "pool", DType::kF32, {5, 1, 16, 8});
  Value* k = source(Op::kInput, "k", DType::kF32, {2, 1, 4, 8});
  Value* position = source(Op::kInput, "position", DType::kI32, {2});
  Value* pages = source(Op::kInput, "pages", DType::kI32, {2, 3});
  graph.add_output("y", b.make(Op::kCacheWrite, {pool, k, position, pages}, {{"pages", true}}));
  const auto check = [&](llvm::ArrayRef<int32_t> at, llvm::ArrayRef<int32_t> table) {
    TensorMap inputs;
    inputs.emplace("position", integers({2}, at));
    inputs.emplace("pages", integers({2, 3}, table));
    check_cache_writes(graph, inputs);
  };
  CHECK_NOTHROW(check({0, 44}, {4, 3, 2, 1, 0, 0}));
  CHECK_THROWS_WITH_AS(check({13, 12}, {4, 5, 2, 2, 1, 0}),
                       doctest::Contains("row 0 names page 5, state 'pool' has 5 (input 'pages')"), Error);
  CHECK_THROWS_WITH_AS(check({0, 0}, {4, 4, 4, 2, -1, 0}),  // which no token reaches yet
                       doctest::Contains("row 1 names page -1, state 'pool' has 5 (input 'pages')"), Error);
  CHECK_THROWS_WITH_AS(check({0, 45}, {4, 4, 4, 4, 4, 4}), doctest::Contains("do not fit the capacity of 48"),
                       Error);
}

}  // namespace
}  // namespace tenon
