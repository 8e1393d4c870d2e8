#include "runtime/output_file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ir/diagnostics.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

using test::TemporaryFolder;

void put(const std::string& path, const std::string& text) {
  write_output(path, [&](llvm::raw_ostream& out) { out << text; });
}

std::string text_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a file appears whole, and through a link") {
  TemporaryFolder folder;
  put(folder.file("a"), "first");
  put(folder.file("a"), "second");
  std::filesystem::create_symlink("a", folder.path / "link");
  put(folder.file("link"), "third");
  CHECK(std::filesystem::is_symlink(folder.path / "link"));
  CHECK(text_of(folder.file("a")) == "third");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path)) files += entry.exists();
  CHECK(files == 2);  // nothing left beside
}

TEST_CASE("a pipe is written to and stays a pipe") {
  TemporaryFolder folder;
  const std::string pipe = folder.file("pipe");
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  const int reader = open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  REQUIRE(reader >= 0);
  put(pipe, "text");
  char read_back[8] = {};
  CHECK(read(reader, read_back, sizeof read_back) == 4);
  CHECK(std::string(read_back) == "text");
  close(reader);
  CHECK(std::filesystem::is_fifo(pipe));
}

TEST_CASE("a device stays a device, and what it does not take is an error") {
  // By a link, so that a defect here spoils the link and not the machine's device.
  TemporaryFolder folder;
  std::filesystem::create_symlink("/dev/full", folder.path / "full");
  REQUIRE(std::filesystem::is_character_file("/dev/full"));
  try {
    put(folder.file("full"), "text");
    FAIL("a full device took something");
  } catch (const Error& error) {
    CHECK(error.status() == Status::kMachineCannot);
    CHECK(std::string(error.what()).find("No space left on device") != std::string::npos);
  }
  CHECK(std::filesystem::is_character_file("/dev/full"));
  CHECK(std::filesystem::is_symlink(folder.path / "full"));
  CHECK_THROWS_WITH_AS(put(folder.path.string(), ""), doctest::Contains("Is a directory"), Error);
  CHECK_THROWS_WITH_AS(put(folder.file("no/such"), ""), doctest::Contains("No such file"), Error);
}

}  // namespace
}  // namespace tenon
