// scopes.h: what names mean while a module is parsed: registers, variables, functions and labels, by scope.
#pragma once
#include <optional>
#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "runtime/emulator/ptx/lexer.h"
#include "runtime/emulator/ptx/syntax.h"

namespace tenon::ptx {

struct Name {
  enum Kind : uint8_t {
    kRegister,
    kModuleVariable,
    kLocalVariable,  ///< of the function, parameters included
    kFunction,
    kLabel,
    kTargets  ///< a .branchtargets list
  };
  Kind kind = kRegister;
  Type type = Type::kB32;  ///< of a register
  int index = -1;          ///< of a register: -1 until its first use
  int line = 0;            ///< of the declaration
};

/// A stack of scopes: the module's, the function's, those of { }. An inner declaration hides an outer one.
/// `.reg .b32 %r<1000>;` costs one entry however large it is: its registers are numbered as they are used.
class Scopes {
 public:
  /// A use of a label, to be filled in when the scope ends that holds the label.
  struct LabelUse {
    Token name;
    int instruction = 0, operand = 0, element = -1;  ///< element of a vector operand, or -1
  };

  explicit Scopes(const Lexer& lexer) : lexer_(lexer), scopes_(1) {}

  size_t depth() const { return scopes_.size(); }
  /// Opens a function's scope: registers are numbered in `registers` from now on.
  void begin_function(std::vector<Register>& registers);
  void push() { scopes_.emplace_back(); }
  /// Ends the innermost scope. `resolve(use, index)` is called for the uses of its labels; others wait for the
  /// scope around, and beyond the function are an error.
  template <typename Resolve>
  void pop(Resolve&& resolve) {
    for (const LabelUse& use : scopes_.back().uses)
      if (auto found = scopes_.back().names.find(use.name.text);
          found != scopes_.back().names.end() && found->second.kind == Name::kLabel)
        resolve(use, found->second.index);
      else
        pass_on(use);
    scopes_.pop_back();
  }

  void declare(const Token& name, Name meaning) { declare(scopes_.back(), name, meaning); }
  void declare_in_module(const Token& name, Name meaning) { declare(scopes_.front(), name, meaning); }
  /// prefix<count>
  void declare_registers(const Token& prefix, uint64_t count, Type type);
  void use_label(LabelUse use) { scopes_.back().uses.push_back(use); }

  /// What `name` means here; a register gets its number. Nothing where it is not declared.
  std::optional<Name> lookup(llvm::StringRef name);
  /// The same among the module's names alone.
  std::optional<Name> lookup_in_module(llvm::StringRef name) const;
  [[noreturn]] void fail_unknown(const Token& name, const char* what) const;

 private:
  struct Family {
    uint64_t count = 0;             ///< 0: not declared, only counted against
    uint64_t least_single = ~0ull;  ///< the smallest number declared alone: %r7 of `.reg .b32 %r7;`
    Type type = Type::kB32;
    int line = 0;
  };
  struct Scope {
    llvm::DenseMap<llvm::StringRef, Name> names;
    llvm::DenseMap<llvm::StringRef, Family> families;
    std::vector<LabelUse> uses;
  };

  void declare(Scope& scope, const Token& name, Name meaning);
  void count_single(Scope& scope, const Token& name);
  std::optional<Name> member(Scope& scope, llvm::StringRef name);
  int number(llvm::StringRef name, Type type);
  void pass_on(const LabelUse& use);
  [[noreturn]] void fail_duplicate(const Token& name, int line) const;

  const Lexer& lexer_;
  std::vector<Scope> scopes_;
  std::vector<Register>* registers_ = nullptr;
};

}  // namespace tenon::ptx
