// added_tokens.h: tokens that are looked for in the text itself, before it is split.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "llvm/ADT/StringRef.h"

namespace tenon::tokenizer {

struct AddedToken {
  std::string text;
  int32_t id = 0;
  bool takes_space_before = false,
       takes_space_after = false;  ///< lstrip, rstrip: white space around it belongs to it
  bool special = false;            ///< a mark, no text: decoding leaves it out
  bool normalized = false;         ///< looked for in the normalised text
};

/// A part of a text: one added token, or what lies between two.
struct Segment {
  llvm::StringRef text;
  const AddedToken* token = nullptr;  ///< null between tokens
};

class AddedTokens {
 public:
  AddedTokens() = default;
  explicit AddedTokens(std::vector<AddedToken> tokens);
  /// All of the text in order, from the left, of several tokens at one place the longest.
  std::vector<Segment> cut(llvm::StringRef text) const;

 private:
  const AddedToken* longest_at(llvm::StringRef text) const;
  std::vector<AddedToken> tokens_;  // ascending by text
};

}  // namespace tenon::tokenizer
