// scopes.cpp: declarations and lookups of names, scope by scope.
#include "runtime/emulator/ptx/scopes.h"

#include "ir/diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

namespace tenon::ptx {
namespace {

constexpr size_t kFunctionScope = 2;  // the depth of a function's own scope

// Calls visit(prefix, number) for each way to read `name` as a member of a family: "%r12" as "%r1" and 2, then as
// "%r" and 12, until a visit returns true. Families have fewer than 10^10 members.
template <typename Visit>
void each_split(llvm::StringRef name, Visit&& visit) {
  for (size_t digits = 1; digits <= 10 && digits < name.size(); ++digits) {
    const llvm::StringRef tail = name.take_back(digits);
    uint64_t number = 0;
    if (!llvm::isDigit(tail[0])) return;
    if (tail[0] == '0' && digits > 1) continue;
    if (!tail.getAsInteger(10, number) && visit(name.drop_back(digits), number)) return;
  }
}

}  // namespace

void Scopes::begin_function(std::vector<Register>& registers) {
  registers_ = &registers;
  push();
}

// Refuses a register that a family has already, and notes its number for a family that comes later (which then
// can be only the one without any digits at its end: the note costs one entry, not one for each digit).
void Scopes::count_single(Scope& scope, const Token& name) {
  llvm::StringRef stem;
  uint64_t last = 0;
  each_split(name.text, [&](llvm::StringRef prefix, uint64_t number) {
    if (auto found = scope.families.find(prefix);
        found != scope.families.end() && number < found->second.count)
      fail_duplicate(name, found->second.line);
    stem = prefix, last = number;
    return false;
  });
  if (stem.empty()) return;
  Family& family = scope.families[stem];
  family.least_single = std::min(family.least_single, last);
}

void Scopes::declare(Scope& scope, const Token& name, Name meaning) {
  meaning.line = name.line;
  if (meaning.kind == Name::kRegister) count_single(scope, name);
  auto [entry, fresh] = scope.names.try_emplace(name.text, meaning);
  if (!fresh) fail_duplicate(name, entry->second.line);
}

void Scopes::declare_registers(const Token& prefix, uint64_t count, Type type) {
  Family& family = scopes_.back().families[prefix.text];
  if (family.count > 0) fail_duplicate(prefix, family.line);
  if (family.least_single < count)
    lexer_.fail(prefix,
                quoted(prefix.text.str() + std::to_string(family.least_single)) + " is declared alone too");
  family = {count, family.least_single, type, prefix.line};
}

int Scopes::number(llvm::StringRef name, Type type) {
  registers_->push_back({name, type});
  return static_cast<int>(registers_->size()) - 1;
}

// A register of a family that `name` belongs to, now with a name of its own.
std::optional<Name> Scopes::member(Scope& scope, llvm::StringRef name) {
  std::optional<Name> meaning;
  each_split(name, [&](llvm::StringRef prefix, uint64_t which) {
    auto found = scope.families.find(prefix);
    if (found == scope.families.end() || which >= found->second.count) return false;
    const Family& family = found->second;
    meaning = Name{Name::kRegister, family.type, number(name, family.type), family.line};
    scope.names[name] = *meaning;
    return true;
  });
  return meaning;
}

std::optional<Name> Scopes::lookup(llvm::StringRef name) {
  for (size_t i = scopes_.size(); i-- > 0;) {
    Scope& scope = scopes_[i];
    if (auto found = scope.names.find(name); found != scope.names.end()) {
      Name& meaning = found->second;
      if (meaning.kind == Name::kRegister && meaning.index < 0) meaning.index = number(name, meaning.type);
      return meaning;
    }
    if (scope.families.empty()) continue;
    if (std::optional<Name> found = member(scope, name)) return found;
  }
  return std::nullopt;
}

std::optional<Name> Scopes::lookup_in_module(llvm::StringRef name) const {
  auto found = scopes_.front().names.find(name);
  return found == scopes_.front().names.end() ? std::nullopt : std::optional(found->second);
}

void Scopes::pass_on(const LabelUse& use) {
  if (scopes_.size() <= kFunctionScope) fail_unknown(use.name, "label");
  scopes_[scopes_.size() - 2].uses.push_back(use);
}

void Scopes::fail_duplicate(const Token& name, int line) const {
  lexer_.fail(name,
              quoted(name.text) + " is declared twice in one scope, first in line " + std::to_string(line));
}

void Scopes::fail_unknown(const Token& name, const char* what) const {
  constexpr size_t kLongest = 64, kMost = 20'000;  // a hint is not worth more time
  std::vector<llvm::StringRef> candidates;
  const bool label = llvm::StringRef(what) == "label";
  for (size_t i = scopes_.size(); i-- > 0;)
    for (const auto& [candidate, meaning] : scopes_[i].names)
      if ((meaning.kind == Name::kLabel) == label && candidate.size() <= kLongest &&
          candidates.size() < kMost)
        candidates.push_back(candidate);
  llvm::sort(candidates);  // a hash table's order is no order
  const std::string near = name.text.size() <= kLongest ? nearest(name.text, candidates) : "";
  lexer_.fail(name, std::string("unknown ") + what + " " + quoted(name.text),
              near.empty() ? "" : "did you mean '" + near + "'?");
}

}  // namespace tenon::ptx
