// printf.cpp: vprintf as device code calls it: the format is parsed here, whatever it says; nothing is read beyond what an
// allocation holds.
#include "runtime/emulator/instructions/printf.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>

#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

constexpr size_t kMaxText = 16 << 10;  // of a format, of a %s, of what one call prints
constexpr int kMaxField = 1000;        // of a width or a precision

/// Reads of one lane's memory on the way. Out of bounds: a finding, and nothing.
class Reader {
 public:
  Reader(Warp& warp, const Op& op, int lane) : access_{warp, op, lane, AccessKind::kRead} {}

  template <class T>
  std::optional<T> value(uint64_t address) const {
    const Accessed from = access_generic(access_, address, sizeof(T), alignof(T));
    if (!from) return std::nullopt;
    if (!from.initialised && report_poison(access_.warp, access_.op, 1u << access_.lane, "what is printed"))
      return std::nullopt;
    T value;
    std::memcpy(&value, from.bytes, sizeof value);
    return value;
  }

  /// Up to a zero byte.
  std::optional<std::string> text(uint64_t address) const {
    std::string text;
    while (text.size() < kMaxText) {
      const std::optional<char> c = value<char>(address + text.size());
      if (!c) return std::nullopt;
      if (*c == 0) break;
      text += *c;
    }
    return text;
  }

 private:
  Access access_;
};

/// One conversion of a format: "%-8.3f".
struct Conversion {
  std::string flags;
  int width = -1, precision = -1;
  bool width_given = false, precision_given = false;  ///< as arguments: '*'
  bool is_long = false;
  char letter = 0;
  size_t end = 0;  ///< behind it in the format
};

int parse_number(const std::string& format, size_t& at) {
  int number = 0;
  for (; at < format.size() && format[at] >= '0' && format[at] <= '9'; ++at)
    number = std::min(number * 10 + (format[at] - '0'), kMaxField);
  return number;
}

/// Of the text from the % at `at` on; nothing where it is no conversion.
std::optional<Conversion> parse_conversion(const std::string& format, size_t at) {
  Conversion c;
  ++at;
  auto next = [&] { return at < format.size() ? format[at] : '\0'; };
  for (; next() != 0 && std::strchr("-+ #0", next()); ++at)
    if (c.flags.find(next()) == std::string::npos) c.flags += next();
  if ((c.width_given = next() == '*'))
    ++at;
  else if (next() >= '1' && next() <= '9')
    c.width = parse_number(format, at);
  if (next() == '.') {
    ++at;
    if ((c.precision_given = next() == '*'))
      ++at;
    else
      c.precision = parse_number(format, at);
  }
  for (; next() != 0 && std::strchr("hlqLjzt", next()); ++at) c.is_long |= next() != 'h';
  c.letter = next();
  if (c.letter == 0 || !std::strchr("diouxXeEfFgGaAcsp", c.letter)) return std::nullopt;
  c.end = at + 1;
  return c;
}

/// The arguments of a call, packed: each at a multiple of its size.
class Arguments {
 public:
  Arguments(const Reader& reader, uint64_t address) : reader_(reader), address_(address) {}
  template <class T>
  std::optional<T> next() {
    offset_ = (offset_ + sizeof(T) - 1) / sizeof(T) * sizeof(T);
    const std::optional<T> value = reader_.value<T>(address_ + offset_);
    offset_ += sizeof(T);
    ++count_;
    return value;
  }
  const Reader& reader() const { return reader_; }
  int count() const { return count_; }

 private:
  const Reader& reader_;
  uint64_t address_, offset_ = 0;
  int count_ = 0;
};

template <class T>
std::string formatted(const Conversion& c, const char* length, T value) {
  const std::string spec = "%" + c.flags + "*.*" + length + c.letter;
  char text[2 * kMaxField + 512];  // %f of the largest double has 309 digits
  const int written =
      std::snprintf(text, sizeof text, spec.c_str(), std::max(c.width, 0), c.precision, value);
  return std::string(text, std::clamp<int>(written, 0, sizeof text - 1));
}

template <class Short, class Long>
std::optional<Long> integer(Arguments& arguments, bool is_long) {
  if (is_long) return arguments.next<Long>();
  const std::optional<Short> value = arguments.next<Short>();
  return value ? std::optional<Long>(*value) : std::nullopt;
}

/// The text of one conversion; nothing after a finding.
std::optional<std::string> convert(Conversion c, Arguments& arguments) {
  for (auto [given, field] : {std::pair{c.width_given, &c.width}, {c.precision_given, &c.precision}}) {
    if (!given) continue;
    const std::optional<int32_t> value = arguments.next<int32_t>();
    if (!value) return std::nullopt;
    if (field == &c.width && *value < 0) c.flags += '-';
    *field = std::clamp(field == &c.width ? std::abs(std::max(*value, -kMaxField)) : *value, -1, kMaxField);
  }
  switch (c.letter) {
    case 's': {
      const auto address = arguments.next<uint64_t>();
      const auto text = address ? arguments.reader().text(*address) : std::nullopt;
      if (!text) return std::nullopt;
      return formatted(c, "", text->substr(0, kMaxField).c_str());
    }
    case 'p': {
      const auto value = arguments.next<uint64_t>();
      if (!value) return std::nullopt;
      return formatted(c, "", reinterpret_cast<void*>(*value));
    }
    case 'c':
    case 'd':
    case 'i': {
      const auto value = integer<int32_t, int64_t>(arguments, c.is_long && c.letter != 'c');
      if (!value) return std::nullopt;
      if (c.letter == 'c') return formatted(c, "", static_cast<int>(*value));
      return formatted(c, "ll", static_cast<long long>(*value));
    }
    case 'o':
    case 'u':
    case 'x':
    case 'X': {
      const auto value = integer<uint32_t, uint64_t>(arguments, c.is_long);
      if (!value) return std::nullopt;
      return formatted(c, "ll", static_cast<unsigned long long>(*value));
    }
    default: {
      const auto value = arguments.next<double>();
      if (!value) return std::nullopt;
      return formatted(c, "", *value);
    }
  }
}

/// What a call prints. `printed` receives how many arguments it took, -1 after a finding.
std::string expand(const std::string& format, Arguments& arguments, int& printed) {
  std::string text;
  printed = -1;
  for (size_t at = 0; at < format.size() && text.size() < kMaxText;) {
    const bool doubled = format.compare(at, 2, "%%") == 0;
    if (format[at] != '%' || doubled) {
      text += format[at];
      at += doubled ? 2 : 1;
      continue;
    }
    const std::optional<Conversion> conversion = parse_conversion(format, at);
    if (!conversion) {  // as it stands, like the device does
      text += format[at++];
      continue;
    }
    const std::optional<std::string> converted = convert(*conversion, arguments);
    if (!converted) return text;
    text += *converted;
    at = conversion->end;
  }
  printed = arguments.count();
  return text;
}

std::optional<uint64_t> parameter(Warp& warp, int lane, int32_t offset) {
  const std::byte* at = warp.local(lane, static_cast<uint32_t>(offset), 8);
  if (!at) return std::nullopt;
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

void set_result(Warp& warp, int lane, int32_t offset, int32_t result) {
  if (offset < 0) return;
  std::byte* at = warp.local(lane, static_cast<uint32_t>(offset), 4);
  if (!at) return;
  std::memcpy(at, &result, sizeof result);
  std::fill_n(warp.local_marks(lane, static_cast<uint32_t>(offset), 4), 4, std::byte{1});
}

}  // namespace

Outcome run_vprintf(Warp& warp, const Op& op, LaneMask active) {
  std::string text;
  for (; active != 0; active &= active - 1) {
    const int lane = __builtin_ctz(active);
    const std::optional<uint64_t> format = parameter(warp, lane, op.words[0]);
    const std::optional<uint64_t> values = parameter(warp, lane, op.words[1]);
    if (!format || !values) continue;
    const Reader reader(warp, op, lane);
    Arguments arguments(reader, *values);
    const std::optional<std::string> held = reader.text(*format);
    int printed = -1;
    if (held) text += expand(*held, arguments, printed);
    set_result(warp, lane, op.words[2], printed);
  }
  const Options& options = warp.launch().options;
  if (options.print)
    options.print(text);
  else
    std::fwrite(text.data(), 1, text.size(), stdout);
  return Outcome::kNext;
}

}  // namespace tenon::emulator
