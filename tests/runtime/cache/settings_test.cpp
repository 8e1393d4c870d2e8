// Where the cache is and how large it may be, by the environment.
#include "runtime/cache/settings.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <map>
#include <optional>
#include <string>

using namespace tenon::cache;

namespace {

/// The environment's variables as given while it lives; "" unsets.
class Environment {
 public:
  explicit Environment(const std::map<std::string, std::string>& variables) {
    for (const auto& [name, value] : variables) {
      const char* old = std::getenv(name.c_str());
      before_[name] = old ? std::optional<std::string>(old) : std::nullopt;
      set(name, value.empty() ? std::nullopt : std::optional(value));
    }
  }
  ~Environment() {
    for (const auto& [name, value] : before_) set(name, value);
  }

 private:
  static void set(const std::string& name, const std::optional<std::string>& value) {
    value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
  }
  std::map<std::string, std::optional<std::string>> before_;
};

int64_t bytes_of(const std::string& text) {
  const Environment environment({{"TENON_CACHE_MAX_BYTES", text}});
  return settings_from_environment().max_bytes;
}

}  // namespace

TEST_CASE("the cache's folder: named, of the base directory, of the home directory, none") {
  const auto folder = [](const std::string& named, const std::string& base, const std::string& home) {
    const Environment environment({{"TENON_CACHE_DIR", named}, {"XDG_CACHE_HOME", base}, {"HOME", home}});
    return settings_from_environment().folder;
  };
  CHECK(folder("/a", "/b", "/c") == "/a");
  CHECK(folder("", "/b", "/c") == "/b/tenon");
  CHECK(folder("", "relative", "/c") == "/c/.cache/tenon");
  CHECK(folder("", "", "/c") == "/c/.cache/tenon");
  CHECK(folder("", "", "") == "");
}

TEST_CASE("the cache's size takes suffixes; what is no size leaves the default") {
  CHECK(bytes_of("") == int64_t{1} << 30);
  CHECK(bytes_of("0") == 0);
  CHECK(bytes_of("12345") == 12345);
  CHECK(bytes_of("3K") == 3 << 10);
  CHECK(bytes_of("500M") == int64_t{500} << 20);
  CHECK(bytes_of("2G") == int64_t{2} << 30);
  for (const char* wrong : {"-1", "1T", "G", "many", "99999999999G", "1.5G"})
    CHECK(bytes_of(wrong) == int64_t{1} << 30);
}
