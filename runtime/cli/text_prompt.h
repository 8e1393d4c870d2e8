// text_prompt.h: prompts as text: the tokenizer that makes tokens of them, and the tokens that come back as text.
#pragma once
#include <string>
#include <vector>

#include "runtime/generation.h"
#include "runtime/tokenizer/stop_tokens.h"
#include "runtime/tokenizer/tokenizer.h"

namespace tenon::cli {

/// The file that makes tokens of a prompt: `given` (--tokenizer, a file or its folder), or tokenizer.json beside the first
/// of `weights` that has one. Throws Error where there is none.
std::string find_tokenizer(const std::string& given, const std::vector<std::string>& weights);

/// A row for each text, padded on the right. Throws Error for a text that is no UTF-8 or gives no token.
Prompts encode_prompts(const Tokenizer& tokenizer, llvm::ArrayRef<std::string> texts);

/// The text of a row's tokens, up to the first of `stop`.
std::string text_of_row(const Tokenizer& tokenizer, llvm::ArrayRef<int64_t> row,
                        llvm::ArrayRef<int64_t> stop);

/// Prints a row's text to standard output while its tokens come.
class RowPrinter {
 public:
  RowPrinter(const Tokenizer& tokenizer, std::vector<int64_t> stop)
      : stream_(tokenizer), stop_(std::move(stop)) {}
  void show(llvm::ArrayRef<int64_t> tokens);  ///< all of the row so far
  void end();

 private:
  TextStream stream_;
  std::vector<int64_t> stop_;
  size_t shown_ = 0;
  bool stopped_ = false;
};

}  // namespace tenon::cli
