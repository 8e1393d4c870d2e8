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

TEST_CASE("what is not there yet, and what the cpu cannot do, ends with status 3") {
  for (const char* arguments : {"bench --ablate ", "check --meter ", "check --device cpu "}) {
    CAPTURE(arguments);
    const auto [text, status] = output_of(arguments + kModel);
    CHECK(status == 3);
    CHECK(text.substr(0, 7) == "error: ");
  }
}
