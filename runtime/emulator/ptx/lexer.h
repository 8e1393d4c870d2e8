// lexer.h: PTX text as tokens, one at a time, and the errors that point at them.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "ir/location.h"
#include "llvm/ADT/StringRef.h"

namespace tenon::ptx {

struct Token {
  enum Kind : uint8_t {
    kEnd,
    kWord,    ///< letters, digits, _ $ %, dots and "::": `%r1`, `.reg`, `ld.shared::cta.b32`
    kNumber,  ///< begins with a digit: `12`, `0x1F`, `0f3F800000`, `1.5e-3`, `9.0`
    kString,  ///< without its quotes
    kSign,    ///< one character
  };
  Kind kind = kEnd;
  llvm::StringRef text;  ///< in the source
  int line = 1;
};

/// A literal's value: integers in two's complement; of floats the bits of the f32 or f64.
struct Number {
  enum Kind : uint8_t { kInteger, kFloat32, kFloat64 };
  Kind kind = kInteger;
  uint64_t bits = 0;
};

/// Holds the current token. Every function that reads something throws Error at the current token where the text
/// has something else.
class Lexer {
 public:
  explicit Lexer(std::shared_ptr<const SourceFile> source);

  const Token& token() const { return token_; }
  Token take();  ///< the current token; the next becomes current

  bool at(char sign) const { return token_.kind == Token::kSign && token_.text[0] == sign; }
  bool at_word(llvm::StringRef word) const { return token_.kind == Token::kWord && token_.text == word; }
  bool at_directive() const { return token_.kind == Token::kWord && token_.text[0] == '.'; }
  bool accept(char sign);
  void expect(char sign);

  /// ".reg" of ".reg" and also of ".reg.b16", where ".b16" becomes the current token.
  Token directive();
  /// Whether a directive of that name comes first; takes it.
  bool accept_directive(llvm::StringRef name);
  /// A word without a dot: a name. `what` says in the error what was expected: "a label".
  Token name(const char* what);
  std::string string();
  /// A literal with an optional minus before it.
  Number number();
  /// An integer literal within bounds, both inclusive; `what` names it in errors.
  int64_t integer(const char* what, int64_t least, int64_t most);

  [[noreturn]] void fail(const Token& token, const std::string& message, const std::string& hint = {}) const;
  /// "expected ..., found ..." at the current token.
  [[noreturn]] void expected(const std::string& what) const;

 private:
  void advance();
  void skip_blank();

  std::shared_ptr<const SourceFile> source_;
  const char *at_, *end_;
  int line_ = 1;
  Token token_;
};

/// A token's text in quotes, shortened where it is very long; for messages.
std::string quoted(llvm::StringRef text);

}  // namespace tenon::ptx
