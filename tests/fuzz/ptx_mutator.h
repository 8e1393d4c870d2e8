// ptx_mutator.h: real PTX, damaged: what the fuzz tests of the emulator begin with.
#pragma once
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

namespace tenon::ptx {

inline const char* const kTokens[] = {"{",
                                      "}",
                                      "[",
                                      "]",
                                      "(",
                                      ")",
                                      "<",
                                      ">",
                                      ",",
                                      ";",
                                      ":",
                                      "::",
                                      "|",
                                      "!",
                                      "@",
                                      "+",
                                      "-",
                                      "=",
                                      "_",
                                      "\"",
                                      "/*",
                                      "*/",
                                      "//",
                                      "\n",
                                      "\\",
                                      "\xff",
                                      "%",
                                      "$",
                                      ".",
                                      ".reg .b32 %r<9>;",
                                      ".reg .pred p;",
                                      ".reg .b32 %r<4000000000>;",
                                      ".shared .b8 s[4294967296];",
                                      ".shared .b64 s[4][4][4][99999999];",
                                      ".align 0",
                                      ".loc 1 1 1",
                                      ", inlined_at 1 1 1",
                                      ", function_name $L__info_string0",
                                      "L: .branchtargets L, L;",
                                      "brx.idx %r1, L;",
                                      "L:",
                                      "bra L;",
                                      "call f;",
                                      "call (r), f, (a, b);",
                                      ".param .b32 r;",
                                      ".file 65535 \"f\"",
                                      ".section .debug_str {",
                                      ".entry k(",
                                      ".func f;",
                                      ".visible",
                                      ".extern",
                                      "generic(",
                                      "%tid.x",
                                      "%r0",
                                      "%r4294967296",
                                      "0",
                                      "-1",
                                      "18446744073709551616",
                                      "0f3f800000",
                                      "0d0",
                                      "1e999",
                                      "ret;",
                                      "mov.b64 {%r1, _}, %rd1;",
                                      "[%rd1+-8]",
                                      "[%rd1, {%r1}]",
                                      "p|q",
                                      "!p"};

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : random_(seed) {}
  size_t below(size_t n) { return n ? random_() % n : 0; }

  void mutate(std::string& text, const std::string& other) {
    const size_t at = below(text.size() + 1);
    const size_t length = below(std::min<size_t>(text.size() - at, 1 + below(60)) + 1);
    switch (below(9)) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, text.substr(at, length)); break;
      case 2: text.insert(at, kTokens[below(std::size(kTokens))]); break;
      case 3: text.replace(at, length, kTokens[below(std::size(kTokens))]); break;
      case 4: text.insert(at, other.substr(below(other.size()), below(200))); break;
      case 5:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 6: text.resize(at); break;
      case 7: swap_tokens(text); break;
      default: move_line(text);
    }
  }

 private:
  /// Where the token around `at` begins and ends.
  static std::pair<size_t, size_t> token(const std::string& text, size_t at) {
    constexpr const char* kBounds = " \t\n,;[]{}()|";
    const size_t before = text.find_last_of(kBounds, at),
                 begin = before == std::string::npos ? 0 : before + 1;
    return {begin, std::min(text.find_first_of(kBounds, begin), text.size())};
  }

  void swap_tokens(std::string& text) {
    auto [a, a_end] = token(text, below(text.size()));
    auto [b, b_end] = token(text, below(text.size()));
    if (a_end > b || a > b) return;
    const std::string first = text.substr(a, a_end - a), second = text.substr(b, b_end - b);
    text.replace(b, b_end - b, first);
    text.replace(a, a_end - a, second);
  }

  /// Cuts a line; sometimes it comes back elsewhere.
  void move_line(std::string& text) {
    const size_t begin = text.find('\n', below(text.size()));
    if (begin == std::string::npos) return;
    const size_t end = std::min(text.find('\n', begin + 1), text.size());
    const std::string line = text.substr(begin, end - begin);
    text.erase(begin, end - begin);
    if (below(2)) text.insert(std::min(text.find('\n', below(text.size())), text.size()), line);
  }

  std::mt19937_64 random_;
};

/// The modules of tests/data/ptx.
inline std::vector<std::string> seeds() {
  std::vector<std::string> result;
  for (const auto& entry : std::filesystem::directory_iterator(TENON_SOURCE_DIR "/tests/data/ptx")) {
    if (entry.path().extension() != ".ptx") continue;
    std::ifstream in(entry.path());
    result.push_back(std::string(std::istreambuf_iterator<char>(in), {}));
  }
  std::sort(result.begin(), result.end());  // directories have no order
  return result;
}

/// `piece` as often as it takes to have so many bytes; each # in it becomes the repetition's number.
inline std::string repeat(const std::string& piece, size_t bytes) {
  std::string text;
  for (size_t i = 0; text.size() < bytes; ++i) {
    text += piece;
    for (size_t at; (at = text.find('#', text.size() - piece.size())) != std::string::npos;)
      text.replace(at, 1, std::to_string(i));
  }
  return text;
}

}  // namespace tenon::ptx
