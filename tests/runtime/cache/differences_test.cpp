// Why a kernel is not in the cache, in words.
#include "runtime/cache/differences.h"

#include <doctest/doctest.h>

using namespace tenon;
using namespace tenon::cache;

namespace {

KeyParts some_parts() {
  return {"k.cu",
          "nvrtc 13.0",
          {"-arch=sm_80", "-lineinfo"},
          {{"a.cuh", digest_of("a")}, {"b.cuh", digest_of("b")}},
          "one\ntwo\nthree\n"};
}

/// The words of the one difference.
std::string only_difference(const KeyParts& wanted, Difference::Part part) {
  const auto found = differences(wanted, some_parts());
  REQUIRE(found.size() == 1);
  CHECK(found[0].part == part);
  return found[0].text;
}

StoredEntry stored(KeyParts parts) {
  StoredEntry entry;
  entry.entry.key = std::move(parts);
  return entry;
}

}  // namespace

TEST_CASE("equal parts have no difference") { CHECK(differences(some_parts(), some_parts()).empty()); }

TEST_CASE("the compiler that differs is named") {
  KeyParts wanted = some_parts();
  wanted.compiler = "nvrtc 13.1";
  CHECK(only_difference(wanted, Difference::kCompiler) == "nvrtc 13.1 instead of nvrtc 13.0");
}

TEST_CASE("options are told by what is there and what is not") {
  KeyParts wanted = some_parts();
  wanted.options[0] = "-arch=sm_90a";
  CHECK(only_difference(wanted, Difference::kOptions) == "-arch=sm_90a instead of -arch=sm_80");
  wanted.options = {"-arch=sm_80", "-lineinfo", "--minimal"};
  CHECK(only_difference(wanted, Difference::kOptions) == "--minimal added");
  wanted.options = {"-arch=sm_80"};
  CHECK(only_difference(wanted, Difference::kOptions) == "without -lineinfo");
  wanted.options = {"-lineinfo", "-arch=sm_80"};
  CHECK(only_difference(wanted, Difference::kOptions) == "the same in another order");
}

TEST_CASE("headers are told by name: changed, added, gone") {
  KeyParts wanted = some_parts();
  wanted.headers[0].digest = digest_of("other");
  wanted.headers[1].path = "c.cuh";
  CHECK(only_difference(wanted, Difference::kHeaders) == "a.cuh changed; c.cuh added; without b.cuh");
}

TEST_CASE("sources are told by the first line that differs") {
  KeyParts wanted = some_parts();
  wanted.source = "one\n  zwei\nthree\n";
  CHECK(only_difference(wanted, Difference::kSource) == "line 2: 'zwei' instead of 'two'");
  wanted.source = "one\nzwei\ndrei\n";
  CHECK(only_difference(wanted, Difference::kSource) == "line 2: 'zwei' instead of 'two', and 1 more");
  wanted.source = "one\ntwo\nthree\n\nfive";
  CHECK(only_difference(wanted, Difference::kSource) == "line 5: 'five' instead of nothing");
}

TEST_CASE("the nearest entry has the kernel's name and differs least; damaged ones do not count") {
  KeyParts wanted = some_parts(), far = some_parts(), near = some_parts(), stranger = some_parts();
  wanted.source = "new";
  far.source = "old", far.options = {"-arch=sm_90a"};
  near.source = "older";
  stranger.kernel = "l.cu", stranger.source = "new";
  std::vector<StoredEntry> entries = {stored(stranger), stored(far), stored(near), stored(near)};
  CHECK(nearest_entry(wanted, entries) == &entries[2]);
  entries[2].problem = "damaged";
  CHECK(nearest_entry(wanted, entries) == &entries[3]);
  CHECK(nearest_entry(wanted, llvm::ArrayRef(entries).take_front(1)) == nullptr);
}
