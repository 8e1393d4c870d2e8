// Normalisation form C over all characters, categories at their edges, UTF-8.
#include "runtime/tokenizer/unicode.h"

#include <doctest/doctest.h>

#include "runtime/tokenizer/unicode_tables.h"

namespace tenon::tokenizer {
namespace {

std::string utf8(const std::u32string& text) {
  std::string out;
  for (const char32_t code : text) append_utf8(out, code);
  return out;
}

TEST_CASE("unicode: marks are ordered and composed, excluded and blocked ones are not") {
  CHECK(nfc("plain") == "plain");
  CHECK(nfc(utf8(U"e\u0301")) == utf8(U"\u00E9"));
  CHECK(nfc(utf8(U"q\u0307\u0323")) == utf8(U"q\u0323\u0307"));
  CHECK(nfc(utf8(U"\u1E0A\u0323")) == utf8(U"\u1E0C\u0307"));
  CHECK(nfc(utf8(U"\u0344")) == utf8(U"\u0308\u0301"));
  CHECK(nfc(utf8(U"\u212B\u2126")) == utf8(U"\u00C5\u03A9"));
  CHECK(nfc(utf8(U"\u0958")) == utf8(U"\u0915\u093C"));
  CHECK(nfc(utf8(U"a\u05AE\u0300b")) == utf8(U"\u00E0\u05AEb"));
  CHECK(nfc(utf8(U"a\u0300\u0300")) == utf8(U"\u00E0\u0300"));
  CHECK(nfc(utf8(U"\u0B47\u0300\u0B3E")) == utf8(U"\u0B47\u0300\u0B3E"));
  CHECK(nfc(utf8(U"\u1112\u1161\u11AB\u1100\u1161\u11A7")) == utf8(U"\uD55C\uAC00\u11A7"));
  CHECK(nfc(utf8(U"\u0301e")) == utf8(U"\u0301e"));
}

// Python: "".join(unicodedata2.normalize("NFC", "a" + chr(c) + "\u0323\u0301") for c in all but surrogates), FNV-1a of its UTF-8.
TEST_CASE("unicode: every character is normalised as Unicode 16.0.0 says") {
  CHECK(std::string(kUnicodeVersion) == "16.0.0");
  uint64_t digest = 0xcbf29ce484222325;
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code < 0xE000) continue;
    for (const char byte : nfc(utf8({U'a', code, U'\u0323', U'\u0301'})))
      digest = (digest ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  CHECK(digest == 0x6f36cf8620ca6b28);
}

TEST_CASE("unicode: categories and white space") {
  CHECK(category_of('A') == Category::kUpper);
  CHECK(category_of(U'\u01C5') == Category::kTitle);
  CHECK(category_of(U'\u02B0') == Category::kModifier);
  CHECK(category_of(U'\u4E2D') == Category::kOtherLetter);
  CHECK(category_of(U'\u0301') == Category::kMark);
  CHECK(category_of(U'\u0663') == Category::kDigit);
  CHECK(category_of(U'\u2167') == Category::kOtherNumber);
  CHECK(category_of(0) == Category::kOther);
  CHECK(category_of(0x10FFFF) == Category::kOther);
  int spaces = 0;
  for (char32_t code = 0; code < 0x110000; ++code) spaces += is_space(code);
  CHECK(spaces == 25);
}

TEST_CASE("unicode: UTF-8 is read, and its first fault found") {
  CHECK(first_no_utf8("") == 0);
  CHECK(first_no_utf8("aé") == 3);
  CHECK(first_no_utf8("a\xC3") == 1);
  CHECK(first_no_utf8("ab\xC0\x80") == 2);
  CHECK(first_no_utf8("\xED\xA0\x80") == 0);
  for (const char32_t code : {U'a', U'\u07FF', U'\u0800', U'\uFFFD', U'\U00010000', U'\U0010FFFF'}) {
    CHECK(character_at(utf8({code}), 0).code == code);
    CHECK(character_at(utf8({code}), 0).bytes == utf8({code}).size());
  }
}

}  // namespace
}  // namespace tenon::tokenizer
