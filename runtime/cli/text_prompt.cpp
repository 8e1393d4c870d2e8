// text_prompt.cpp: where a tokenizer is looked for, and rows of text.
#include "runtime/cli/text_prompt.h"

#include <filesystem>

#include "ir/diagnostics.h"
#include "runtime/cli/model_options.h"

namespace tenon::cli {

std::string find_tokenizer(const std::string& given, const std::vector<std::string>& weights) {
  const char* const kName = "tokenizer.json";
  if (!given.empty())
    return std::filesystem::is_directory(given) ? (std::filesystem::path(given) / kName).string() : given;
  for (const std::string& path : weights) {
    const std::filesystem::path beside(path);
    const auto file = (std::filesystem::is_directory(beside) ? beside : beside.parent_path()) / kName;
    if (std::filesystem::exists(file)) return file.string();
  }
  throw Error("--prompt needs a tokenizer, and no tokenizer.json lies beside the weights", {},
              "--tokenizer FILE names one; --tokens takes the ids themselves");
}

Prompts encode_prompts(const Tokenizer& tokenizer, llvm::ArrayRef<std::string> texts) {
  std::vector<std::vector<int64_t>> rows;
  Prompts prompts;
  for (const std::string& text : texts) {
    try {
      rows.push_back(tokenizer.encode(text));
    } catch (const Error& error) {
      throw Error("--prompt: " + error.diagnostics()[0].message, {}, error.diagnostics()[0].hint);
    }
    if (rows.back().empty()) throw Error("--prompt: the text '" + text + "' gives no token");
    prompts.lengths.push_back(static_cast<int64_t>(rows.back().size()));
    prompts.width = std::max(prompts.width, prompts.lengths.back());
  }
  prompts.rows = static_cast<int64_t>(rows.size());
  for (std::vector<int64_t>& row : rows) {
    row.resize(static_cast<size_t>(prompts.width));
    prompts.tokens.insert(prompts.tokens.end(), row.begin(), row.end());
  }
  return prompts;
}

std::string text_of_row(const Tokenizer& tokenizer, llvm::ArrayRef<int64_t> row,
                        llvm::ArrayRef<int64_t> stop) {
  TextStream stream(tokenizer);
  std::string text;
  for (const int64_t id : row) {
    if (llvm::is_contained(stop, id)) break;
    text += stream.next(id);
  }
  return text + stream.end();
}

void RowPrinter::show(llvm::ArrayRef<int64_t> tokens) {
  std::string text;
  for (; shown_ < tokens.size() && !stopped_; ++shown_) {
    stopped_ = llvm::is_contained(stop_, tokens[shown_]);
    if (!stopped_) text += stream_.next(tokens[shown_]);
  }
  write_text("-", text);
  std::fflush(stdout);
}

void RowPrinter::end() { write_text("-", stream_.end() + "\n"); }

}  // namespace tenon::cli
