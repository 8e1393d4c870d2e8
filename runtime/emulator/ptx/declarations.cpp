// declarations.cpp: reads declarations into Variables and the scopes.
#include "runtime/emulator/ptx/declarations.h"

#include "llvm/ADT/StringSwitch.h"

namespace tenon::ptx {
namespace {

constexpr int64_t kMostBytes = int64_t{1} << 32;      // of a variable
constexpr int64_t kMostAlignment = int64_t{1} << 20;  // beyond any hardware's

Type parse_type(Lexer& lexer) {
  if (!lexer.at_directive()) lexer.expected("a type such as .b32");
  const Token token = lexer.directive();
  if (std::optional<Type> type = type_named(token.text.drop_front())) return *type;
  lexer.fail(token, "unknown type " + quoted(token.text));
}

int64_t parse_alignment(Lexer& lexer) {
  const Token token = lexer.token();
  const int64_t alignment = lexer.integer("an alignment", 1, kMostAlignment);
  if (alignment & (alignment - 1)) lexer.fail(token, "an alignment must be a power of two");
  return alignment;
}

// A type that memory can hold.
Type parse_memory_type(Lexer& lexer) {
  const Token token = lexer.token();
  const Type type = parse_type(lexer);
  if (type == Type::kPred) lexer.fail(token, "memory holds no predicates");
  return type;
}

// .align N, if it is there, and .type; the name stays.
void parse_qualifiers(Lexer& lexer, Variable& variable) {
  int64_t alignment = 1;
  if (lexer.accept_directive(".align")) alignment = parse_alignment(lexer);
  variable.type = parse_memory_type(lexer);
  variable.alignment = std::max<int64_t>(alignment, bytes(variable.type));
}

// [2][3], or [] for a size that is not given here. Returns the elements, 0 for [].
int64_t parse_extents(Lexer& lexer, const Variable& variable) {
  const int64_t most = kMostBytes / bytes(variable.type);
  int64_t count = 1;
  while (lexer.accept('[')) {
    if (lexer.accept(']')) return 0;
    count *= lexer.integer("an extent of an array", 1, most / count);
    lexer.expect(']');
  }
  return count;
}

// name, name + 8 or generic(name).
InitialValue parse_address(Parsing& parsing) {
  Lexer& lexer = parsing.lexer;
  InitialValue value;
  value.generic = lexer.at_word("generic");
  if (value.generic) lexer.take(), lexer.expect('(');
  const Token name = lexer.name("a number or the name of a variable");
  const std::optional<Name> meaning = parsing.scopes.lookup_in_module(name.text);
  if (!meaning) parsing.scopes.fail_unknown(name, "name");
  if (meaning->kind != Name::kModuleVariable)
    lexer.fail(name, quoted(name.text) + " is no variable of the module");
  if (value.generic) lexer.expect(')');
  value.symbol = name.text;
  if (lexer.at('-') || lexer.accept('+'))
    value.bits = static_cast<uint64_t>(lexer.integer("an offset", -kMostBytes, kMostBytes));
  return value;
}

InitialValue parse_value(Parsing& parsing, Type type) {
  Lexer& lexer = parsing.lexer;
  parsing.count_part();
  if (lexer.token().kind == Token::kWord) {
    const Token token = lexer.token();
    if (bits(type) < 32) lexer.fail(token, "an address does not fit ." + name(type).str());
    return parse_address(parsing);
  }
  const Token token = lexer.token();
  const Number number = lexer.number();
  const int least_bits = number.kind == Number::kInteger ? 0 : number.kind == Number::kFloat32 ? 32 : 64;
  if (bits(type) < least_bits) lexer.fail(token, quoted(token.text) + " does not fit ." + name(type).str());
  InitialValue value;
  value.bits = number.bits;
  return value;
}

void parse_initialiser(Parsing& parsing, Variable& variable, int64_t count, bool sized) {
  Lexer& lexer = parsing.lexer;
  const Token begin = lexer.token();
  if (variable.space != Space::kGlobal && variable.space != Space::kConst)
    lexer.fail(begin, "only .global and .const variables have initial values");
  if (!lexer.accept('{')) {
    variable.initial.push_back(parse_value(parsing, variable.type));
  } else if (!lexer.accept('}')) {
    do variable.initial.push_back(parse_value(parsing, variable.type));
    while (lexer.accept(','));
    lexer.expect('}');
  }
  const auto given = static_cast<int64_t>(variable.initial.size());
  if (!sized) variable.bytes = given * bytes(variable.type);
  if (sized && given > count)
    lexer.fail(begin, std::to_string(given) + " initial values for " + std::to_string(count) + " elements");
}

void declare(Parsing& parsing, const Token& name, Variable&& variable, std::vector<Variable>& variables,
             Name::Kind kind) {
  parsing.count_part();
  variable.name = name.text.str();
  variable.line = name.line;
  parsing.scopes.declare(name, {kind, variable.type, static_cast<int>(variables.size())});
  variables.push_back(std::move(variable));
}

}  // namespace

void Parsing::count_part() {
  if (++parts > limits.parts)
    lexer.fail(lexer.token(),
               "more than " + std::to_string(limits.parts) + " operands, variables and values");
}

void Parsing::count_instruction() {
  if (++instructions > limits.instructions)
    lexer.fail(lexer.token(), "more than " + std::to_string(limits.instructions) + " instructions");
}

Space space_of(llvm::StringRef directive) {
  return llvm::StringSwitch<Space>(directive)
      .Case(".global", Space::kGlobal)
      .Case(".shared", Space::kShared)
      .Case(".local", Space::kLocal)
      .Case(".const", Space::kConst)
      .Case(".param", Space::kParam)
      .Default(Space::kNone);
}

void parse_registers(Parsing& parsing) {
  Lexer& lexer = parsing.lexer;
  const Type type = parse_type(lexer);
  do {
    const Token name = lexer.name("the name of a register");
    int64_t count = 1;
    const Token at = lexer.token();
    if (lexer.accept('<')) {
      count = lexer.integer("a count of registers", 1, parsing.limits.registers);
      lexer.expect('>');
      parsing.scopes.declare_registers(name, static_cast<uint64_t>(count), type);
    } else {
      parsing.count_part();
      parsing.scopes.declare(name, {Name::kRegister, type});
    }
    parsing.registers += count;
    if (parsing.registers > parsing.limits.registers)
      lexer.fail(at, "more than " + std::to_string(parsing.limits.registers) + " registers");
  } while (lexer.accept(','));
  lexer.expect(';');
}

void parse_variables(Parsing& parsing, Space space, bool external, std::vector<Variable>& variables,
                     Name::Kind kind) {
  Lexer& lexer = parsing.lexer;
  Variable common;
  common.space = space;
  common.external = external;
  parse_qualifiers(lexer, common);
  do {
    Variable variable = common;
    const Token name = lexer.name("the name of a variable");
    const int64_t count = parse_extents(lexer, variable);
    variable.bytes = count * bytes(variable.type);
    const bool sized = count > 0;
    if (lexer.accept('='))
      parse_initialiser(parsing, variable, count, sized);
    else if (!sized && !external)
      lexer.fail(name, quoted(name.text) + " has no size");
    declare(parsing, name, std::move(variable), variables, kind);
  } while (lexer.accept(','));
  lexer.expect(';');
}

void parse_parameter(Parsing& parsing, Function& function, std::vector<int>& list) {
  Lexer& lexer = parsing.lexer;
  Variable variable;
  variable.space = Space::kParam;
  parse_qualifiers(lexer, variable);
  if (lexer.accept_directive(
          ".ptr")) {  // where the pointer points to and how it is aligned: a hint, not kept
    if (lexer.at_directive() && space_of(lexer.token().text) != Space::kNone) lexer.directive();
    if (lexer.accept_directive(".align")) parse_alignment(lexer);
  }
  const Token name = lexer.name("the name of a parameter");
  variable.opaque = lexer.at('[');
  const int64_t count = parse_extents(lexer, variable);
  if (count == 0) lexer.fail(name, quoted(name.text) + " has no size");
  variable.bytes = count * bytes(variable.type);
  list.push_back(static_cast<int>(function.variables.size()));
  declare(parsing, name, std::move(variable), function.variables, Name::kLocalVariable);
}

}  // namespace tenon::ptx
