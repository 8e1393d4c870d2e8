// unicode.h: UTF-8, and what splitting and normalising ask of a character. The version of Unicode is in unicode_tables.h.
#pragma once
#include <cstdint>
#include <string>

#include "llvm/ADT/StringRef.h"

namespace tenon::tokenizer {

/// General categories, as far as patterns tell them apart. The order is that of make_unicode_tables.py.
enum class Category : uint8_t {
  kUpper,
  kLower,
  kTitle,
  kModifier,
  kOtherLetter,
  kMark,
  kDigit,
  kOtherNumber,
  kPunctuation,
  kSymbol,
  kSeparator,
  kOther,
};

Category category_of(char32_t code);
bool is_space(char32_t code);  ///< the property White_Space, which is \s

struct Character {
  char32_t code = 0;
  unsigned bytes = 0;
};

/// The offset of the first byte that begins no UTF-8 character; text.size() where all is UTF-8.
size_t first_no_utf8(llvm::StringRef text);
/// The character at `at`, of text that is UTF-8.
Character character_at(llvm::StringRef text, size_t at);
void append_utf8(std::string& text, char32_t code);

/// Normalization form C of text that is UTF-8 (UAX #15).
std::string nfc(llvm::StringRef text);

}  // namespace tenon::tokenizer
