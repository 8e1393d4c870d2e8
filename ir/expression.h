// expression.h: the equations of a body, and the shape expressions of declarations, as trees.
//
//   equation = name {"," name} "=" sum
//   sum      = product {("+" | "-") product}
//   product  = unary {("*" | "/" | "//" | "@") unary}
//   unary    = "-" unary | power
//   power    = primary ["**" exponent]          exponent = "-" exponent | power
//   primary  = number | name | string | "true" | "false" | "none" | "inf" | "(" sum ")" | "[" [sum {"," sum}]
//   "]"
//            | name "(" [argument {"," argument}] ")"          argument = [name "="] sum
//
// `#` starts a comment. Trees are at most kMaxNesting deep, so whoever walks them may recurse.
#pragma once
#include <string>
#include <vector>

#include "ir/location.h"
#include "ir/source_text.h"

namespace tenon {

constexpr int kMaxNesting = 200;

/// A node of an expression. `location` is its operator, its name, or the literal itself.
struct Expression {
  enum class Kind { kInteger, kReal, kBool, kNone, kString, kName, kList, kNegate, kBinary, kCall };
  /// The keyword of a call's argument; empty for a positional one.
  struct Keyword {
    std::string name;
    Location location;
  };

  Kind kind = Kind::kNone;
  int depth = 1;
  int64_t integer = 0;  ///< of kInteger and kBool
  double real = 0;      ///< of kInteger and kReal
  std::string text;     ///< a name, a string's text, a call's name, or an operator: "+", "//", "**"
  std::vector<Expression> operands;  ///< of a list, an operator or a call
  std::vector<Keyword> keywords;     ///< of a call: one for each operand
  Location location;
};

struct Equation {
  struct Target {
    std::string name;
    Location location;
  };
  std::vector<Target> targets;  ///< empty: the line is blank or a comment
  Expression value;
  bool valid = true;  ///< false: the line does not parse; targets are those before the error
};

/// Both throw Error at the first place that does not fit the grammar.
void parse_equation(const SourceText& source, Equation& into);
Expression parse_expression(const SourceText& source);

/// [A-Za-z_][A-Za-z0-9_]*
bool is_name(llvm::StringRef text);
/// true false none inf repeat
bool is_reserved(llvm::StringRef name);

}  // namespace tenon
