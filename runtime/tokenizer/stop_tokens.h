// stop_tokens.h: the tokens that end a text, as the files beside a tokenizer.json say.
#pragma once
#include <string>
#include <vector>

#include "runtime/tokenizer/tokenizer.h"

namespace tenon {

struct StopTokens {
  std::vector<int64_t> ids;
  std::string file;  ///< which of the files said so; "" where none did
};

/// `eos_token_id` (an id or several) of generation_config.json in `folder`; where that says nothing, `eos_token` of
/// tokenizer_config.json, a text or an object whose `content` is one. Throws Error for anything else there, and for a text
/// that is no token.
StopTokens read_stop_tokens(const std::string& folder, const Tokenizer& tokenizer);

}  // namespace tenon
