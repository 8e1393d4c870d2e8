// Every file of the corpus through its target: what fuzzing once found, and what it starts from.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "tests/fuzz/targets.h"

namespace tenon::fuzz {
namespace {

std::vector<std::filesystem::path> files_of(const std::string& target) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(TENON_SOURCE_DIR "/tests/fuzz/corpus/" + target))
    files.push_back(entry.path());
  std::sort(files.begin(), files.end());  // directories have no order
  return files;
}

TEST_CASE("the corpus is read or refused as it should be, in no time") {
  for (const Target& target : targets()) {
    int taken = 0, refused = 0;
    for (const std::filesystem::path& path : files_of(target.name)) {
      std::ifstream file(path, std::ios::binary);
      const std::string bytes(std::istreambuf_iterator<char>(file), {});
      CAPTURE(path.string());
      bool accepted = false;
      const auto begin = std::chrono::steady_clock::now();
      CHECK(target.run(bytes, &accepted) == "");
      CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(10));
      ++(accepted ? taken : refused);
    }
    CAPTURE(target.name);
    CHECK(taken >= 3);  // seeds reach beyond the first check
    CHECK(refused >= 1);
  }
}

}  // namespace
}  // namespace tenon::fuzz
