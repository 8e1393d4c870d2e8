// `tenon doctor`: what is found and what is not, in JSON that reads back.
#include <doctest/doctest.h>

#include <cstdio>
#include <string>

#include "ir/json.h"

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
