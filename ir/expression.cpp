// expression.cpp: a recursive-descent parser, one function a rule of the grammar in expression.h.
#include "ir/expression.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "ir/diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

namespace tenon {
namespace {

bool starts_name(char c) { return llvm::isAlpha(c) || c == '_'; }
bool continues_name(char c) { return llvm::isAlnum(c) || c == '_'; }

std::string shown(char c) {
  if (llvm::isPrint(c)) return std::string("'") + c + "'";
  return "byte 0x" + llvm::toHex(llvm::StringRef(&c, 1), true);
}

// What an author who wrote this operator probably wanted.
std::string hint_for(llvm::StringRef rest) {
  if (rest.startswith("==")) return "comparisons are functions: equal(a, b)";
  if (rest.startswith("<")) return "comparisons are functions: less(a, b), less_equal(a, b)";
  if (rest.startswith(">")) return "comparisons are functions: greater(a, b), greater_equal(a, b)";
  if (rest.startswith("&") || rest.startswith("|") || rest.startswith("!"))
    return "logic is written and(a, b), or(a, b), xor(a, b), not(a)";
  if (rest.startswith("^")) return "powers are written x ** y";
  for (llvm::StringRef word : {"and", "or"})
    if (rest.startswith(word) && !continues_name(rest.substr(word.size()).str()[0]))
      return "logic is written " + word.str() + "(a, b)";
  return "";
}

class Parser {
 public:
  explicit Parser(const SourceText& source) : source_(source), text_(source.text()) { skip_space(); }

  void equation(Equation& result);
  Expression whole() {
    Expression result = sum();
    if (!at_end()) unexpected("the end or an operator");
    return result;
  }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  llvm::StringRef rest() const { return text_.substr(at_); }
  char peek() const { return at_end() ? '\0' : text_[at_]; }
  Location here(size_t length = 1) const {
    return source_.at(at_, std::min(at_ + std::max<size_t>(length, 1), text_.size()));
  }
  void skip_space();
  bool accept(llvm::StringRef token);
  void expect(llvm::StringRef token, const char* what);
  std::string name();
  [[noreturn]] void unexpected(const std::string& wanted);

  Expression sum();
  Expression product();
  Expression unary();
  Expression power();
  Expression exponent();
  Expression primary();
  Expression number();
  Expression string();
  Expression word();
  void list(Expression& into);
  void arguments(Expression& call);
  Expression node(Expression::Kind kind, std::string text, Location location,
                  std::vector<Expression> operands = {});
  void set_depth(Expression& expression);

  // Guards the recursion of the rules themselves, which runs ahead of the trees.
  struct Level {
    explicit Level(Parser& owner) : parser(owner) {
      if (++parser.level_ > kMaxNesting) parser.too_deep(parser.here());
    }
    ~Level() { --parser.level_; }
    Parser& parser;
  };
  [[noreturn]] void too_deep(Location location) {
    throw Error("this nests more than " + std::to_string(kMaxNesting) + " deep", std::move(location),
                "give a part of it a name in an equation of its own");
  }

  const SourceText& source_;
  llvm::StringRef text_;
  size_t at_ = 0;
  int level_ = 0;
};

void Parser::skip_space() {
  while (!at_end()) {
    if (peek() == '#')
      at_ = std::min(text_.find('\n', at_), text_.size());
    else if (llvm::isSpace(peek()))
      ++at_;
    else
      return;
  }
}

bool Parser::accept(llvm::StringRef token) {
  if (!rest().startswith(token)) return false;
  at_ += token.size();
  skip_space();
  return true;
}

void Parser::expect(llvm::StringRef token, const char* what) {
  if (!accept(token)) unexpected(what);
}

void Parser::unexpected(const std::string& wanted) {
  if (at_end()) throw Error("the text ends where " + wanted + " is expected", here());
  size_t length = rest().take_while(continues_name).size();
  std::string found = length ? "'" + rest().take_front(length).str() + "'" : shown(peek());
  throw Error(found + " where " + wanted + " is expected", here(length), hint_for(rest()));
}

std::string Parser::name() {
  std::string result = rest().take_while(continues_name).str();
  at_ += result.size();
  skip_space();
  return result;
}

void Parser::set_depth(Expression& expression) {
  for (const Expression& operand : expression.operands)
    expression.depth = std::max(expression.depth, operand.depth + 1);
  if (expression.depth > kMaxNesting) too_deep(expression.location);
}

Expression Parser::node(Expression::Kind kind, std::string text, Location location,
                        std::vector<Expression> operands) {
  Expression result;
  result.kind = kind;
  result.text = std::move(text);
  result.location = std::move(location);
  result.operands = std::move(operands);
  set_depth(result);
  return result;
}

std::vector<Expression> both(Expression left, Expression right) {
  std::vector<Expression> result;
  result.reserve(2);
  result.push_back(std::move(left));
  result.push_back(std::move(right));
  return result;
}

Expression Parser::sum() {
  Level level(*this);
  Expression left = product();
  while (peek() == '+' || peek() == '-') {
    Location location = here();
    std::string op(1, peek());
    accept(op);
    left = node(Expression::Kind::kBinary, op, location, both(std::move(left), product()));
  }
  return left;
}

Expression Parser::product() {
  Expression left = unary();
  while (!rest().startswith("**") && (peek() == '*' || peek() == '/' || peek() == '@')) {
    std::string op = rest().startswith("//") ? "//" : std::string(1, peek());
    Location location = here(op.size());
    accept(op);
    left = node(Expression::Kind::kBinary, op, location, both(std::move(left), unary()));
  }
  return left;
}

Expression Parser::unary() {
  if (peek() != '-') return power();
  Level level(*this);
  Location location = here();
  accept("-");
  std::vector<Expression> operand;
  operand.push_back(unary());
  return node(Expression::Kind::kNegate, "-", location, std::move(operand));
}

Expression Parser::power() {
  Expression base = primary();
  if (!rest().startswith("**")) return base;
  Location location = here(2);
  accept("**");
  return node(Expression::Kind::kBinary, "**", location, both(std::move(base), exponent()));
}

Expression Parser::exponent() {
  Level level(*this);
  if (peek() != '-') return power();
  Location location = here();
  accept("-");
  std::vector<Expression> operand;
  operand.push_back(exponent());
  return node(Expression::Kind::kNegate, "-", location, std::move(operand));
}

Expression Parser::primary() {
  char c = peek();
  if (llvm::isDigit(c) || (c == '.' && llvm::isDigit(rest().substr(1).str()[0]))) return number();
  if (c == '\'' || c == '"') return string();
  if (starts_name(c)) return word();
  if (c == '(') {
    accept("(");
    Expression inner = sum();
    expect(")", "')' or an operator");
    return inner;
  }
  if (c == '[') {
    Expression result = node(Expression::Kind::kList, "[", here());
    list(result);
    return result;
  }
  unexpected("a value");
}

void Parser::list(Expression& into) {
  accept("[");
  while (peek() != ']') {
    into.operands.push_back(sum());
    if (!accept(",") && peek() != ']') unexpected("',' or ']'");
  }
  accept("]");
  set_depth(into);
}

Expression Parser::number() {
  llvm::StringRef text = rest();
  size_t length = text.take_while(llvm::isDigit).size();
  bool integral = true;
  if (length < text.size() && text[length] == '.') {
    integral = false;
    length += 1 + text.substr(length + 1).take_while(llvm::isDigit).size();
  }
  if (llvm::StringRef tail = text.substr(length); tail.consume_front("e") || tail.consume_front("E")) {
    size_t sign = tail.startswith("+") || tail.startswith("-");
    if (size_t digits = tail.substr(sign).take_while(llvm::isDigit).size()) {
      integral = false;
      length += 1 + sign + digits;
    }
  }
  Expression result = node(integral ? Expression::Kind::kInteger : Expression::Kind::kReal,
                           text.take_front(length).str(), here(length));
  const char *begin = result.text.data(), *end = begin + length;
  auto status = std::from_chars(begin, end, result.real).ec;
  if (integral && std::from_chars(begin, end, result.integer).ec != std::errc())
    status = std::errc::result_out_of_range;
  if (status != std::errc())
    throw Error("the number " + result.text + " does not fit " + (integral ? "64 bits" : "a double"),
                result.location);
  at_ += length;
  if (continues_name(peek())) throw Error("a number may not run into " + shown(peek()), here());
  skip_space();
  return result;
}

Expression Parser::string() {
  size_t end = text_.find(peek(), at_ + 1);
  if (end == llvm::StringRef::npos) throw Error("this string does not end", here());
  Expression result = node(Expression::Kind::kString, text_.slice(at_ + 1, end).str(), here(end + 1 - at_));
  at_ = end + 1;
  skip_space();
  return result;
}

Expression Parser::word() {
  Location location = here(rest().take_while(continues_name).size());
  std::string text = name();
  if (peek() == '(') {
    Expression call = node(Expression::Kind::kCall, std::move(text), std::move(location));
    arguments(call);
    return call;
  }
  Expression result = node(Expression::Kind::kName, std::move(text), std::move(location));
  if (result.text == "true" || result.text == "false") {
    result.kind = Expression::Kind::kBool;
    result.integer = result.text == "true";
  } else if (result.text == "none") {
    result.kind = Expression::Kind::kNone;
  } else if (result.text == "inf") {
    result.kind = Expression::Kind::kReal;
    result.real = std::numeric_limits<double>::infinity();
  } else if (result.text == "repeat") {
    throw Error("`repeat` is no value", result.location, "repeat(block, n, x) calls a block n times");
  }
  return result;
}

void Parser::arguments(Expression& call) {
  accept("(");
  while (peek() != ')') {
    Expression::Keyword keyword;
    llvm::StringRef word = starts_name(peek()) ? rest().take_while(continues_name) : "";
    llvm::StringRef after = rest().substr(word.size()).ltrim();
    if (!word.empty() && after.startswith("=") && !after.startswith("==")) {
      keyword = {word.str(), here(word.size())};
      name();
      accept("=");
    }
    call.operands.push_back(sum());
    call.keywords.push_back(std::move(keyword));
    if (!accept(",") && peek() != ')') unexpected("',' or ')'");
  }
  accept(")");
  set_depth(call);
}

void Parser::equation(Equation& result) {
  if (at_end()) return;
  result.valid = false;
  llvm::StringSet<> seen;
  do {
    if (!starts_name(peek())) unexpected("a name");
    Location location = here(rest().take_while(continues_name).size());
    std::string target = name();
    if (is_reserved(target)) throw Error("'" + target + "' is reserved", location, "choose another name");
    if (!seen.insert(target).second)
      throw Error("'" + target + "' is assigned twice in one equation", location);
    result.targets.push_back({std::move(target), std::move(location)});
  } while (accept(","));
  if (peek() != '=' || rest().startswith("==")) unexpected("'='");
  accept("=");
  result.value = whole();
  result.valid = true;
}

}  // namespace

void parse_equation(const SourceText& source, Equation& into) { Parser(source).equation(into); }
Expression parse_expression(const SourceText& source) { return Parser(source).whole(); }

bool is_name(llvm::StringRef text) {
  return !text.empty() && starts_name(text[0]) && llvm::all_of(text, continues_name);
}

bool is_reserved(llvm::StringRef name) {
  return name == "true" || name == "false" || name == "none" || name == "inf" || name == "repeat";
}

}  // namespace tenon
