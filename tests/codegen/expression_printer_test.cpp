// The printer of straight-line code: names, literals, operators, approximations and rounding points.
#include "codegen/expression_printer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ir/builder.h"

using namespace tenon;

namespace {

Value* parameter(Builder& b, const char* name, DType type) {
  return b.source(Op::kParameter, name, {type, {Dim(4), Dim(8)}}, {{"index", Dim(0)}});
}

std::string printed(const Graph& graph, llvm::ArrayRef<std::pair<const Value*, const char*>> leaves,
                    const Value* result) {
  Text text("test.cu");
  Names names(graph);
  ExpressionPrinter print(text, names);
  for (auto [value, expression] : leaves) print.bind(value, expression);
  print.print_needed(result);
  text.line("return " + print(result) + ";");
  return text.str();
}

}  // namespace

TEST_CASE("a body prints one op a line under the model's own names") {
  Graph graph;
  Builder b(graph);
  Value *x = parameter(b, "x", DType::kBF16), *bias = parameter(b, "b1", DType::kBF16);
  Value* h = b.make(Op::kAdd, {x, bias});
  h->set_name("h");
  Value* half = b.make(Op::kMul, {h, b.constant(0.1, DType::kBF16)});
  Value* y = b.cast(b.make(Op::kGeluTanh, {half}), DType::kF32);
  y->set_name("exp");
  CHECK(printed(graph, {{x, "x"}, {bias, "b1"}}, y) ==
        "const auto h = x + b1;\n"
        "const auto v0 = h * 0.1f;\n"
        "const auto v1 = gelu_tanh_approx(v0);\n"
        "return v1;\n");
}

TEST_CASE("accurate functions for f32, approximate ones where 16 bits hide them, functions for integers") {
  Graph graph;
  Builder b(graph);
  Value *f = parameter(b, "f", DType::kF32), *h = parameter(b, "h", DType::kF16),
        *i = parameter(b, "i", DType::kI32);
  CHECK(printed(graph, {{f, "f"}}, b.make(Op::kDiv, {f, b.make(Op::kExp, {f})})) ==
        "const auto v0 = exp(f);\nconst auto v1 = f / v0;\nreturn v1;\n");
  CHECK(printed(graph, {{h, "h"}}, b.make(Op::kDiv, {h, b.make(Op::kTanh, {h})})) ==
        "const auto v2 = tanh(h);\nconst auto v3 = div_approx(h, v2);\nreturn v3;\n");
  CHECK(printed(graph, {{i, "i"}}, b.make(Op::kMul, {i, b.constant(3, DType::kI32)})) ==
        "const auto v4 = mul(i, i32(3));\nreturn v4;\n");
  CHECK(printed(graph, {{f, "f"}}, b.cast(f, DType::kF16)) ==
        "const auto v5 = round_to<f16>(f);\nreturn v5;\n");
  CHECK(printed(graph, {{f, "f"}}, b.cast(f, DType::kBool)) ==
        "const auto v6 = cast<bool>(f);\nreturn v6;\n");
}

TEST_CASE("literals are the shortest that read back") {
  CHECK(literal(0.5, DType::kF32) == "0.5f");
  CHECK(literal(1, DType::kBF16) == "1.0f");
  CHECK(literal(1e-5, DType::kF32) == "1e-05f");
  CHECK(literal(1.0 / 3, DType::kF32) == "0.33333334f");
  CHECK(literal(-INFINITY, DType::kF32) == "-kInfinity");
  CHECK(literal(NAN, DType::kF32) == "kNaN");
  CHECK(literal(-7, DType::kI64) == "i64(-7)");
  CHECK(literal(2, DType::kBool) == "true");
}

TEST_CASE("lines of the model are named, and the file's own lines after them") {
  auto file = std::make_shared<SourceFile>(SourceFile{"models/a \"b\".toml", ""});
  Graph graph;
  Builder b(graph);
  Value* x = parameter(b, "x", DType::kF32);
  b.at(Location{file, 31, 1, 1});
  Value* y = b.make(Op::kExp, {x});
  Text text("k.cu");
  Names names(graph);
  ExpressionPrinter print(text, names);
  print.bind(x, "x");
  text.open("void f()");
  print.print_needed(y);
  text.close();
  CHECK(text.str() ==
        "void f() {\n#line 31 \"a _b_.toml\"\n  const auto v0 = exp(x);\n#line 5 \"k.cu\"\n}\n");
}
