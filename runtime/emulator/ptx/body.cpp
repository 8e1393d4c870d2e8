// body.cpp: reads statements one after the other; scopes nest on a stack, never in calls.
#include "runtime/emulator/ptx/body.h"

#include <utility>

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MathExtras.h"
#include "runtime/emulator/ptx/special_registers.h"

namespace tenon::ptx {
namespace {

class Body {
 public:
  Body(Parsing& parsing, Places& places, Function& function)
      : parsing_(parsing),
        lexer_(parsing.lexer),
        scopes_(parsing.scopes),
        places_(places),
        function_(function) {}

  void parse();

 private:
  void directive();
  void label(const Token& name);
  void branch_targets(const Token& name);
  void open_scope();
  void close_scope();

  void instruction();
  void set_opcode(Instruction& into, const Token& opcode);
  void guard(Instruction& into);
  void operands(Instruction& into);
  void call_operands(Instruction& into);
  void branch_operands(Instruction& into);
  void add(std::vector<Operand>& into, Operand&& operand);

  Operand operand();
  Operand simple();
  Operand negated();
  Operand named();
  Operand literal();
  Operand address();
  Operand list(Operand::Kind kind, char close);
  int64_t offset();
  Operand function_operand(const Token& name);
  void label_operand(Instruction& into);
  void targets_operand(Instruction& into, const Name& meaning);

  Parsing& parsing_;
  Lexer& lexer_;
  Scopes& scopes_;
  Places& places_;
  Function& function_;
  std::vector<std::vector<Token>> targets_;  // the .branchtargets lists
  size_t depth_ = 1;
  int place_ = -1;
  int used_bytes_ = 0;  // of the instruction that comes next
};

/// Of `used_bytes_mask N`, which stands before a load that a compiler widened: where the last used byte ends. 0 of others.
int used_bytes(llvm::StringRef pragma) {
  uint32_t mask;
  if (!pragma.consume_front("used_bytes_mask") || pragma.trim().getAsInteger(0, mask)) return 0;
  return 32 - static_cast<int>(llvm::countLeadingZeros(mask));
}

void Body::parse() {
  const Token begin = lexer_.token();
  while (depth_ > 0) {
    const Token& token = lexer_.token();
    if (token.kind == Token::kEnd)
      lexer_.fail(begin, "the body of " + quoted(function_.name) + " does not end");
    else if (lexer_.accept(';'))
      continue;
    else if (lexer_.at('{'))
      open_scope();
    else if (lexer_.at('}'))
      close_scope();
    else if (lexer_.at_directive())
      directive();
    else
      instruction();
  }
}

void Body::open_scope() {
  if (++depth_ > static_cast<size_t>(parsing_.limits.nesting))
    lexer_.fail(lexer_.token(), "blocks nest deeper than " + std::to_string(parsing_.limits.nesting));
  lexer_.take();
  scopes_.push();
}

void Body::close_scope() {
  lexer_.take();
  --depth_;
  scopes_.pop([&](const Scopes::LabelUse& use, int index) {
    Operand& operand = function_.body[use.instruction].operands[use.operand];
    (use.element < 0 ? operand : operand.elements[use.element]).index = index;
  });
}

void Body::directive() {
  const Token token = lexer_.directive();
  if (token.text == ".loc") {
    place_ = places_.parse(parsing_);
  } else if (token.text == ".reg") {
    parse_registers(parsing_);
  } else if (token.text == ".pragma") {  // mostly advice to ptxas
    used_bytes_ = used_bytes(lexer_.string());
    lexer_.expect(';');
  } else if (Space space = space_of(token.text);
             space == Space::kShared || space == Space::kLocal || space == Space::kParam) {
    parse_variables(parsing_, space, false, function_.variables, Name::kLocalVariable);
  } else {
    lexer_.fail(token, "unknown directive " + quoted(token.text) + " in a function");
  }
}

void Body::label(const Token& name) {
  parsing_.count_part();
  if (lexer_.accept_directive(".branchtargets")) return branch_targets(name);
  if (lexer_.at_directive() && lexer_.token().text.startswith(".call"))
    lexer_.fail(lexer_.token(), "calls through pointers are not supported");
  scopes_.declare(name, {Name::kLabel, Type::kPred, static_cast<int>(function_.body.size())});
}

void Body::branch_targets(const Token& name) {
  std::vector<Token> list;
  do {
    parsing_.count_part();
    list.push_back(lexer_.name("a label"));
  } while (lexer_.accept(','));
  lexer_.expect(';');
  scopes_.declare(name, {Name::kTargets, Type::kPred, static_cast<int>(targets_.size())});
  targets_.push_back(std::move(list));
}

void Body::instruction() {
  Instruction into;
  into.line = lexer_.token().line;
  into.place = place_;
  into.used_bytes = std::exchange(used_bytes_, 0);
  if (lexer_.accept('@')) guard(into);
  if (lexer_.token().kind != Token::kWord) lexer_.expected("an instruction");
  const Token opcode = lexer_.take();
  if (into.guard < 0 && lexer_.at(':')) {
    if (opcode.text.contains('.')) lexer_.fail(opcode, "a label has no dots");
    lexer_.take();
    return label(opcode);
  }
  parsing_.count_instruction();
  set_opcode(into, opcode);
  function_.body.push_back(std::move(into));
  Instruction& last = function_.body.back();
  if (last.opcode == "call")
    call_operands(last);
  else if (last.opcode == "bra" || last.opcode == "brx")
    branch_operands(last);
  else
    operands(last);
  lexer_.expect(';');
}

void Body::set_opcode(Instruction& into, const Token& opcode) {
  if (!llvm::isAlpha(opcode.text[0]))
    lexer_.fail(opcode, "expected an instruction, found " + quoted(opcode.text));
  into.text = opcode.text;
  llvm::StringRef rest;
  std::tie(into.opcode, rest) = opcode.text.split('.');
  if (opcode.text.back() == '.') lexer_.fail(opcode, "a modifier is missing in " + quoted(opcode.text));
  while (!rest.empty()) {
    into.modifiers.emplace_back();
    std::tie(into.modifiers.back(), rest) = rest.split('.');
    if (into.modifiers.back().empty()) lexer_.fail(opcode, "a modifier is missing in " + quoted(opcode.text));
    parsing_.count_part();
  }
}

void Body::guard(Instruction& into) {
  into.guard_negated = lexer_.accept('!');
  const Token name = lexer_.name("a predicate register");
  const std::optional<Name> meaning = scopes_.lookup(name.text);
  if (!meaning) scopes_.fail_unknown(name, "predicate register");
  if (meaning->kind != Name::kRegister || meaning->type != Type::kPred)
    lexer_.fail(name, "a guard must be a predicate register; " + quoted(name.text) + " is none");
  into.guard = meaning->index;
}

void Body::add(std::vector<Operand>& into, Operand&& operand) {
  parsing_.count_part();
  into.push_back(std::move(operand));
}

void Body::operands(Instruction& into) {
  if (lexer_.at(';')) return;
  into.operands.reserve(4);
  do add(into.operands, operand());
  while (lexer_.accept(','));
}

// call (results), function, (arguments): results and arguments may be left out.
void Body::call_operands(Instruction& into) {
  if (lexer_.accept('(')) {
    add(into.operands, list(Operand::kTuple, ')'));
    lexer_.expect(',');
  }
  add(into.operands, function_operand(lexer_.name("a function")));
  if (!lexer_.accept(',')) return;
  lexer_.expect('(');
  add(into.operands, list(Operand::kTuple, ')'));
}

Operand Body::function_operand(const Token& name) {
  const std::optional<Name> meaning = scopes_.lookup(name.text);
  if (!meaning) scopes_.fail_unknown(name, "function");
  if (meaning->kind == Name::kRegister) lexer_.fail(name, "calls through pointers are not supported");
  if (meaning->kind != Name::kFunction) lexer_.fail(name, quoted(name.text) + " is no function");
  Operand operand;
  operand.kind = Operand::kFunction;
  operand.name = name.text;
  operand.index = meaning->index;
  return operand;
}

// bra label; brx.idx register, list.
void Body::branch_operands(Instruction& into) {
  if (into.opcode == "brx") {
    add(into.operands, operand());
    lexer_.expect(',');
    const Token name = lexer_.name("a list of branch targets");
    const std::optional<Name> meaning = scopes_.lookup(name.text);
    if (!meaning || meaning->kind != Name::kTargets)
      lexer_.fail(name, quoted(name.text) + " is no .branchtargets list above this line");
    targets_operand(into, *meaning);
  } else {
    label_operand(into);
  }
}

void Body::label_operand(Instruction& into) {
  const Token name = lexer_.name("a label");
  Operand operand;
  operand.kind = Operand::kLabel;
  operand.name = name.text;
  scopes_.use_label(
      {name, static_cast<int>(function_.body.size()) - 1, static_cast<int>(into.operands.size())});
  add(into.operands, std::move(operand));
}

void Body::targets_operand(Instruction& into, const Name& meaning) {
  Operand vector;
  vector.kind = Operand::kVector;
  for (const Token& target : targets_[meaning.index]) {
    Operand label;
    label.kind = Operand::kLabel;
    label.name = target.text;
    scopes_.use_label({target, static_cast<int>(function_.body.size()) - 1,
                       static_cast<int>(into.operands.size()), static_cast<int>(vector.elements.size())});
    add(vector.elements, std::move(label));
  }
  add(into.operands, std::move(vector));
}

// What may stand between commas: a simple operand, p|q, {..}, [..].
Operand Body::operand() {
  if (lexer_.accept('{')) return list(Operand::kVector, '}');
  if (lexer_.accept('[')) return address();
  Operand first = simple();
  if (!lexer_.accept('|')) return first;
  Operand pair;
  pair.kind = Operand::kPair;
  pair.elements.reserve(2);
  add(pair.elements, std::move(first));
  add(pair.elements, simple());
  return pair;
}

// A register, special register, literal, symbol or _.
Operand Body::simple() {
  if (lexer_.at('-') || lexer_.token().kind == Token::kNumber) return literal();
  if (lexer_.accept('!')) return negated();
  if (lexer_.token().kind != Token::kWord) lexer_.expected("an operand");
  return named();
}

Operand Body::literal() {
  const Number number = lexer_.number();
  Operand operand;
  operand.kind = Operand::kNumber;
  operand.bits = number.bits;
  operand.literal = number.kind == Number::kInteger   ? Operand::kInteger
                    : number.kind == Number::kFloat32 ? Operand::kFloat32
                                                      : Operand::kFloat64;
  return operand;
}

Operand Body::negated() {
  const Token token = lexer_.token();
  Operand operand = simple();
  if (operand.kind != Operand::kRegister || operand.negated ||
      function_.registers[operand.index].type != Type::kPred)
    lexer_.fail(token, "'!' stands before predicate registers only");
  operand.negated = true;
  return operand;
}

// The sum of the numbers that follow a symbol: +8, -8, +-8, + 8 + 16.
int64_t Body::offset() {
  int64_t sum = 0;
  while (lexer_.at('-') || lexer_.accept('+')) {
    const Token token = lexer_.token();
    const int64_t term = lexer_.integer("an offset", -(int64_t{1} << 48), int64_t{1} << 48);
    if (__builtin_add_overflow(sum, term, &sum)) lexer_.fail(token, "this offset does not fit 64 bits");
  }
  return sum;
}

Operand Body::named() {
  const Token name = lexer_.take();
  Operand operand;
  operand.name = name.text;
  if (name.text == "_") return operand;
  const std::optional<Name> meaning = scopes_.lookup(name.text);
  if (!meaning) {
    if (!is_special_register(name.text)) scopes_.fail_unknown(name, "name");
    operand.kind = Operand::kSpecial;
    return operand;
  }
  switch (meaning->kind) {
    case Name::kRegister:
      operand.kind = Operand::kRegister;
      operand.index = meaning->index;
      break;
    case Name::kModuleVariable:
    case Name::kLocalVariable:
      operand.kind = Operand::kVariable;
      operand.variable = meaning->index;
      operand.local = meaning->kind == Name::kLocalVariable;
      operand.offset = offset();
      break;
    case Name::kFunction:
      operand.kind = Operand::kFunction;
      operand.index = meaning->index;
      break;
    case Name::kLabel:
    case Name::kTargets: lexer_.fail(name, quoted(name.text) + " is a label, not a value");
  }
  return operand;
}

// After "[": base + offset, or tensorMap, {x, y}.
Operand Body::address() {
  Operand result;
  result.kind = Operand::kAddress;
  const Token token = lexer_.token();
  Operand base = simple();
  if (base.negated || (base.kind != Operand::kRegister && base.kind != Operand::kVariable &&
                       (base.kind != Operand::kNumber || base.literal != Operand::kInteger)))
    lexer_.fail(token, "an address begins with a register, a variable or an integer");
  result.offset = base.offset + offset();
  base.offset = 0;
  result.elements.reserve(1);
  add(result.elements, std::move(base));
  if (lexer_.accept(',')) {
    lexer_.expect('{');
    add(result.elements, list(Operand::kVector, '}'));
  }
  lexer_.expect(']');
  return result;
}

// After the opening bracket: simple operands up to and with `close`.
Operand Body::list(Operand::Kind kind, char close) {
  Operand result;
  result.kind = kind;
  if (lexer_.accept(close)) return result;
  do add(result.elements, simple());
  while (lexer_.accept(','));
  lexer_.expect(close);
  return result;
}

}  // namespace

void parse_body(Parsing& parsing, Places& places, Function& function) {
  places.begin_function();
  Body(parsing, places, function).parse();
}

}  // namespace tenon::ptx
