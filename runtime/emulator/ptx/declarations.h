// declarations.h: .reg, variables with their initialisers, parameters: what may stand before a name.
#pragma once
#include "runtime/emulator/ptx/parser.h"
#include "runtime/emulator/ptx/scopes.h"

namespace tenon::ptx {

/// What all parts of the parser share while one module is read.
struct Parsing {
  Module& module;
  const ParseLimits& limits;
  Lexer lexer;
  Scopes scopes{lexer};
  int64_t instructions = 0, registers = 0, parts = 0;

  Parsing(Module& into, const ParseLimits& within) : module(into), limits(within), lexer(into.source) {}

  /// Count against the limits; throw at the current token.
  void count_part();
  void count_instruction();
};

/// The space of ".global"; kNone where the directive names none.
Space space_of(llvm::StringRef directive);

/// After .reg: types and names up to and with the semicolon.
void parse_registers(Parsing& parsing);
/// After .global, .shared, ..: one or several variables up to and with the semicolon, added to `variables` and
/// declared as `kind`.
void parse_variables(Parsing& parsing, Space space, bool external, std::vector<Variable>& variables,
                     Name::Kind kind);
/// After .param in a function's head: one parameter, declared; the "," or ")" behind it stays.
void parse_parameter(Parsing& parsing, Function& function, std::vector<int>& list);

}  // namespace tenon::ptx
