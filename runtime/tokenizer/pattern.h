// pattern.h: the regular expressions of tokenizers, and cutting a text where they match. A pattern becomes a small
// program whose alternatives run side by side (K. Thompson, 1968), so that no pattern backtracks.
#pragma once
#include <cstdint>
#include <vector>

#include "llvm/ADT/StringRef.h"
#include "runtime/tokenizer/unicode.h"

namespace tenon::tokenizer {

/// A set of characters: the union of its items, or all others.
struct CharacterSet {
  struct Item {
    char32_t first = 1, last = 0;  ///< a range, empty as it stands
    uint32_t categories = 0;       ///< one bit a Category
    bool space = false;            ///< \s
    bool negated = false;          ///< \S, \P{..}
  };
  std::vector<Item> items;
  bool negated = false;
  bool contains(char32_t code, Category category) const;
};

/// One step of a pattern's program.
struct Instruction {
  enum Kind : uint8_t {
    kTake,  ///< one character of set `x`, then the next instruction
    kLook,  ///< the next instruction where the coming character is in set `x`; with `negated`, where it is not or the text ends
    kChoice,   ///< instruction `x`, or else `y`
    kJump,     ///< instruction `x`
    kMatched,  ///< here a match ends
  };
  Kind kind;
  bool negated = false;
  uint32_t x = 0, y = 0;
};

class Pattern {
 public:
  /// A regular expression of these constructs: characters, `.`, escapes (\s \S \d \D \p{..} \P{..} of the general categories
  /// in unicode.h, \r \n \t, punctuation), sets [..], groups (..), (?:..) and (?i:..) over ASCII letters, alternatives, greedy ? * + {n}
  /// {n,} {n,m}, looking one character ahead (?=.) and (?!.). Throws Error that names any other construct, and a pattern
  /// that is too large or matches the empty text.
  static Pattern parse(llvm::StringRef text);
  /// The text itself, which is UTF-8 and not empty.
  static Pattern literal(llvm::StringRef text);

  struct Piece {
    size_t begin, end;
    bool matched;
  };
  /// All of the text (UTF-8), in order: the matches from left to right, of each the alternative that a backtracking matcher
  /// would find first, and what lies between them. Takes time in proportion to the text times the pattern; throws Error
  /// where a pattern looks far ahead again and again.
  std::vector<Piece> cut(llvm::StringRef text) const;

 private:
  friend class PatternCompiler;
  std::vector<Instruction> program_;
  std::vector<CharacterSet> sets_;
};

}  // namespace tenon::tokenizer
