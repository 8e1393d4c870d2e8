// `tenon cache`: what is listed, verified, explained and cleared; a second compile takes all from the cache.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>

#include "ir/json.h"
#include "runtime/cuda/library_search.h"
#include "tests/runtime/files.h"

using namespace tenon;

namespace {

/// A cache of its own, and the program with it.
struct Cached {
  test::TemporaryFolder folder;
  std::string model = folder.write("m.toml", text(64));

  static std::string text(int rows) {
    return "tenon = 1\n[model]\nname = \"m\"\ndtype = \"f32\"\n[inputs]\nx = { shape = [" +
           std::to_string(rows) + ", 64] }\n[graph]\nbody = ['y = tanh(x) + x']\noutputs = [\"y\"]\n";
  }
  /// Standard output, or with `errors` standard error, and the exit status.
  std::pair<std::string, int> run(const std::string& words, const std::string& environment = "",
                                  bool errors = false) const {
    const std::string command = "TENON_CACHE_DIR=" + folder.file("cache") + " " + environment + " " +
                                TENON_PROGRAM + " " + words + (errors ? " 2>&1 >/dev/null" : " 2>/dev/null");
    FILE* pipe = popen(command.c_str(), "r");
    REQUIRE(pipe);
    std::string text;
    char piece[4096];
    while (const size_t count = fread(piece, 1, sizeof piece, pipe)) text.append(piece, count);
    return {text, pclose(pipe) >> 8};
  }
  json::Value json(const std::string& words) const {
    const auto [text, status] = run(words + " --json -q");
    CHECK(status == 0);
    return json::parse(text);
  }
  json::Value plain(const std::string& words) const {
    return json::parse(run("cache " + words + " --json").first);
  }
  int compile(const std::string& target = "sm_80") const {
    return run("compile " + model + " --target " + target + " -q -o " + folder.file("out")).second;
  }
};

bool absent() {
  const cuda::LibrarySearch search = cuda::find_nvrtc();
  if (!search.library) MESSAGE("skipped: " << search.summary());
  return !search.library;
}

}  // namespace

TEST_CASE("an empty cache has nothing to list, to verify, to clear, and none is made") {
  const Cached place;
  CHECK(place.plain("ls")["entries"].array()->empty());
  CHECK(place.plain("verify")["sound"].integer() == 0);
  CHECK(place.plain("clear")["removed"].integer() == 0);
  CHECK(!std::filesystem::exists(place.folder.path / "cache"));
  CHECK(place.run("cache").second == 2);
  CHECK(place.run("cache polish").second == 2);
}

TEST_CASE("what was compiled is listed, found again, explained, verified, cleared") {
  if (absent()) return;
  const Cached place;
  REQUIRE(place.compile() == 0);
  const json::Value listed = place.plain("ls");
  REQUIRE(listed["entries"].array()->size() == 1);
  const json::Value& entry = (*listed["entries"].array())[0];
  CHECK(*entry["arch"].string() == "sm_80");
  CHECK(*entry["kind"].string() == "cubin");
  CHECK(*entry["problem"].string() == "");
  CHECK(entry["bytes"].integer() == listed["bytes"].integer());
  CHECK(place.run("cache ls").first.find("1 kernel, ") != std::string::npos);

  const auto [text, status] =
      place.run("compile " + place.model + " --target sm_80 -o " + place.folder.file("out"));
  CHECK(status == 0);
  CHECK(text.find("saved by the cache") != std::string::npos);

  const json::Value hit = place.json("cache why " + place.model + " --target sm_80");
  REQUIRE(hit["kernels"].array()->size() == 1);
  CHECK(std::get<bool>((*hit["kernels"].array())[0]["hit"].held));
  CHECK(*(*hit["kernels"].array())[0]["key"].string() == *entry["key"].string());

  const std::string path = *listed["folder"].string() + "/" + *entry["key"].string() + ".kernel";
  CHECK(place.plain("verify")["sound"].integer() == 1);
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(5000), file.put('\xff'), file.close();
  const auto [complaint, damaged] = place.run("cache verify", "", true);
  CHECK(damaged == 1);
  CHECK(complaint.find("1 kernel was damaged and will be compiled again") != std::string::npos);
  CHECK(!std::filesystem::exists(path));
  CHECK(place.compile() == 0);
  CHECK(place.plain("clear")["removed"].integer() == 1);
  CHECK(place.plain("ls")["entries"].array()->empty());
}

TEST_CASE("a miss is explained by the part of the key that differs") {
  if (absent()) return;
  const Cached place;
  const auto only = [&](const std::string& words) {
    const json::Value answer = place.json("cache why " + place.model + " " + words);
    REQUIRE(answer["kernels"].array()->size() == 1);
    return (*answer["kernels"].array())[0];
  };
  CHECK(*only("--target sm_80")["nearest"].string() == "");
  REQUIRE(place.compile() == 0);
  const json::Value other = only("--device emulator:sm_80");
  REQUIRE(other["differences"].array()->size() == 1);
  CHECK(*(*other["differences"].array())[0]["part"].string() == "options");
  CHECK(*(*other["differences"].array())[0]["text"].string() ==
        "-arch=compute_80 instead of -arch=sm_80, -Xptxas=-v");
  place.folder.write("m.toml", Cached::text(128));
  const json::Value source = only("--target sm_80");
  CHECK(!std::get<bool>(source["hit"].held));
  REQUIRE(source["differences"].array()->size() == 1);
  CHECK(*(*source["differences"].array())[0]["part"].string() == "source");
  CHECK((*source["differences"].array())[0]["text"].string()->find("line ") == 0);
  CHECK(place.run("cache why " + place.model + " --target sm_80").first.find("source: line ") !=
        std::string::npos);
}

TEST_CASE("a cache that cannot be made costs one warning") {
  if (absent()) return;
  const Cached place;
  const auto [errors, status] =
      place.run("compile " + place.model + " --target sm_80 -q -o " + place.folder.file("out"),
                "TENON_CACHE_DIR=/proc/none", true);
  CHECK(status == 0);
  CHECK(errors.find("warning: compiled kernels are not kept: ") == 0);
  CHECK(std::count(errors.begin(), errors.end(), '\n') == 1);
}
