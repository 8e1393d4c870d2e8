// `tenon doctor`: what is found and what is not, in JSON that reads back.
#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include "ir/json.h"
#include "tests/runtime/files.h"

using namespace tenon;

namespace {

// Standard output and exit status of the program.
std::pair<std::string, int> output_of(const std::string& command) {
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::string text;
  char piece[4096];
  while (const size_t count = fread(piece, 1, sizeof piece, pipe)) text.append(piece, count);
  return {text, pclose(pipe) >> 8};
}

}  // namespace

TEST_CASE("doctor names each library, found or with the places looked at, and the devices") {
  const auto [text, status] = output_of(std::string(TENON_PROGRAM) + " doctor --json");
  CHECK(status == 0);
  const json::Value report = json::parse(text);
  CHECK(report["tenon"].integer() == 1);
  for (const char* library : {"driver", "nvrtc", "cublaslt"}) {
    const json::Value& finding = report[library];
    const bool found = std::get<bool>(finding["found"].held);
    CHECK(finding["path"].string()->empty() == !found);
    CHECK(!finding["looked_at"].array()->empty());
    if (!found) CHECK(!finding["cost"].string()->empty());
  }
  CHECK(*(*report["devices"].array())[0].string() == "cpu");
}

TEST_CASE("doctor speaks to people without an environment too") {
  const auto [text, status] = output_of(std::string("env -i HOME=/nonexistent ") + TENON_PROGRAM + " doctor");
  CHECK(status == 0);
  CHECK(text.find("driver") == 0);
  CHECK(text.find("devices   cpu") != std::string::npos);
}

TEST_CASE("doctor tells of the kernel cache, and makes none") {
  const test::TemporaryFolder folder;
  const auto cache = [&](const std::string& environment) {
    return json::parse(
        output_of("env " + environment + " " + TENON_PROGRAM + " doctor --json").first)["cache"];
  };
  const std::string named = "TENON_CACHE_DIR=" + folder.file("cache");
  const json::Value none = cache(named);
  CHECK(*none["folder"].string() == folder.file("cache"));
  CHECK(!std::get<bool>(none["found"].held));
  CHECK(*none["problem"].string() == "");
  CHECK(!std::filesystem::exists(folder.file("cache")));
  CHECK(*cache(named + " TENON_CACHE_MAX_BYTES=0")["problem"].string() ==
        "switched off by TENON_CACHE_MAX_BYTES");
  CHECK(*cache("-u TENON_CACHE_DIR -u XDG_CACHE_HOME -u HOME")["problem"].string() ==
        "no place: set TENON_CACHE_DIR");
  CHECK(*cache("TENON_CACHE_DIR=" + folder.write("file", "") + "/x")["problem"].string() == "cannot be made");
  std::filesystem::create_directories(folder.file("cache/kernels"));
  folder.write("cache/kernels/x.kernel", "12345");
  const json::Value some = cache(named);
  CHECK(std::get<bool>(some["found"].held));
  CHECK(some["entries"].integer() == 1);
  CHECK(some["bytes"].integer() == 5);
}
