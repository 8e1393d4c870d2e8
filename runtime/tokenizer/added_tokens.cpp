// added_tokens.cpp: the sorted texts narrowed a byte at a time.
#include "runtime/tokenizer/added_tokens.h"

#include <algorithm>

#include "runtime/tokenizer/unicode.h"

namespace tenon::tokenizer {
namespace {

/// How many bytes at the end of `text` are white space.
size_t space_at_end(llvm::StringRef text) {
  size_t end = text.size();
  while (end > 0) {
    size_t begin = end - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xC0) == 0x80) --begin;
    if (!is_space(character_at(text, begin).code)) break;
    end = begin;
  }
  return text.size() - end;
}

size_t space_at_start(llvm::StringRef text) {
  size_t at = 0;
  while (at < text.size() && is_space(character_at(text, at).code)) at += character_at(text, at).bytes;
  return at;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::sort(tokens_.begin(), tokens_.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.text < b.text; });
}

/// The longest token that `text` begins with, or null.
const AddedToken* AddedTokens::longest_at(llvm::StringRef text) const {
  const AddedToken* longest = nullptr;
  auto first = tokens_.begin(), last = tokens_.end();
  for (size_t i = 0; i < text.size() && first != last; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    first = std::lower_bound(first, last, byte, [i](const AddedToken& token, unsigned char b) {
      return token.text.size() <= i || static_cast<unsigned char>(token.text[i]) < b;
    });
    last = std::upper_bound(first, last, byte, [i](unsigned char b, const AddedToken& token) {
      return b < static_cast<unsigned char>(token.text[i]);
    });
    if (first != last && first->text.size() == i + 1) longest = &*first;
  }
  return longest;
}

std::vector<Segment> AddedTokens::cut(llvm::StringRef text) const {
  std::vector<Segment> segments;
  size_t cut = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* token = longest_at(text.substr(at));
    if (!token) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + token->text.size();
    if (token->takes_space_before) begin -= space_at_end(text.slice(cut, at));
    if (token->takes_space_after) end += space_at_start(text.substr(end));
    if (cut < begin) segments.push_back({text.slice(cut, begin)});
    segments.push_back({text.slice(begin, end), token});
    at = cut = end;
  }
  if (cut < text.size()) segments.push_back({text.substr(cut)});
  return segments;
}

}  // namespace tenon::tokenizer
