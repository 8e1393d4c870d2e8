// Kernels with one bug each (tests/planted): `tenon emulate` finds it, at its line; with -DFIXED it finds nothing.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <filesystem>

#include "ir/json.h"
#include "runtime/cuda/library_search.h"
#include "tests/runtime/files.h"

using namespace tenon;

namespace {

namespace fs = std::filesystem;

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A kernel's file says how to run it, what is found, at which line, and which others the finding's notes name.
struct Planted {
  std::string path, name, flags, finds;
  int reported = 0;
  std::vector<int> noted;
};

Planted read_planted(const fs::path& path) {
  Planted planted{path.string(), path.filename().string(), "", "", 0, {}};
  std::ifstream file(path);
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    if (line.rfind("// run: ", 0) == 0) planted.flags = line.substr(8);
    if (line.rfind("// finds: ", 0) == 0) planted.finds = line.substr(10);
    if (line.find("// reported") != std::string::npos) planted.reported = number;
    if (line.find("// noted") != std::string::npos) planted.noted.push_back(number);
  }
  return planted;
}

struct Outcome {
  int status;
  std::string err;
  json::Value document;
};

Outcome emulate(const test::TemporaryFolder& folder, const Planted& planted, const std::string& more) {
  const std::string report = folder.file("report.json"), err = folder.file("stderr");
  fs::remove(report);
  const std::string command = std::string(TENON_PROGRAM) + " emulate " + planted.path + " " + planted.flags +
                              " " + more + " --json " + report + " 2>" + err;
  const int code = std::system(command.c_str());
  return {WEXITSTATUS(code), text_of(err), fs::exists(report) ? json::parse(text_of(report)) : json::Value()};
}

/// Whether one of the places where the finding was inlined is a line of the kernel's file.
bool names_line(const json::Value& finding, const Planted& planted, int line) {
  const std::string place = planted.name + ":" + std::to_string(line);
  for (const json::Value& source : *finding["source"].array()) {
    const std::string& text = *source.string();
    const size_t at = text.find(place), end = at + place.size();
    if (at != std::string::npos && (end == text.size() || text[end] == ' ')) return true;
  }
  return false;
}

std::vector<Planted> all_planted() {
  std::vector<Planted> all;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(fs::path(TENON_SOURCE_DIR) / "tests/planted"))
    if (entry.path().extension() == ".cu") all.push_back(read_planted(entry.path()));
  std::sort(all.begin(), all.end(), [](const Planted& a, const Planted& b) { return a.name < b.name; });
  return all;
}

TEST_CASE("emulate finds planted bugs at their lines, and nothing where they are fixed") {
  if (!cuda::find_nvrtc().library) {
    MESSAGE("SKIPPED: NVRTC is not installed");
    return;
  }
  test::TemporaryFolder folder;
  const std::vector<Planted> all = all_planted();
  CHECK(all.size() >= 11);
  for (const Planted& planted : all) {
    CAPTURE(planted.name);
    const std::string good = folder.file("good.safetensors");
    const Outcome fixed = emulate(folder, planted, "--define FIXED --outputs " + good);
    CHECK(fixed.err == "");
    CHECK(fixed.status == 0);
    const Outcome run = emulate(folder, planted, planted.finds == "nothing" ? "--expect " + good : "");
    CAPTURE(run.err);
    CHECK(run.status == 1);
    if (planted.finds == "nothing") {  // wrong values alone
      CHECK(run.document["findings"].array()->empty());
      CHECK(run.document["differences"].string()->rfind("arg1: 512 of 1024", 0) == 0);
      CHECK(run.err.find("outputs are not as expected") != std::string::npos);
      continue;
    }
    REQUIRE(planted.reported > 0);
    bool found = false;
    for (const json::Value& finding : *run.document["findings"].array())
      found |= *finding["kind"].string() == planted.finds && names_line(finding, planted, planted.reported);
    CHECK(found);
    for (int line : planted.noted)
      CHECK(run.err.find(planted.name + ":" + std::to_string(line)) != std::string::npos);
  }
}

TEST_CASE("emulate compares outputs with files") {
  if (!cuda::find_nvrtc().library) return;
  test::TemporaryFolder folder;
  const Planted planted = read_planted(fs::path(TENON_SOURCE_DIR) / "tests/planted/wrong_swizzle.cu");
  const std::string good = folder.file("good.safetensors");
  REQUIRE(emulate(folder, planted, "--define FIXED --outputs " + good).status == 0);
  const std::string err = emulate(folder, planted, "--expect " + good).err;
  CHECK(err.find("error: outputs are not as expected\narg1: 512 of 1024 elements are not as " + good +
                 " has them; the largest difference is 0.125\n") != std::string::npos);
  CHECK(err.find("  [0, 4] is 144, expected 128\n") != std::string::npos);
  CHECK(emulate(folder, planted, "--expect " + good + ":0.125").status == 0);
  CHECK(emulate(folder, planted, "--expect " + good + ":0.12").status == 1);
  const auto refused = [&](const std::string& expect, const std::string& why) {
    const Outcome run = emulate(folder, planted, "--expect " + expect);
    CAPTURE(run.err);
    CHECK(run.status == 2);
    CHECK(run.err.find(why) != std::string::npos);
  };
  refused("arg1", "it takes NAME=F.npy[:TOLERANCE] or F.safetensors[:TOLERANCE]");
  refused(good + ":-1", "a tolerance is 0 or more");
  refused("arg1=" + folder.file("absent.npy"), "absent.npy");
  // NumPy's format 1.0: f32[2], zeros.
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
  header.resize(117, ' ');
  const std::string npy = folder.write(
      "two.npy", std::string("\x93NUMPY\x01\x00\x76\x00", 10) + header + "\n" + std::string(8, '\0'));
  refused("arg1=" + npy, "the output arg1 is f32[32, 32], the file has f32[2]");
  refused("y=" + npy, "no output 'y'");
}

}  // namespace
