// fold_constants_test.cpp: constants are computed, iotas and what can fail stay.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

namespace {
std::string folded(const std::string& inputs, const std::vector<std::string>& body) {
  return check_rewrite({inputs, body}, fold_constants).text;
}
}  // namespace

TEST_CASE("arithmetic of splats is one number, whatever the shape") {
  CHECK(folded("x: f32[T, 3]",
               {"c = full(shape=[T, 3], value=4.0, dtype=\"f32\")", "y = x * (sqrt(c) + 1.0)"}) ==
        "%0 = constant {value = 3.0} : f32[T, 3]\n%y = mul %x, %0 : f32[T, 3]\nreturn %y\n");
  CHECK(folded("x: f32[T, 3]", {"c = full(shape=[3, 1], value=2.0, dtype=\"f32\")", "y = x + transpose(c)"})
            .find("constant {value = 2.0} : f32[1, 3]") != std::string::npos);
}

TEST_CASE("integers are exact, comparisons are bools") {
  CHECK(folded("x: f32[T]",
               {"c = full(shape=[T], value=7, dtype=\"i32\")", "y = where(less(c / 2, 4), x, 0.0)"})
            .find("constant {value = 1.0} : bool[T]") != std::string::npos);
}

TEST_CASE("iotas stay symbolic, sources stay") {
  std::vector<std::string> body = {"y = x + iota(3, dtype=\"i32\") * 2"};
  CHECK_FALSE(check_rewrite({"x: i32[T, 3]", body}, fold_constants).changed);
  CHECK_FALSE(check_rewrite({"x: f32[T]", {"y = x * 2.0"}}, fold_constants).changed);
}

TEST_CASE("a small table is computed by the evaluator, a large one and one of a dynamic shape are not") {
  auto sum_of = [](int64_t count) {
    Graph graph;
    Builder builder(graph);
    Type type{DType::kI32, {count}};
    Value* table = builder.make(Op::kConstant, {}, {{"values", std::vector<double>(count, 2)}}, &type);
    graph.add_output("y", builder.reduce(Op::kSum, table, {0}, false));
    fold_constants(graph);
    return text_without_sources(graph);
  };
  CHECK(sum_of(3) == "%0 = constant {values = [6.0]} : i32[]\nreturn %0\n");
  CHECK(sum_of(1000).find("sum") != std::string::npos);
}

TEST_CASE("an index out of range stays for the run to report") {
  Graph graph;
  Builder builder(graph);
  Type type{DType::kF32, {2}};
  Value* table = builder.make(Op::kConstant, {}, {{"values", std::vector<double>{1, 2}}}, &type);
  graph.add_output("y",
                   builder.make(Op::kGather, {table, builder.constant(7, DType::kI32)}, {{"axis", Dim(0)}}));
  CHECK_FALSE(fold_constants(graph));
}
