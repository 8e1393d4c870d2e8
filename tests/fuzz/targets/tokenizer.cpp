// A tokenizer.json: refused, or its tokens are its own, and the text of any of them is UTF-8.
#include "runtime/tokenizer/tokenizer.h"

#include "runtime/tokenizer/unicode.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/targets/verdict.h"

namespace tenon::fuzz {
namespace {

const char* const kTexts[] = {
    "",
    "ab ba",
    "Don't 12345 we'LL",
    "  \n\n \t x \r\n",
    "naïve cafe\u0301 中文 한국어",
    "👩‍👩‍👧 <s>▁▁",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

std::string problem_with(const Tokenizer& tokenizer, const char* text) {
  std::vector<int64_t> ids;
  try {
    ids = tokenizer.encode(text);
  } catch (const Error&) {  // a character that no token stands for
    return "";
  }
  for (const int64_t id : ids)
    if (id < 0 || id >= tokenizer.size()) return "a token that the file does not have";
  const std::string decoded = tokenizer.decode(ids);
  return tokenizer::first_no_utf8(decoded) == decoded.size() ? "" : "a text that is no UTF-8";
}

}  // namespace

std::string tokenizer(llvm::StringRef bytes, bool* accepted) {
  return verdict(/*located=*/false, accepted, [&]() -> std::string {
    const Tokenizer read = Tokenizer::parse(bytes, "t");
    for (const char* text : kTexts)
      if (std::string problem = problem_with(read, text); !problem.empty()) return problem;
    std::vector<int64_t> all;
    for (int64_t id = 0; id < std::min<int64_t>(read.size(), 4096); ++id) all.push_back(id);
    const std::string decoded = read.decode(all);
    return tokenizer::first_no_utf8(decoded) == decoded.size() ? "" : "its tokens are no UTF-8";
  });
}

}  // namespace tenon::fuzz
