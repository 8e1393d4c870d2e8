// quantity.cpp: three significant digits and a unit.
#include "passes/quantity.h"

#include <cstdarg>
#include <cstdio>

namespace tenon {
namespace {

std::string tell(double value, const char* unit, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f %s", digits, value, unit);
  return text;
}

std::string tell_metric(double count, const char* unit) {
  static const char* const kPrefixes[] = {"", "k", "M", "G", "T", "P"};
  int prefix = 0;
  for (; count >= 1000 && prefix < 5; ++prefix) count /= 1000;
  return tell(count, (kPrefixes[prefix] + std::string(unit)).c_str(), prefix == 0 || count >= 100 ? 0 : 1);
}

}  // namespace

std::string format(const char* pattern, ...) {
  va_list arguments;
  va_start(arguments, pattern);
  char text[512];
  std::vsnprintf(text, sizeof text, pattern, arguments);
  va_end(arguments);
  return text;
}

std::string tell_us(double us) {
  if (us >= 1e6) return tell(us / 1e6, "s", 2);
  if (us >= 1000) return tell(us / 1000, "ms", 2);
  return tell(us, "us", us < 10 ? 2 : us < 100 ? 1 : 0);
}

std::string tell_bytes(double count) { return tell_metric(count, "B"); }
std::string tell_flops(double count) { return tell_metric(count, "FLOP"); }

std::string tell_count(int64_t count, const char* one, const char* many) {
  return std::to_string(count) + " " + (count == 1 ? one : many);
}

}  // namespace tenon
