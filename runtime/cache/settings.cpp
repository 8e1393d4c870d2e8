// settings.cpp: the environment's word on the kernel cache.
#include "runtime/cache/settings.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "llvm/ADT/StringRef.h"

namespace tenon::cache {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

void warn_once(const std::string& what) {
  static std::atomic<bool> warned{false};
  if (!warned.exchange(true)) std::fprintf(stderr, "warning: %s\n", what.c_str());
}

std::string folder_from_environment() {
  if (const std::string given = environment("TENON_CACHE_DIR"); !given.empty()) return given;
  // A relative path here is invalid by the specification of base directories.
  if (const std::string base = environment("XDG_CACHE_HOME"); !base.empty() && base.front() == '/')
    return base + "/tenon";
  const std::string home = environment("HOME");
  return home.empty() ? "" : home + "/.cache/tenon";
}

/// "500M": a count of bytes with a suffix K, M or G (powers of 1024); -1 for anything else.
int64_t parse_bytes(llvm::StringRef text) {
  int shift = 0;
  if (text.consume_back("K"))
    shift = 10;
  else if (text.consume_back("M"))
    shift = 20;
  else if (text.consume_back("G"))
    shift = 30;
  int64_t count = 0;
  return text.getAsInteger(10, count) || count < 0 || count > (INT64_MAX >> shift) ? -1 : count << shift;
}

}  // namespace

Settings settings_from_environment() {
  Settings settings;
  settings.warn = warn_once;
  settings.folder = folder_from_environment();
  if (const std::string given = environment("TENON_CACHE_MAX_BYTES"); !given.empty()) {
    const int64_t bytes = parse_bytes(given);
    if (bytes >= 0)
      settings.max_bytes = bytes;
    else
      warn_once("TENON_CACHE_MAX_BYTES is '" + given + "', not a count of bytes: taken as 1G");
  }
  return settings;
}

}  // namespace tenon::cache
