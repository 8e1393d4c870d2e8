// normalizer.cpp: NFC, replacements, and a text put before.
#include "ir/diagnostics.h"
#include "runtime/tokenizer/pattern.h"
#include "runtime/tokenizer/read_steps.h"
#include "runtime/tokenizer/steps.h"

namespace tenon::tokenizer {
namespace {

/// A file may ask for replacements that grow without end. Those in use make of a byte three.
void require_growth(size_t given, size_t bytes) {
  if (bytes > 8 * given + (64 << 10))
    throw Error("the normalizer makes of " + std::to_string(given) + " bytes " + std::to_string(bytes) +
                ", and eight times as many are allowed");
}

std::string replaced(const Pattern& pattern, const std::string& content, llvm::StringRef text) {
  std::string out;
  for (const Pattern::Piece& piece : pattern.cut(text)) {
    out += piece.matched ? llvm::StringRef(content) : text.slice(piece.begin, piece.end);
    require_growth(text.size(), out.size());
  }
  return out;
}

Normalizer one(const FilePart& part, const std::string& type) {
  if (type == "NFC") return [](const std::string& text) { return nfc(text); };
  if (type == "Replace")
    return [pattern = pattern_of(part["pattern"]), content = part["content"].string()](
               const std::string& text) { return replaced(pattern, content, text); };
  if (type == "Prepend")
    return [before = part["prepend"].string()](const std::string& text) {
      return text.empty() ? text : before + text;
    };
  part["type"].fail("a normalizer " + shown(type) + " is not supported",
                    "NFC, Replace, Prepend and a Sequence of them are");
}

}  // namespace

std::string normalized(llvm::ArrayRef<Normalizer> steps, std::string text) {
  const size_t given = text.size();
  for (const Normalizer& step : steps) {
    text = step(std::move(text));
    require_growth(given, text.size());
  }
  return text;
}

std::vector<Normalizer> read_normalizer(const FilePart& part) {
  std::vector<Normalizer> steps;
  each_step(part, "normalizers",
            [&](const FilePart& step, const std::string& type) { steps.push_back(one(step, type)); });
  return steps;
}

}  // namespace tenon::tokenizer
