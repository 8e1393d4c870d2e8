// steps.h: what a tokenizer.json does to a text before and after its pairs are joined: normalizer, pre_tokenizer,
// post_processor, decoder. Each is read into plain steps; sequences become flat.
#pragma once
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "llvm/ADT/ArrayRef.h"
#include "runtime/tokenizer/file_part.h"

namespace tenon::tokenizer {

/// Text to text; both UTF-8.
using Normalizer = std::function<std::string(std::string)>;
std::vector<Normalizer> read_normalizer(const FilePart& part);
/// The text after all steps. Throws Error where it grows out of bounds.
std::string normalized(llvm::ArrayRef<Normalizer> steps, std::string text);

/// Pieces of a text to smaller or changed ones. `at_start`: the first piece stands at the very start of the text.
using Pieces = std::vector<std::string>;
using PreTokenizer = std::function<Pieces(Pieces, bool at_start)>;
std::vector<PreTokenizer> read_pre_tokenizer(const FilePart& part);

/// Ids that go before and after a text.
struct Surroundings {
  std::vector<int64_t> before, after;
};
Surroundings read_post_processor(const FilePart& part);

/// How a token's text becomes bytes of the text.
struct Decoder {
  bool byte_characters = false;  ///< each character stands for a byte (ByteLevel)
  std::vector<std::pair<std::string, std::string>> replacements;  ///< done in this order
  bool byte_tokens = false;                                       ///< <0x00> .. <0xFF> stand for bytes
  std::string stripped;  ///< taken off the start of a text, `strips` times at most
  int64_t strips = 0;
  std::string bytes_of(llvm::StringRef token) const;
};
Decoder read_decoder(const FilePart& part);

/// The character that stands for a byte in byte-level tokens, as GPT-2 chose them: printable bytes of Latin-1
/// for themselves, the others in order from U+0100 on.
char32_t character_of_byte(unsigned char byte);

}  // namespace tenon::tokenizer
