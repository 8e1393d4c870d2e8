// tokenizer_file.h: a tokenizer.json, read and checked.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "runtime/tokenizer/added_tokens.h"
#include "runtime/tokenizer/merges.h"
#include "runtime/tokenizer/steps.h"

namespace tenon::tokenizer {

struct TokenizerFile {
  Vocabulary vocabulary;           ///< of the model, without the added tokens
  std::vector<std::string> texts;  ///< by id, added tokens too; "" where an id stands for nothing
  std::vector<bool> special;       ///< by id
  std::vector<AddedToken> added;
  std::unique_ptr<Merges> merges;
  std::vector<Normalizer> normalizers;
  std::vector<PreTokenizer> pre_tokenizers;
  Surroundings around;
  Decoder decoder;
};

/// Throws Error with the place in the file: a part that is missing or that this version does not have, an id that is too
/// large or stands for two texts, merges of tokens that the vocabulary lacks. `name` is the file's, for messages.
std::unique_ptr<const TokenizerFile> read_tokenizer_file(const json::Value& document,
                                                         const std::string& name);

}  // namespace tenon::tokenizer
