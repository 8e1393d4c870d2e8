// Processes that are killed, that race, that may not write: never a wrong kernel, and the next one is right and quick again.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/runtime/cache/stand_in.h"

using namespace tenon;
using namespace tenon::test;

namespace {

std::string printed(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

int count(const std::string& text, const std::string& word) {
  int found = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

/// A helper's task in this place.
Helper helper_in(const CacheFolder& place, const std::string& kernels) {
  Helper helper;
  helper.folder = place.folder.file("cache");
  helper.log = place.log();
  helper.kernels = kernels;
  return helper;
}

/// What must hold after whatever happened: two more processes get right kernels, the second compiles nothing, and nothing but
/// entries is left.
void check_recovered(const CacheFolder& place, const std::string& kernels, int count_of_kernels) {
  CHECK(run(helper_in(place, kernels)) == 0);
  const int compiled = times_compiled(place.log());
  CHECK(run(helper_in(place, kernels)) == 0);
  CHECK(times_compiled(place.log()) == compiled);
  CHECK(place.files(".kernel").size() == static_cast<size_t>(count_of_kernels));
}

}  // namespace

TEST_CASE("cache faults: killed at each step of saving, a process leaves nothing wrong") {
  int killed = 0;
  for (int step = 0; step < 14; ++step) {
    CAPTURE(step);
    CacheFolder place;
    Helper helper = helper_in(place, "a b");
    helper.kill_at = step;
    const int end = run(helper);
    CHECK((end == -SIGKILL || end == 0));
    killed += end == -SIGKILL;
    check_recovered(place, "a b", 2);
    // What the killed one left goes with the next save.
    helper = helper_in(place, "a b c");
    helper.stale_seconds = 0;
    CHECK(run(helper) == 0);
    CHECK(place.files("").size() == 3);
  }
  CHECK(killed == 12);  // six steps an entry; then there is nothing to be killed at
}

TEST_CASE("cache faults: killed at any moment, while others work, processes leave nothing wrong") {
  CacheFolder place;
  const std::string kernels = "a b c d e f";
  uint64_t random = 0x9e3779b97f4a7c15u;
  for (int round = 0; round < 40; ++round) {
    Helper helper = helper_in(place, kernels);
    helper.milliseconds = 1;
    const pid_t first = helper.start(), second = helper.start();
    random = random * 6364136223846793005u + 1442695040888963407u;
    usleep(static_cast<useconds_t>((random >> 33) % 40000));
    kill(first, SIGKILL);
    const int end = end_of(first);
    CHECK((end == -SIGKILL || end == 0));
    CHECK(end_of(second) == 0);
    if (round % 3 == 2) std::filesystem::remove_all(place.folder.path / "cache");
  }
  check_recovered(place, kernels, 6);
}

TEST_CASE("cache faults: of eight processes that race one compiles each kernel, and all get the right one") {
  for (int round = 0; round < 3; ++round) {
    CacheFolder place;
    std::string kernels;
    for (int i = 0; i < 12; ++i) kernels += "k" + std::to_string(i) + " ";
    Helper helper = helper_in(place, kernels);
    helper.milliseconds = 20;
    std::vector<pid_t> processes;
    for (int i = 0; i < 8; ++i) processes.push_back(helper.start());
    for (const pid_t process : processes) CHECK(end_of(process) == 0);
    for (int i = 0; i < 12; ++i) CHECK(times_compiled(place.log(), "k" + std::to_string(i) + ".cu") == 1);
    CHECK(place.files("").size() == 12);
  }
}

TEST_CASE("cache faults: when the builder dies another builds") {
  CacheFolder place;
  Helper builder = helper_in(place, "a");
  builder.milliseconds = 3000;
  const pid_t dying = builder.start();
  for (int i = 0; i < 1000 && times_compiled(place.log()) == 0; ++i) usleep(5000);
  REQUIRE(times_compiled(place.log()) == 1);
  const pid_t waiting = helper_in(place, "a").start();
  usleep(50000);
  kill(dying, SIGKILL);
  CHECK(end_of(dying) == -SIGKILL);
  CHECK(end_of(waiting) == 0);
  CHECK(times_compiled(place.log()) == 2);
  check_recovered(place, "a", 1);
}

TEST_CASE("cache faults: what a file may not hold is not saved; one warning, right kernels") {
  CacheFolder place;
  Helper helper = helper_in(place, "a b c");
  helper.file_limit = 5000;  // less than an entry
  helper.output = place.folder.file("printed");
  CHECK(run(helper) == 0);
  CHECK(count(printed(helper.output), "warning: compiled kernels are not kept") == 1);
  CHECK(place.files("").empty());
  check_recovered(place, "a b c", 3);
}

TEST_CASE("cache faults: a full file system costs the saving and one warning") {
  CacheFolder place;
  const std::string disk = place.folder.file("cache");
  std::filesystem::create_directory(disk);
  if (mount("tenon", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    MESSAGE("skipped: no right to mount a small file system");
    return;
  }
  Helper helper = helper_in(place, "a b c d e f g h");
  helper.output = place.folder.file("printed");
  CHECK(run(helper) == 0);
  CHECK(count(printed(helper.output), "warning: compiled kernels are not kept") == 1);
  CHECK(place.files(".tmp").empty());
  const size_t saved = place.files(".kernel").size();
  CHECK(saved >= 1);
  CHECK(saved < 8);
  CHECK(run(helper) == 0);
  CHECK(umount(disk.c_str()) == 0);
}

TEST_CASE("cache faults: a folder that may not be written still gives what it has") {
  CacheFolder place;
  chmod(place.folder.path.c_str(), 0777);
  std::ofstream(place.log()).flush();
  chmod(place.log().c_str(), 0666);
  Helper helper = helper_in(place, "a");
  helper.unprivileged = true;
  CHECK(run(helper) == 0);
  const std::string kernels = place.folder.file("cache/kernels");
  struct stat facts {};
  REQUIRE(stat(kernels.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0700);
  chmod(kernels.c_str(), 0500);
  helper.kernels = "a b";
  helper.output = place.folder.write("printed", "");
  chmod(helper.output.c_str(), 0666);
  for (int round = 1; round <= 2; ++round) {
    CHECK(run(helper) == 0);
    CHECK(count(printed(helper.output), "warning: compiled kernels are not kept") == round);
    CHECK(times_compiled(place.log(), "a.cu") == 1);
    CHECK(times_compiled(place.log(), "b.cu") == round);
  }
  chmod(kernels.c_str(), 0700);
  CHECK(place.files("").size() == 1);
}
