// pre_tokenizer.cpp: cutting a text into the pieces within which pairs are joined.
#include <algorithm>

#include "llvm/ADT/StringExtras.h"
#include "runtime/tokenizer/read_steps.h"
#include "runtime/tokenizer/steps.h"

namespace tenon::tokenizer {
namespace {

// What ByteLevel splits by: GPT-2's own expression.
constexpr char kGpt2Pattern[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// What becomes of a match of Split's pattern.
enum class Behavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

/// Joins each match with the piece before it, of several in a row the first alone.
std::vector<Pattern::Piece> merged_with_previous(llvm::ArrayRef<Pattern::Piece> pieces) {
  std::vector<Pattern::Piece> out;
  bool after_match = false;
  for (const Pattern::Piece& piece : pieces) {
    if (piece.matched && !after_match && !out.empty())
      out.back().end = piece.end;
    else
      out.push_back(piece);
    after_match = piece.matched;
  }
  return out;
}

/// The same from the right.
std::vector<Pattern::Piece> merged_with_next(llvm::ArrayRef<Pattern::Piece> pieces) {
  std::vector<Pattern::Piece> out;
  bool before_match = false;
  for (const Pattern::Piece& piece : llvm::reverse(pieces)) {
    if (piece.matched && !before_match && !out.empty())
      out.back().begin = piece.begin;
    else
      out.push_back(piece);
    before_match = piece.matched;
  }
  std::reverse(out.begin(), out.end());
  return out;
}

std::vector<Pattern::Piece> contiguous(llvm::ArrayRef<Pattern::Piece> pieces) {
  std::vector<Pattern::Piece> out;
  for (const Pattern::Piece& piece : pieces)
    if (!out.empty() && out.back().matched == piece.matched)
      out.back().end = piece.end;
    else
      out.push_back(piece);
  return out;
}

std::vector<Pattern::Piece> apply(Behavior behavior, std::vector<Pattern::Piece> pieces) {
  switch (behavior) {
    case Behavior::kIsolated: return pieces;
    case Behavior::kMergedWithPrevious: return merged_with_previous(pieces);
    case Behavior::kMergedWithNext: return merged_with_next(pieces);
    case Behavior::kContiguous: return contiguous(pieces);
    case Behavior::kRemoved:
      llvm::erase_if(pieces, [](const Pattern::Piece& piece) { return piece.matched; });
  }
  return pieces;
}

Pieces split(const Pattern& pattern, Behavior behavior, bool inverted, const Pieces& pieces) {
  Pieces out;
  for (llvm::StringRef text : pieces) {
    std::vector<Pattern::Piece> cut = pattern.cut(text);
    if (inverted)
      for (Pattern::Piece& piece : cut) piece.matched = !piece.matched;
    for (const Pattern::Piece& piece : apply(behavior, std::move(cut)))
      out.push_back(text.slice(piece.begin, piece.end).str());
  }
  return out;
}

PreTokenizer read_split(const FilePart& part) {
  static constexpr std::pair<llvm::StringLiteral, Behavior> kBehaviors[] = {
      {"Removed", Behavior::kRemoved},
      {"Isolated", Behavior::kIsolated},
      {"MergedWithPrevious", Behavior::kMergedWithPrevious},
      {"MergedWithNext", Behavior::kMergedWithNext},
      {"Contiguous", Behavior::kContiguous},
  };
  const FilePart behavior = part["behavior"];
  const auto* row =
      llvm::find_if(kBehaviors, [&](const auto& one) { return one.first == behavior.string(); });
  if (row == std::end(kBehaviors)) behavior.fail("unknown behavior " + shown(behavior.string()));
  return
      [pattern = pattern_of(part["pattern"]), behavior = row->second, inverted = part["invert"].flag(false)](
          const Pieces& pieces, bool) { return split(pattern, behavior, inverted, pieces); };
}

Pieces as_byte_characters(Pieces pieces) {
  for (std::string& piece : pieces) {
    std::string characters;
    for (const char byte : piece)
      append_utf8(characters, character_of_byte(static_cast<unsigned char>(byte)));
    piece = std::move(characters);
  }
  return pieces;
}

PreTokenizer read_byte_level(const FilePart& part) {
  return [splits = part["use_regex"].flag(true), prefix = part["add_prefix_space"].flag(true),
          pattern = Pattern::parse(kGpt2Pattern)](Pieces pieces, bool) {
    if (prefix)
      for (std::string& piece : pieces)
        if (!llvm::StringRef(piece).startswith(" ")) piece.insert(0, " ");
    return as_byte_characters(splits ? split(pattern, Behavior::kIsolated, false, pieces)
                                     : std::move(pieces));
  };
}

PreTokenizer read_digits(const FilePart& part) {
  return [pattern = Pattern::parse(part["individual_digits"].flag(false) ? R"(\p{N})" : R"(\p{N}+)")](
             const Pieces& pieces, bool) { return split(pattern, Behavior::kIsolated, false, pieces); };
}

/// Blanks become a character of their own, which stands before the first word too.
PreTokenizer read_metaspace(const FilePart& part) {
  const std::string mark = part["replacement"].string();
  if (mark.empty() || character_at(mark, 0).bytes != mark.size())
    part["replacement"].fail("a character expected");
  const std::string scheme =
      part["prepend_scheme"].string_or(part["add_prefix_space"].flag(true) ? "always" : "never");
  if (scheme != "always" && scheme != "first" && scheme != "never")
    part["prepend_scheme"].fail("unknown scheme " + shown(scheme));
  return [mark, scheme, splits = part["split"].flag(true), pattern = Pattern::literal(mark)](Pieces pieces,
                                                                                             bool at_start) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      std::string text;
      for (const char byte : pieces[i]) text += byte == ' ' ? mark : std::string(1, byte);
      const bool wanted = scheme == "always" || (scheme == "first" && at_start && i == 0);
      pieces[i] = wanted && !llvm::StringRef(text).startswith(mark) ? mark + text : text;
    }
    return splits ? split(pattern, Behavior::kMergedWithNext, false, pieces) : pieces;
  };
}

PreTokenizer one(const FilePart& part, const std::string& type) {
  if (type == "ByteLevel") return read_byte_level(part);
  if (type == "Split") return read_split(part);
  if (type == "Digits") return read_digits(part);
  if (type == "Metaspace") return read_metaspace(part);
  part["type"].fail("a pre_tokenizer " + shown(type) + " is not supported",
                    "ByteLevel, Split, Digits, Metaspace and a Sequence of them are");
}

}  // namespace

char32_t character_of_byte(unsigned char byte) {
  const auto printable = [](unsigned b) { return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD); };
  if (printable(byte)) return byte;
  char32_t others = 0;
  for (unsigned b = 0; b < byte; ++b) others += !printable(b);
  return 0x100 + others;
}

std::vector<PreTokenizer> read_pre_tokenizer(const FilePart& part) {
  std::vector<PreTokenizer> steps;
  each_step(part, "pretokenizers",
            [&](const FilePart& step, const std::string& type) { steps.push_back(one(step, type)); });
  return steps;
}

}  // namespace tenon::tokenizer
