#include "runtime/draw.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ir/builder.h"

namespace tenon {
namespace {

TEST_CASE("drawn floats are normal with the fan-in's sigma, the same for the same seed and name") {
  Graph graph;
  Builder b(graph);
  Value* x = b.source(Op::kInput, "x", {DType::kF32, {4, 400}});
  Value* w = b.source(Op::kWeight, "w", {DType::kF32, {500, 400}});  // [out, in], used transposed
  Value* y = b.matmul(x, b.transpose(w, {1, 0}));
  graph.add_output("y", b.make(Op::kAdd, {y, b.source(Op::kWeight, "bias", {DType::kF32, {500}})}));
  CHECK(distribution_of(*w->node()).sigma == doctest::Approx(1 / std::sqrt(400.0)));
  CHECK(distribution_of(*x->node()).sigma == 1);
  Tensor drawn = draw(*w->node(), 0), again = draw(*w->node(), 0), other = draw(*w->node(), 1);
  double sum = 0, squares = 0, fourth = 0;
  int differing = 0;
  for (int64_t i = 0; i < drawn.elements(); ++i) {
    double value = drawn.at(i) * std::sqrt(400.0);
    sum += value, squares += value * value, fourth += value * value * value * value;
    CHECK_MESSAGE(drawn.at(i) == again.at(i), i);
    differing += drawn.at(i) != other.at(i);
  }
  auto count = static_cast<double>(drawn.elements());
  CHECK(std::fabs(sum / count) < 0.01);
  CHECK(squares / count == doctest::Approx(1).epsilon(0.01));
  CHECK(fourth / count == doctest::Approx(3).epsilon(0.03));  // a normal's kurtosis
  CHECK(differing > drawn.elements() * 0.999);
}

TEST_CASE("ids stay below the table they index, through reshapes and sums; positions are 0") {
  Graph graph;
  Builder b(graph);
  Value* table = b.source(Op::kWeight, "table", {DType::kF32, {17, 8}});
  Value* ids = b.source(Op::kInput, "ids", {DType::kI32, {50, 40}});
  Value* flat = b.reshape(ids, {2000});
  graph.add_output("y", b.make(Op::kGather, {table, flat}, {{"axis", Dim(0)}}));
  Value* position = b.source(Op::kInput, "position", {DType::kI32, {}});
  Value* q = b.source(Op::kInput, "q", {DType::kF32, {1, 1, 4, 8}});
  graph.add_output("q", b.make(Op::kRope, {q, position}));
  Value* free = b.source(Op::kInput, "free", {DType::kI64, {3}});
  graph.add_output("free", free);
  CHECK(distribution_of(*ids->node()).below == 17);
  CHECK(distribution_of(*position->node()).below == 1);
  CHECK(distribution_of(*free->node()).below == 10);
  CHECK(distribution_of(*table->node()).sigma == doctest::Approx(1 / std::sqrt(8.0)));
  Tensor drawn = draw(*ids->node(), 3);
  int counts[17] = {};
  for (int64_t i = 0; i < drawn.elements(); ++i) {
    REQUIRE(drawn.integer_at(i) >= 0);
    REQUIRE(drawn.integer_at(i) < 17);
    ++counts[drawn.integer_at(i)];
  }
  for (int count : counts) CHECK(count > 60);  // 118 on average
  CHECK(draw(*position->node(), 3).integer_at(0) == 0);
}

TEST_CASE("a table of pages names each page once before any comes again") {
  Graph graph;
  Builder b(graph);
  Value* pool = b.source(Op::kInput, "pool", {DType::kF32, {12, 1, 16, 8}});
  Value* k = b.source(Op::kInput, "k", {DType::kF32, {3, 1, 1, 8}});
  Value* pages = b.source(Op::kInput, "pages", {DType::kI32, {3, 8}});
  Value* position = b.source(Op::kInput, "position", {DType::kI32, {}});
  Value* written = b.make(Op::kCacheWrite, {pool, k, position, pages}, {{"pages", true}});
  graph.add_output("y", b.make(Op::kGather, {written, pages}, {{"axis", Dim(0)}}));
  CHECK(distribution_of(*pages->node()).below == 12);
  for (uint64_t seed : {0, 1, 2}) {
    Tensor drawn = draw(*pages->node(), seed);
    int counts[12] = {};
    for (int64_t i = 0; i < drawn.elements(); ++i) ++counts[drawn.integer_at(i)];
    for (int count : counts) CHECK(count == 2);
  }
}

}  // namespace
}  // namespace tenon
