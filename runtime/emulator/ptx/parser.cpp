// parser.cpp: what stands outside of functions, and the heads of functions.
#include "runtime/emulator/ptx/parser.h"

#include "ir/diagnostics.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/SmallVector.h"
#include "runtime/emulator/ptx/body.h"

namespace tenon::ptx {
namespace {

constexpr int64_t kMostFiles = 65'535, kMostThreads = 1 << 20;

class Parser {
 public:
  Parser(Module& module, const ParseLimits& limits)
      : parsing_(module, limits), lexer_(parsing_.lexer), module_(module) {}

  void parse();

 private:
  void head();
  void target();
  void statement();
  void declaration(const Token& directive, bool external);
  void file();
  void section();
  void debug_strings();
  void skip_section(const Token& begin);

  void function(bool entry);
  void parameters(Function& function, std::vector<int>& list);
  size_t begin(const Token& name);
  void function_directive(Function& function);
  std::array<int, 3> extents();

  Parsing parsing_;
  Lexer& lexer_;
  Module& module_;
  Places places_;
  std::string debug_strings_;
  llvm::DenseMap<llvm::StringRef, size_t> debug_labels_;
};

void Parser::parse() {
  head();
  while (lexer_.token().kind != Token::kEnd) statement();
  module_.debug_strings = std::make_shared<const std::string>(std::move(debug_strings_));
  places_.resolve(parsing_, debug_labels_);
}

// .version, .target, .address_size
void Parser::head() {
  if (!lexer_.accept_directive(".version")) lexer_.expected("'.version', with which PTX begins");
  const Token version = lexer_.token();
  auto [major, minor] = version.text.split('.');
  if (version.kind != Token::kNumber || major.getAsInteger(10, module_.version_major) ||
      minor.getAsInteger(10, module_.version_minor))
    lexer_.expected("a version such as 9.0");
  lexer_.take();
  target();
  if (lexer_.accept_directive(".address_size")) {
    const Token size = lexer_.token();
    if (lexer_.integer("an address size", 32, 64) != 64) lexer_.fail(size, "addresses must have 64 bits");
  }
}

void Parser::target() {
  if (!lexer_.accept_directive(".target")) lexer_.expected("'.target'");
  const Token name = lexer_.name("an architecture such as sm_90a");
  llvm::StringRef digits = name.text;
  int number = 0;
  if (!digits.consume_front("sm_") || digits.consumeInteger(10, number) || digits.size() > 1)
    lexer_.fail(name, quoted(name.text) + " is no architecture", "architectures are sm_80, sm_90a, ...");
  module_.target = name.text.str();
  while (lexer_.accept(','))
    lexer_.name("an option of .target");  // debug, texmode_..: nothing that changes a run
}

void Parser::statement() {
  if (lexer_.accept(';')) return;
  if (!lexer_.at_directive()) lexer_.expected("a directive");
  bool external = false;
  for (;;)
    if (lexer_.accept_directive(".extern"))
      external = true;
    else if (!lexer_.accept_directive(".visible") && !lexer_.accept_directive(".weak") &&
             !lexer_.accept_directive(".common"))
      break;
  declaration(lexer_.directive(), external);
}

void Parser::declaration(const Token& directive, bool external) {
  const llvm::StringRef name = directive.text;
  if (name == ".entry" || name == ".func") {
    function(name == ".entry");
  } else if (name == ".file") {
    file();
  } else if (name == ".section") {
    section();
  } else if (name == ".pragma") {  // advice to ptxas
    lexer_.string();
    lexer_.expect(';');
  } else if (Space space = space_of(name);
             space == Space::kGlobal || space == Space::kShared || space == Space::kConst) {
    parse_variables(parsing_, space, external, module_.variables, Name::kModuleVariable);
  } else {
    lexer_.fail(directive, "unknown directive " + quoted(name) + " outside of functions");
  }
}

void Parser::file() {
  const int64_t number = lexer_.integer("the number of a file", 0, kMostFiles);
  auto index = static_cast<size_t>(number);
  if (module_.files.size() <= index) module_.files.resize(index + 1);
  module_.files[index] = lexer_.string();
  while (lexer_.accept(',')) lexer_.number();  // time and size
}

void Parser::section() {
  const Token name = lexer_.take();
  if (name.kind != Token::kWord) lexer_.fail(name, "expected the name of a section");
  const Token begin = lexer_.token();
  lexer_.expect('{');
  if (name.text == ".debug_str")
    debug_strings();
  else
    skip_section(begin);
}

// label: .b8 1, 2, 3
void Parser::debug_strings() {
  while (!lexer_.accept('}')) {
    if (!lexer_.accept_directive(".b8")) {
      parsing_.count_part();
      debug_labels_[lexer_.name("a label, .b8 or '}'").text] = debug_strings_.size();
      lexer_.expect(':');
      continue;
    }
    do debug_strings_ += static_cast<char>(lexer_.integer("a byte", 0, 255));
    while (lexer_.accept(','));
  }
}

void Parser::skip_section(const Token& begin) {
  while (!lexer_.accept('}')) {
    if (lexer_.token().kind == Token::kEnd) lexer_.fail(begin, "this section does not end");
    lexer_.take();
  }
}

std::array<int, 3> Parser::extents() {
  std::array<int, 3> result = {1, 1, 1};
  size_t i = 0;
  do {
    if (i == result.size()) lexer_.expected("no more than three extents");
    result[i++] = static_cast<int>(lexer_.integer("an extent", 1, kMostThreads));
  } while (lexer_.accept(','));
  return result;
}

void Parser::function_directive(Function& function) {
  const Token token = lexer_.directive();
  const llvm::StringRef name = token.text;
  if (name == ".maxntid")
    function.max_threads = extents();
  else if (name == ".reqntid")
    function.required_threads = extents();
  else if (name == ".reqnctapercluster")
    function.required_cluster = extents();
  else if (name == ".explicitcluster")
    function.explicit_cluster = true;
  else if (name == ".minnctapersm")
    function.min_blocks = static_cast<int>(lexer_.integer("a count of blocks", 0, kMostThreads));
  else if (name == ".maxnreg")
    function.max_registers = static_cast<int>(lexer_.integer("a count of registers", 0, kMostThreads));
  else if (name == ".maxclusterrank" || name == ".maxnctapersm")  // for ptxas alone
    lexer_.integer("a count of blocks", 0, kMostThreads);
  else if (name == ".pragma")
    lexer_.string(), lexer_.accept(';');
  else if (name != ".noreturn")
    lexer_.fail(token, "unknown directive " + quoted(name) + " in the head of a function");
}

void Parser::parameters(Function& function, std::vector<int>& list) {
  if (!lexer_.accept('(') || lexer_.accept(')')) return;
  do {
    if (!lexer_.accept_directive(".param")) lexer_.expected("a parameter, which begins with .param");
    parse_parameter(parsing_, function, list);
  } while (lexer_.accept(','));
  lexer_.expect(')');
}

// The index of a function of that name: a new one, or that of its earlier declaration.
size_t Parser::begin(const Token& name) {
  if (std::optional<Name> earlier = parsing_.scopes.lookup_in_module(name.text);
      earlier && earlier->kind == Name::kFunction && module_.functions[earlier->index].external)
    return static_cast<size_t>(earlier->index);
  const size_t index = module_.functions.size();
  parsing_.scopes.declare_in_module(name, {Name::kFunction, Type::kPred, static_cast<int>(index)});
  module_.functions.emplace_back();
  return index;
}

// After .entry or .func: head and body, or a declaration that ends with a semicolon.
void Parser::function(bool entry) {
  parsing_.count_instruction();
  Function function;
  function.entry = entry;
  parsing_.scopes.begin_function(function.registers);
  if (!entry) parameters(function, function.results);
  const Token name = lexer_.name("the name of a function");
  const size_t index = begin(name);
  function.name = name.text.str();
  function.line = name.line;
  parameters(function, function.parameters);
  while (lexer_.at_directive()) function_directive(function);
  function.external = lexer_.accept(';');
  if (function.external) {
    parsing_.scopes.pop([](const Scopes::LabelUse&, int) {});
  } else {
    lexer_.expect('{');
    parse_body(parsing_, places_, function);
  }
  module_.functions[index] = std::move(function);
}

}  // namespace

Module parse(llvm::StringRef text, llvm::StringRef name, const ParseLimits& limits) {
  if (static_cast<int64_t>(text.size()) > limits.text_bytes)
    throw Error(name.str() + ": a text of " + std::to_string(text.size()) + " bytes, more than " +
                std::to_string(limits.text_bytes));
  Module module;
  module.name = name.str();
  module.source = std::make_shared<const SourceFile>(SourceFile{name.str(), text.str()});
  llvm::StringRef rest = module.source->text;
  const auto line_count = static_cast<int64_t>(rest.count('\n')) + 1;
  if (line_count > limits.parts)
    throw Error(name.str() + ": a text of " + std::to_string(line_count) + " lines, more than " +
                std::to_string(limits.parts));
  module.lines.reserve(line_count);
  while (!rest.empty()) {
    auto [line, tail] = rest.split('\n');
    module.lines.push_back(line.rtrim('\r'));
    rest = tail;
  }
  module.files.emplace_back();
  Parser(module, limits).parse();
  return module;
}

const Function* Module::find(llvm::StringRef function) const {
  for (const Function& candidate : functions)
    if (candidate.name == function) return &candidate;
  return nullptr;
}

}  // namespace tenon::ptx
