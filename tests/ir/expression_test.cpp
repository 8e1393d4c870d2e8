// The grammar: precedence, places of nodes, and what is no equation.
#include "ir/expression.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "ir/number.h"

using namespace tenon;

namespace {

SourceText source(const std::string& text) {
  return SourceText(std::make_shared<SourceFile>(SourceFile{"e", text}));
}

// Every operator in parentheses.
std::string shape_of(const Expression& e) {
  using Kind = Expression::Kind;
  if (e.kind == Kind::kNegate) return "(-" + shape_of(e.operands[0]) + ")";
  if (e.kind == Kind::kBinary) return "(" + shape_of(e.operands[0]) + e.text + shape_of(e.operands[1]) + ")";
  if (e.kind == Kind::kString) return "'" + e.text + "'";
  if (e.kind != Kind::kCall && e.kind != Kind::kList) return e.text;
  std::string text = e.text + (e.kind == Kind::kCall ? "(" : "");
  for (size_t i = 0; i < e.operands.size(); ++i) {
    if (i) text += ",";
    if (e.kind == Kind::kCall && !e.keywords[i].name.empty()) text += e.keywords[i].name + "=";
    text += shape_of(e.operands[i]);
  }
  return text + (e.kind == Kind::kCall ? ")" : "]");
}

std::string error_of(const std::string& text) {
  try {
    Equation equation;
    parse_equation(source(text), equation);
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

int64_t value_of(const std::string& text) {
  return evaluate_shape(parse_expression(source(text)),
                        [](llvm::StringRef name) -> std::optional<Dim> {
                          if (name == "T") return Dim(17, "T");
                          return std::nullopt;
                        })
      .extent();
}

}  // namespace

TEST_CASE("precedence rises from + - over * / // @ and unary minus to **") {
  const std::pair<const char*, const char*> kCases[] = {
      {"a + b * c - d", "((a+(b*c))-d)"},
      {"a - b - c", "((a-b)-c)"},
      {"a @ b * c / d // e", "((((a@b)*c)/d)//e)"},
      {"-a * b", "((-a)*b)"},
      {"a * -b", "(a*(-b))"},
      {"-a ** 2", "(-(a**2))"},
      {"a ** b ** c", "(a**(b**c))"},
      {"a ** -b ** c", "(a**(-(b**c)))"},
      {"--a", "(-(-a))"},
      {"(a + b) * c", "((a+b)*c)"},
      {"f(a, [1, T*2], k='s', e=1e-5,)", "f(a,[1,(T*2)],k='s',e=1e-5)"},
      {"f(a=-inf, b=none, c=true)", "f(a=(-inf),b=none,c=true)"},
      {"[]", "[]"},
      {" x # the rest is a comment: )(", "x"},
      {".5 + 1. + 1.5E+3", "((.5+1.)+1.5E+3)"},
  };
  for (const auto& c : kCases) {
    CAPTURE(c.first);
    CHECK(shape_of(parse_expression(source(c.first))) == c.second);
  }
}

TEST_CASE("equations assign one name or several; a comment is none") {
  Equation equation;
  parse_equation(source("  a, b_2 = f(x)  # two"), equation);
  REQUIRE(equation.targets.size() == 2);
  CHECK(equation.targets[1].name == "b_2");
  CHECK(equation.targets[1].location.column == 6);
  CHECK(equation.value.location.column == 12);
  CHECK(equation.valid);
  for (const char* blank : {"", "   ", "# nothing"}) {
    Equation empty;
    parse_equation(source(blank), empty);
    CHECK(empty.targets.empty());
    CHECK(empty.valid);
  }
}

TEST_CASE("what is no equation is said at its place") {
  CHECK(error_of("y = f(x") ==
        "e:1:8: error: the text ends where ',' or ')' is expected\n  1 | y = f(x\n    |        ^\n");
  CHECK(error_of("y = x == z") ==
        "e:1:7: error: '=' where the end or an operator is expected\n  1 | y = x == z\n    |       ^\n"
        "  hint: comparisons are functions: equal(a, b)\n");
  CHECK(error_of("y = a and b") ==
        "e:1:7: error: 'and' where the end or an operator is expected\n  1 | y = a and b\n    |       ^~~\n"
        "  hint: logic is written and(a, b)\n");
  CHECK(error_of("y == x") ==
        "e:1:3: error: '=' where '=' is expected\n  1 | y == x\n    |   ^\n"
        "  hint: comparisons are functions: equal(a, b)\n");
  CHECK(error_of("true = x") ==
        "e:1:1: error: 'true' is reserved\n  1 | true = x\n    | ^~~~\n"
        "  hint: choose another name\n");
  CHECK(error_of("a, a = f(x)") ==
        "e:1:4: error: 'a' is assigned twice in one equation\n  1 | a, a = f(x)\n    |    ^\n");
  CHECK(error_of("y = 12x") == "e:1:7: error: a number may not run into 'x'\n  1 | y = 12x\n    |       ^\n");
  CHECK(error_of("y = 'abc") == "e:1:5: error: this string does not end\n  1 | y = 'abc\n    |     ^\n");
  CHECK(error_of("y = x ^ 2") ==
        "e:1:7: error: '^' where the end or an operator is expected\n  1 | y = x ^ 2\n    |       ^\n"
        "  hint: powers are written x ** y\n");
  CHECK(error_of("y = 99999999999999999999") ==
        "e:1:5: error: the number 99999999999999999999 does not fit 64 bits\n  1 | y = 99999999999999999999\n"
        "    |     ^~~~~~~~~~~~~~~~~~~~\n");
  CHECK(error_of("y = \x01") ==
        "e:1:5: error: byte 0x01 where a value is expected\n  1 | y = ?\n    |     ^\n");
}

TEST_CASE("nesting is bounded in every form") {
  auto many = [](const std::string& text, int count) {
    std::string result;
    for (int i = 0; i < count; ++i) result += text;
    return result;
  };
  for (const std::string& text : {many("(", 100000) + "x" + many(")", 100000), many("-", 100000) + "x",
                                  many("f(", 100000), many("[", 100000), "x" + many(" + x", 100000),
                                  "x" + many(" ** -2", 100000), "x" + many(" * x", 100000)}) {
    std::string error = error_of("y = " + text);
    CAPTURE(error.substr(0, 80));
    CHECK(error.find("this nests more than 200 deep") != std::string::npos);
  }
  CHECK(error_of("y = " + many("(", 150) + "x" + many(")", 150)) == "");
}

TEST_CASE("shape expressions are integers") {
  CHECK(value_of("2*T + 1") == 35);
  CHECK(value_of("(T - 1)//4 * 3") == 12);
  CHECK(value_of("-7//2") == -4);  // (-7)//2 floors
  CHECK(value_of("T//2*2") == 16);
  CHECK_THROWS_AS(value_of("T/2"), Error);
  CHECK_THROWS_AS(value_of("T//0"), Error);
  CHECK_THROWS_AS(value_of("U"), Error);
  CHECK_THROWS_AS(value_of("1.5"), Error);
  CHECK_THROWS_AS(value_of("4611686018427387904 * 2"), Error);
}

TEST_CASE("numbers and dims are computed in f64, integers stay exact") {
  Number seven = Number::of(Dim(7)), two = Number::of(Dim(2)), half = Number::of(0.5);
  CHECK(combine("/", seven, two).value == 3.5);
  CHECK_FALSE(combine("/", seven, two).integer.has_value());
  CHECK(combine("//", seven, two).integer->extent() == 3);
  CHECK(combine("**", two, seven).integer->extent() == 128);
  CHECK(combine("**", two, negate(seven)).value == 1.0 / 128);
  CHECK(combine("//", seven, half).value == 14);
  CHECK_FALSE(combine("+", seven, half).integer.has_value());
  CHECK(combine("*", Number::of(Dim(5, "T")), two).integer->text() == "T*2");
  CHECK(combine("*", Number::of(Dim(int64_t{1} << 61)), seven).value == 7 * 0x1p61);
  CHECK_FALSE(combine("*", Number::of(Dim(int64_t{1} << 61)), seven).integer.has_value());
  CHECK(negate(Number::of(Dim(5, "T"))).integer->extent() == -5);
}
