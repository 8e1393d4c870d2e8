// Patterns: what they match, what they refuse, and that no text makes one slow.
#include "runtime/tokenizer/pattern.h"

#include <doctest/doctest.h>

#include <chrono>

#include "ir/diagnostics.h"

namespace tenon::tokenizer {
namespace {

/// "a|[bc]|d": pieces apart by '|', matches in brackets.
std::string cut(llvm::StringRef pattern, llvm::StringRef text) {
  std::string out;
  for (const Pattern::Piece& piece : Pattern::parse(pattern).cut(text)) {
    const std::string part = text.slice(piece.begin, piece.end).str();
    out += (out.empty() ? "" : "|") + (piece.matched ? "[" + part + "]" : part);
  }
  return out;
}

TEST_CASE("pattern: alternatives and repetitions match as a backtracking matcher prefers") {
  CHECK(cut("a|ab", "abab") == "[a]|b|[a]|b");
  CHECK(cut("ab|a", "abaab") == "[ab]|[a]|[ab]");
  CHECK(cut("(?:a|ab)(?:c|bcd)", "abcd") == "[abcd]");
  CHECK(cut("a*b", "aaabaac") == "[aaab]|aac");
  CHECK(cut("a+", "baab") == "b|[aa]|b");
  CHECK(cut("a{2}", "aaaaa") == "[aa]|[aa]|a");
  CHECK(cut("a{2,3}", "aaaaa") == "[aaa]|[aa]");
  CHECK(cut("a{2,}b?", "aaabab") == "[aaab]|ab");
  CHECK(cut("(ab)+c?", "ababcab") == "[ababc]|[ab]");
  CHECK(cut(".b", "ab\nbb") == "[ab]|\n|[bb]");
  CHECK(Pattern::parse("a").cut("").empty());
}

TEST_CASE("pattern: sets, properties, looking ahead, both cases") {
  CHECK(cut(R"(\p{L}+)", "añb1中Ⅷ") == "[añb]|1|[中]|Ⅷ");
  CHECK(cut(R"([\p{Lu}\p{Nd}]+)", "ABc12½") == "[AB]|c|[12]|½");
  CHECK(cut(R"(\P{L}+)", "a12b") == "a|[12]|b");
  CHECK(cut(R"([^\s\p{L}]+)", "a, b!") == "a|[,]| b|[!]");
  CHECK(cut(R"([^\S\n]+)", " \n\t") == "[ ]|\n|[\t]");
  CHECK(cut(R"([a-c\-\]]+)", "a-]d") == "[a-]]|d");
  CHECK(cut("[一-龥]+", "a中文b") == "a|[中文]|b");
  CHECK(cut(R"(\s+(?!\S)|\s+)", "a   b  ") == "a|[  ]|[ ]|b|[  ]");
  CHECK(cut("a(?=b)", "abaab") == "[a]|ba|[a]|b");
  CHECK(cut("(?i:'s|k)", "'S's'\u017FKk\u212A") == "['S]|['s]|['\u017F]|[K]|[k]|[\u212A]");
}

std::string refusal(llvm::StringRef pattern) {
  try {
    Pattern::parse(pattern);
  } catch (const Error& error) {
    return error.diagnostics()[0].message;
  }
  return "taken";
}

TEST_CASE("pattern: other constructs are refused by name") {
  const std::pair<const char*, const char*> kCases[] = {
      {R"((a)\1)", "an escape that is not supported"},
      {"(?<=a)b", "'(?<=' is not supported"},
      {"(?>a)", "'(?>a' is not supported"},
      {"a(?!bc)", "looking ahead at more than one character"},
      {"a+?", "lazy and possessive"},
      {"a++", "lazy and possessive"},
      {"^a", "'^' is not supported here"},
      {"a$", "'$' is not supported here"},
      {"*a", "'*' is not supported here"},
      {R"(\w+)", "an escape that is not supported"},
      {R"(\p{Han})", "the property '\\p{Han}'"},
      {"[[:alpha:]]", "sets within sets"},
      {"[a-z&&[^b]]", "sets within sets"},
      {"[b-a]", "a range that does not go upwards"},
      {"[]", "an empty set"},
      {"[a", "it ends too early"},
      {"(a", "')' expected"},
      {"a)", "')' without '('"},
      {"", "it matches the empty text"},
      {"a*", "it matches the empty text"},
      {"a|", "it matches the empty text"},
      {"(?:a*)*b", "a repetition of what may be empty"},
      {"a{3,2}", "a repetition of fewer than none"},
      {"a{999}", "a count of at most 256"},
      {"(?:(?:a{256}){256}){256}", "it is too large"},
      {"(?i:é)", "(?i:) over other than ASCII"},
  };
  for (const auto& [pattern, part] : kCases) {
    const std::string told = refusal(pattern);
    CAPTURE(told);
    CHECK(told.find(part) != std::string::npos);
  }
  CHECK(refusal(std::string(100, '(')).find("nested too deeply") != std::string::npos);
  CHECK(refusal(std::string(9000, 'a')).find("longer than") != std::string::npos);
}

TEST_CASE("pattern: nested repetition takes linear time, and looking far ahead again and again is refused") {
  const auto began = std::chrono::steady_clock::now();
  CHECK(cut("(?:a+)+b|a+", std::string(100'000, 'a')) == "[" + std::string(100'000, 'a') + "]");
  CHECK_THROWS_WITH(cut("a*b|a", std::string(100'000, 'a')), doctest::Contains("looks too far ahead"));
  CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(20));
}

}  // namespace
}  // namespace tenon::tokenizer
