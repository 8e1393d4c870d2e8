// tokenizer.h: text to tokens and back, as a model's tokenizer.json says. What of that format is there: README.md.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace tenon {

namespace tokenizer {
class Encoder;
}

class Tokenizer {
 public:
  /// A file tokenizer.json. Throws Error, with the place in it, for a file that cannot be read, is larger than 64 MB, holds
  /// anything wrong, or wants what README.md does not list.
  static Tokenizer read(const std::string& path);
  /// The same of a file's text; `name` stands for it in messages.
  static Tokenizer parse(llvm::StringRef json, const std::string& name);

  /// The ids of a text, those that the file puts around a text included. Added tokens in the text ("<|im_end|>") are recognised,
  /// special ones too. Throws Error where the text is no UTF-8, or holds a character that no token stands for.
  std::vector<int64_t> encode(llvm::StringRef text) const;
  /// The text of ids, without special tokens and ids that stand for nothing. What is no UTF-8 becomes U+FFFD.
  std::string decode(llvm::ArrayRef<int64_t> ids) const;

  int64_t size() const;                        ///< one more than the largest id
  int64_t id_of(llvm::StringRef token) const;  ///< -1 where there is none
  /// The bytes that a token adds to a text that has begun; "" for a special token and an unknown id.
  std::string bytes_of(int64_t id) const;

 private:
  explicit Tokenizer(std::shared_ptr<const tokenizer::Encoder> encoder) : encoder_(std::move(encoder)) {}
  std::shared_ptr<const tokenizer::Encoder> encoder_;
};

/// Decodes tokens as they come. Characters appear when their last byte has come.
class TextStream {
 public:
  explicit TextStream(Tokenizer tokenizer) : tokenizer_(std::move(tokenizer)) {}
  /// What this token completes, often "".
  std::string next(int64_t id);
  /// What is left: U+FFFD for a character that was begun, else "".
  std::string end();

 private:
  Tokenizer tokenizer_;
  std::string begun_;
};

}  // namespace tenon
