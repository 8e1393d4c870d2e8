// `tenon bench` and `tenon check` where there is no GPU: times of the cpu device; clear refusals.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <cstdio>
#include <string>

#include "ir/json.h"

using namespace tenon;

namespace {

std::pair<std::string, int> output_of(const std::string& arguments) {
  const std::string command = std::string(TENON_PROGRAM) + " " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  REQUIRE(pipe);
  std::string text;
  char piece[4096];
  while (const size_t count = fread(piece, 1, sizeof piece, pipe)) text.append(piece, count);
  return {text, WEXITSTATUS(pclose(pipe))};
}

const std::string kModel = std::string(TENON_SOURCE_DIR) + "/examples/models/ffn.toml --dim T=2 -q";

}  // namespace

TEST_CASE("bench times a run on the cpu") {
  const auto [text, status] = output_of("bench " + kModel + " --device cpu --json");
  CHECK(status == 0);
  const json::Value report = json::parse(text);
  CHECK(*report["run_us"].number() > 0);
  CHECK(report["dims"]["T"].integer() == 2);
  CHECK(report["kernels"].array()->empty());
}

TEST_CASE("explain tells the floor and both policies' paths, as text and as JSON") {
  const auto [text, status] = output_of("explain " + kModel + " --target h200 --json");
  CHECK(status == 0);
  const json::Value report = json::parse(text);
  const auto& paths = *report["paths"].array();
  REQUIRE(paths.size() == 3);
  CHECK(*paths[0]["name"].string() == "floor");
  CHECK(*paths[1]["name"].string() == "fused");
  CHECK(*paths[2]["name"].string() == "library");
  CHECK(*paths[0]["bytes"].number() == *paths[1]["bytes"].number());
  CHECK(*paths[0]["predicted_us"].number() < *paths[1]["predicted_us"].number());
  CHECK(!paths[0]["launches"].integer());
  CHECK(paths[1]["launches"].integer() == 2);
  CHECK(paths[2]["launches"].integer() == 2);
  CHECK(output_of("explain " + kModel + " --target h200").first.find("  floor ") != std::string::npos);
}

TEST_CASE("what is not there yet, and what the cpu cannot do, ends with status 3") {
  for (const char* arguments : {"bench --ablate ", "check --meter ", "check --device cpu "}) {
    CAPTURE(arguments);
    const auto [text, status] = output_of(arguments + kModel);
    CHECK(status == 3);
    CHECK(text.substr(0, 7) == "error: ");
  }
}
