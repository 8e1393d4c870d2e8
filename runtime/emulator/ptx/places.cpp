// places.cpp: .loc directives.
#include "runtime/emulator/ptx/body.h"

namespace tenon::ptx {
namespace {

constexpr int64_t kMostFiles = 65'535, kMostLines = 1 << 30;

}  // namespace

Places::Spot Places::parse_spot(Lexer& lexer) {
  const auto file = static_cast<int>(lexer.integer("the number of a file", 0, kMostFiles));
  const auto line = static_cast<int>(lexer.integer("a line", 0, kMostLines));
  return {file, {line, static_cast<int>(lexer.integer("a column", 0, kMostLines))}};
}

// The place that an inlined_at means: PTX names it by its spot, after a .loc of its own.
int Places::at(Parsing& parsing, Spot spot) {
  auto [entry, fresh] = latest_.try_emplace(spot, static_cast<int>(parsing.module.places.size()));
  if (fresh) parsing.module.places.push_back({spot.first, spot.second.first, spot.second.second, -1, {}});
  return entry->second;
}

int Places::parse(Parsing& parsing) {
  Lexer& lexer = parsing.lexer;
  parsing.count_part();
  const Spot spot = parse_spot(lexer);
  int inlined_at = -1;
  FunctionName name{-1, {}, 0};
  while (lexer.accept(',')) {
    const Token attribute = lexer.name("function_name or inlined_at");
    if (attribute.text == "inlined_at") {
      inlined_at = at(parsing, parse_spot(lexer));
    } else if (attribute.text == "function_name") {
      name.label = lexer.name("a label of .debug_str");
      if (lexer.accept('+')) name.offset = lexer.integer("an offset", 0, kMostLines);
    } else {
      lexer.fail(attribute, "unknown attribute " + quoted(attribute.text) + " of .loc");
    }
  }
  const llvm::StringRef label = inlined_at < 0 ? llvm::StringRef() : name.label.text;
  auto [entry, fresh] =
      known_.try_emplace({spot, {inlined_at, label}}, static_cast<int>(parsing.module.places.size()));
  const int place = entry->second;
  if (fresh) {
    parsing.module.places.push_back({spot.first, spot.second.first, spot.second.second, inlined_at, {}});
    name.place = place;
    if (!label.empty()) names_.push_back(name);
  }
  latest_[spot] = place;
  return place;
}

void Places::resolve(Parsing& parsing, const llvm::DenseMap<llvm::StringRef, size_t>& labels) {
  const llvm::StringRef strings = *parsing.module.debug_strings;
  for (const FunctionName& name : names_) {
    auto found = labels.find(name.label.text);
    if (found == labels.end())
      parsing.lexer.fail(name.label, quoted(name.label.text) + " is no label of the section .debug_str");
    const llvm::StringRef tail = strings.drop_front(std::min(strings.size(), found->second + name.offset));
    parsing.module.places[name.place].function = tail.take_until([](char c) { return c == '\0'; });
  }
}

}  // namespace tenon::ptx
