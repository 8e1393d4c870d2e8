// A recursive-descent reader of bounded depth, and the writer's layout.
#include "ir/json.h"

#include <charconv>
#include <cmath>
#include <limits>

#include "ir/diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/ConvertUTF.h"

namespace tenon::json {
namespace {

constexpr int kMaxDepth = 64;

class Reader {
 public:
  explicit Reader(llvm::StringRef text) : text_(text) {}

  Value document() {
    Value value = read();
    blanks();
    if (at_ != text_.size()) fail("more than one value");
    return value;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw Error("no JSON: " + why + " at byte " + std::to_string(at_));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void blanks() {
    while (at_ < text_.size() && llvm::StringRef(" \t\r\n").contains(text_[at_])) ++at_;
  }
  bool take_after_blanks(char c) {
    blanks();
    return take(c);
  }

  Value read() {
    blanks();
    switch (peek()) {
      case '{': return {nested(&Reader::object)};
      case '[': return {nested(&Reader::array)};
      case '"': return {string()};
      case 't': return word("true", {true});
      case 'f': return word("false", {false});
      case 'n': return word("null", {nullptr});
      default: return number();
    }
  }

  template <class T>
  T nested(T (Reader::*read_it)()) {
    if (++depth_ > kMaxDepth) fail("nested too deeply");
    ++at_;
    T held = (this->*read_it)();
    --depth_;
    return held;
  }

  Object object() {
    Object members;
    llvm::StringSet<> keys;
    if (take_after_blanks('}')) return members;
    do {
      blanks();
      if (peek() != '"') fail("a key expected");
      std::string key = string();
      if (!keys.insert(key).second) fail("the name \"" + key + "\" stands twice");
      if (!take_after_blanks(':')) fail("':' expected");
      members.push_back({std::move(key), read()});
    } while (take_after_blanks(','));
    if (!take('}')) fail("',' or '}' expected");
    return members;
  }

  Array array() {
    Array values;
    if (take_after_blanks(']')) return values;
    do values.push_back(read());
    while (take_after_blanks(','));
    if (!take(']')) fail("',' or ']' expected");
    return values;
  }

  Value word(llvm::StringRef name, Value value) {
    if (!text_.substr(at_).startswith(name)) fail("a value expected");
    at_ += name.size();
    return value;
  }

  void digits() {
    if (!llvm::isDigit(peek())) fail(at_ < text_.size() ? "a value expected" : "the text ends too early");
    while (llvm::isDigit(peek())) ++at_;
  }

  Value number() {
    size_t begin = at_;
    take('-');
    if (!take('0')) digits();
    bool integral = true;
    if (take('.')) integral = false, digits();
    if (take('e') || take('E')) {
      integral = false;
      if (!take('+')) take('-');
      digits();
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    int64_t integer = 0;
    if (integral && std::from_chars(first, last, integer).ec == std::errc()) return {integer};
    double value = 0;
    auto [end, problem] = std::from_chars(first, last, value);
    if (problem != std::errc()) fail("a number out of range");
    return {value};
  }

  std::string string() {
    std::string held;
    for (++at_; !take('"');) {
      if (at_ >= text_.size()) fail("the text ends within a string");
      if (static_cast<unsigned char>(peek()) < 0x20) fail("a control character in a string");
      if (take('\\'))
        escape(held);
      else
        held += text_[at_++];
    }
    const auto* bytes = reinterpret_cast<const llvm::UTF8*>(held.data());
    if (!llvm::isLegalUTF8String(&bytes, bytes + held.size())) fail("a string that is no UTF-8");
    return held;
  }

  void escape(std::string& held) {
    constexpr llvm::StringLiteral kNames = "\"\\/bfnrt", kMeanings = "\"\\/\b\f\n\r\t";
    if (take('u')) {
      unicode(held);
    } else if (size_t index = kNames.find(peek()); at_ < text_.size() && index != llvm::StringRef::npos) {
      held += kMeanings[index];
      ++at_;
    } else {
      fail("an unknown escape");
    }
  }

  unsigned hex4() {
    unsigned code = 0;
    if (text_.substr(at_, 4).size() < 4 || text_.substr(at_, 4).getAsInteger(16, code))
      fail("four hexadecimal digits expected");
    at_ += 4;
    return code;
  }

  void unicode(std::string& held) {
    unsigned code = hex4();
    if (code >= 0xD800 && code < 0xDC00 && take('\\')) {
      if (!take('u')) fail("half of a surrogate pair");
      unsigned low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail("half of a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    char bytes[UNI_MAX_UTF8_BYTES_PER_CODE_POINT];
    char* end = bytes;
    if (!llvm::ConvertCodePointToUTF8(code, end)) fail("half of a surrogate pair");
    held.append(bytes, end);
  }

  llvm::StringRef text_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

std::optional<int64_t> Value::integer() const {
  const auto* integer = std::get_if<int64_t>(&held);
  return integer ? std::optional(*integer) : std::nullopt;
}

std::optional<double> Value::number() const {
  if (const auto* number = std::get_if<double>(&held)) return *number;
  if (auto whole = integer()) return static_cast<double>(*whole);
  return std::nullopt;
}

const Value& Value::operator[](llvm::StringRef key) const {
  static const Value kNull{};
  if (const Object* members = object())
    for (const Member& member : *members)
      if (member.key == key) return member.value;
  return kNull;
}

Value parse(llvm::StringRef text) { return Reader(text).document(); }

void Writer::nest(char open, Block entries, char close) {
  begin_value();
  out_ << open;
  ++depth_;
  first_ = true;
  entries();
  --depth_;
  if (!first_) new_line();
  first_ = false;
  out_ << close;
}

void Writer::key(llvm::StringRef name) {
  begin_value();
  text(name);
  out_ << (indent_ ? ": " : ":");
  after_key_ = true;
}

void Writer::begin_value() {
  if (!after_key_ && depth_ > 0) {
    if (!first_) out_ << ',';
    new_line();
  }
  first_ = after_key_ = false;
}

void Writer::new_line() {
  if (indent_) out_ << '\n', out_.indent(indent_ * depth_);
}

void Writer::text(llvm::StringRef held) {
  out_ << '"';
  while (!held.empty()) {
    const auto* begin = reinterpret_cast<const llvm::UTF8*>(held.data());
    unsigned length = llvm::getNumBytesForUTF8(*begin);
    unsigned char c = held.front();
    if (length > held.size() || !llvm::isLegalUTF8Sequence(begin, begin + length))
      out_ << "\xEF\xBF\xBD", length = 1;
    else if (c == '"' || c == '\\')
      out_ << '\\' << c;
    else if (c == '\n')
      out_ << "\\n";
    else if (c < 0x20)
      out_ << "\\u00" << llvm::hexdigit(c >> 4, true) << llvm::hexdigit(c & 15, true);
    else
      out_ << held.take_front(length);
    held = held.drop_front(length);
  }
  out_ << '"';
}

void Writer::number(double held) {
  if (!std::isfinite(held)) {
    out_ << "null";
    return;
  }
  if (held == 0 && std::signbit(held)) {  // -0 would be read as an integer, which has no such zero
    out_ << "-0.0";
    return;
  }
  char digits[32];  // the shortest text that reads back as the same double takes 24
  out_ << llvm::StringRef(digits, std::to_chars(digits, std::end(digits), held).ptr - digits);
}

}  // namespace tenon::json
