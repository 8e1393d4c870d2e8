// lexer.cpp: cuts PTX text into tokens without copying any of it.
#include "runtime/emulator/ptx/lexer.h"

#include <array>
#include <cstring>

#include "ir/diagnostics.h"
#include "llvm/ADT/StringExtras.h"

namespace tenon::ptx {
namespace {

enum : uint8_t { kBlank = 1, kWordStart = 2, kWordPart = 4, kDigit = 8, kNumberPart = 16, kSignChar = 32 };

constexpr std::array<uint8_t, 256> make_classes() {
  std::array<uint8_t, 256> classes{};
  for (int c = 'a'; c <= 'z'; ++c) classes[c] = classes[c - 'a' + 'A'] = kWordStart | kWordPart | kNumberPart;
  for (int c = '0'; c <= '9'; ++c) classes[c] = kDigit | kWordPart | kNumberPart;
  for (unsigned char c : {'_', '$', '.'}) classes[c] = kWordStart | kWordPart;
  classes['%'] = kWordStart;
  for (unsigned char c : {' ', '\t', '\n', '\r'}) classes[c] = kBlank;
  for (unsigned char c :
       {'{', '}', '[', ']', '(', ')', '<', '>', ',', ';', ':', '@', '!', '+', '-', '|', '='})
    classes[c] = kSignChar;
  return classes;
}
constexpr std::array<uint8_t, 256> kClasses = make_classes();

bool is(char c, int classes) { return kClasses[static_cast<unsigned char>(c)] & classes; }

// Past the end of the word at `p`. "::" belongs to a word, a label's ":" does not.
const char* word_end(const char* p, const char* end) {
  for (++p; p < end; ++p)
    if (end - p > 2 && p[0] == ':' && p[1] == ':' && is(p[2], kWordPart))
      p += 1;
    else if (!is(*p, kWordPart))
      break;
  return p;
}

// Past the end of the number at `p`: a dot belongs to it before a digit, a sign after a decimal exponent.
const char* number_end(const char* p, const char* end) {
  const bool radix = end - p > 1 && p[0] == '0' && is(p[1], kWordStart);
  for (++p; p < end; ++p) {
    const bool fraction = *p == '.' && end - p > 1 && is(p[1], kDigit);
    const bool exponent =
        !radix && (*p == '+' || *p == '-') && (p[-1] | 32) == 'e' && end - p > 1 && is(p[1], kDigit);
    if (!is(*p, kNumberPart) && !fraction && !exponent) break;
  }
  return p;
}

// A literal without its sign; false where `text` is none.
bool read_literal(llvm::StringRef text, Number& number) {
  if (text.startswith_insensitive("0f") || text.startswith_insensitive("0d")) {
    const bool wide = (text[1] | 32) == 'd';
    number.kind = wide ? Number::kFloat64 : Number::kFloat32;
    return text.size() == (wide ? 18u : 10u) && !text.drop_front(2).getAsInteger(16, number.bits);
  }
  const bool decimal = !text.startswith_insensitive("0x");
  if (decimal && text.find_first_of(".eE") != llvm::StringRef::npos) {
    number.kind = Number::kFloat64;
    double value = 0;
    if (text.size() > 64 || text.getAsDouble(value, true)) return false;
    std::memcpy(&number.bits, &value, sizeof value);
    return true;
  }
  text.consume_back("U");
  return !text.getAsInteger(0, number.bits);
}

}  // namespace

std::string quoted(llvm::StringRef text) {
  constexpr size_t kMost = 60;
  return "'" + (text.size() > kMost ? text.take_front(kMost).str() + "..." : text.str()) + "'";
}

Lexer::Lexer(std::shared_ptr<const SourceFile> source)
    : source_(std::move(source)), at_(source_->text.data()), end_(at_ + source_->text.size()) {
  advance();
}

Token Lexer::take() {
  Token result = token_;
  advance();
  return result;
}

void Lexer::skip_blank() {
  for (; at_ < end_; ++at_) {
    if (is(*at_, kBlank)) {
      line_ += *at_ == '\n';
    } else if (end_ - at_ > 1 && at_[0] == '/' && at_[1] == '/') {
      const void* newline = std::memchr(at_, '\n', end_ - at_);
      at_ = newline ? static_cast<const char*>(newline) - 1 : end_ - 1;
    } else if (end_ - at_ > 1 && at_[0] == '/' && at_[1] == '*') {
      const Token begin{Token::kSign, {at_, 2}, line_};
      const size_t close = llvm::StringRef(at_ + 2, end_ - at_ - 2).find("*/");
      if (close == llvm::StringRef::npos) fail(begin, "this comment does not end");
      line_ += static_cast<int>(llvm::StringRef(at_, close + 2).count('\n'));
      at_ += close + 3;
    } else {
      return;
    }
  }
}

void Lexer::advance() {
  skip_blank();
  const char* begin = at_;
  token_ = {Token::kEnd, {begin, 0}, line_};
  if (at_ == end_) return;
  if (is(*begin, kWordStart)) {
    token_.kind = Token::kWord;
    at_ = word_end(begin, end_);
  } else if (is(*begin, kDigit)) {
    token_.kind = Token::kNumber;
    at_ = number_end(begin, end_);
  } else if (*begin == '"') {
    token_.kind = Token::kString;
    size_t length = llvm::StringRef(begin + 1, end_ - begin - 1).find_first_of("\"\n");
    if (length == llvm::StringRef::npos || begin[1 + length] == '\n')
      fail(token_, "this string does not end");
    token_.text = {begin + 1, length};
    at_ = begin + length + 2;
    return;
  } else {
    token_.kind = Token::kSign;
    ++at_;
  }
  token_.text = {begin, static_cast<size_t>(at_ - begin)};
  if (token_.kind == Token::kSign && !is(*begin, kSignChar)) {
    const auto code = static_cast<unsigned char>(*begin);
    fail(token_, "a byte that PTX has no use for here: 0x" + llvm::toHex(llvm::StringRef(begin, 1), true) +
                     (code > 0x20 && code < 0x7f ? std::string(", '") + *begin + "'" : ""));
  }
}

bool Lexer::accept(char sign) {
  const bool found = at(sign);
  if (found) advance();
  return found;
}

void Lexer::expect(char sign) {
  if (!accept(sign)) expected(std::string("'") + sign + "'");
}

Token Lexer::directive() {
  if (!at_directive()) expected("a directive");
  const size_t dot = token_.text.find('.', 1);
  if (dot == llvm::StringRef::npos) return take();
  Token head = token_;
  head.text = token_.text.take_front(dot);
  token_.text = token_.text.drop_front(dot);
  return head;
}

bool Lexer::accept_directive(llvm::StringRef name) {
  const bool found = at_directive() && token_.text.startswith(name) &&
                     (token_.text.size() == name.size() || token_.text[name.size()] == '.');
  if (found) directive();
  return found;
}

Token Lexer::name(const char* what) {
  if (token_.kind != Token::kWord || token_.text.contains('.') || token_.text.contains(':')) expected(what);
  return take();
}

std::string Lexer::string() {
  if (token_.kind != Token::kString) expected("a string");
  return take().text.str();
}

Number Lexer::number() {
  const bool negative = accept('-');
  if (token_.kind != Token::kNumber) expected("a number");
  const Token token = take();
  Number result;
  if (!read_literal(token.text, result))
    fail(token, quoted(token.text) + " is no number that fits 64 bits",
         "numbers are 12, 0x1f, 0b101, 0f and 8 hexadecimal digits, 0d and 16");
  if (!negative) return result;
  constexpr uint64_t kSignBit[] = {0, uint64_t{1} << 31, uint64_t{1} << 63};
  result.bits = result.kind == Number::kInteger ? 0 - result.bits : result.bits ^ kSignBit[result.kind];
  return result;
}

int64_t Lexer::integer(const char* what, int64_t least, int64_t most) {
  const Token token = token_;
  const bool negative = at('-');
  const Number found = number();
  const auto value = static_cast<int64_t>(found.bits);
  if (found.kind != Number::kInteger || (value < 0) != (negative && found.bits != 0) || value < least ||
      value > most)
    fail(token, std::string(what) + " must be an integer from " + std::to_string(least) + " to " +
                    std::to_string(most));
  return value;
}

void Lexer::fail(const Token& token, const std::string& message, const std::string& hint) const {
  const char* text = source_->text.data();
  const auto offset = static_cast<size_t>(token.text.data() - text);
  const size_t newline = llvm::StringRef(text, offset).rfind('\n');  // npos + 1 is 0: the first line
  const auto column = static_cast<int>(offset - (newline + 1)) + 1;
  throw Error(message, {source_, token.line, column, std::max(1, static_cast<int>(token.text.size()))}, hint);
}

void Lexer::expected(const std::string& what) const {
  fail(token_, "expected " + what + ", found " +
                   (token_.kind == Token::kEnd      ? "the end of the text"
                    : token_.kind == Token::kString ? "the string " + quoted(token_.text)
                                                    : quoted(token_.text)));
}

}  // namespace tenon::ptx
