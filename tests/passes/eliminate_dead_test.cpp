// eliminate_dead_test.cpp: what nothing reads goes, with all that only it read; declarations stay.
#include "tests/passes/check_rewrite.h"

using namespace tenon;
using namespace tenon::testing;

TEST_CASE("dead nodes and their producers go, sources stay") {
  Equations equations{"x: f32[T]; unused: f32[T]",
                      {"a = exp(x) * 3.0", "b = sum(a + iota(1, dtype=\"f32\"))", "y = neg(x)"}};
  CHECK(check_rewrite(equations, eliminate_dead).text == "%y = neg %x : f32[T]\nreturn %y\n");
  auto graph = graph_of(equations);
  CHECK(eliminate_dead(*graph));
  CHECK(print(*graph).find("unused") != std::string::npos);
  CHECK_FALSE(eliminate_dead(*graph));
}
