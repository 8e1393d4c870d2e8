// An entry's bytes: what is written is read back; what is damaged in any place is refused.
#include "runtime/cache/entry.h"

#include <doctest/doctest.h>

#include <cstring>

#include "ir/diagnostics.h"

using namespace tenon;
using namespace tenon::cache;

namespace {

Entry some_entry() {
  Entry entry;
  entry.key = {"k.cu",
               "nvrtc 13.0",
               {"-arch=sm_80", "-lineinfo"},
               {{"templates/a.cuh", digest_of("a")}},
               "line 1\nline 2\n"};
  entry.milliseconds = 31.25;
  entry.cubin = std::string(
      "\x7f"
      "ELF\0\1",
      6);
  entry.log = "Used 7 registers";
  entry.ptx = ".version 9.0";
  return entry;
}

void set_number(std::string& bytes, size_t at, uint64_t number) {
  std::memcpy(bytes.data() + at, &number, 8);
}

}  // namespace

TEST_CASE("an entry reads back as it was written") {
  const Entry entry = some_entry(), read = parse_entry(entry_bytes(entry));
  CHECK(key_of(read.key) == key_of(entry.key));
  CHECK(read.key.kernel == "k.cu");
  CHECK(read.key.options == entry.key.options);
  CHECK(read.key.headers == entry.key.headers);
  CHECK(read.key.source == "line 1\nline 2\n");
  CHECK(read.milliseconds == 31.25);
  CHECK(read.refusal.empty());
  CHECK(read.cubin == entry.cubin);
  CHECK(read.log == entry.log);
  CHECK(read.ptx == entry.ptx);
}

TEST_CASE("sections that are no entry's are sealed and refused") {
  CHECK_THROWS_WITH_AS(parse_entry(sealed("", "", "")), doctest::Contains("a field leaves its section"),
                       Error);
  CHECK_THROWS_AS(parse_entry(sealed(std::string(200, '\0') + "x", "", "")), Error);
}

TEST_CASE("a refusal reads back too") {
  Entry entry = some_entry();
  entry.refusal = "k.cu(1): error: no";
  entry.cubin = entry.ptx = entry.log = "";
  CHECK(parse_entry(entry_bytes(entry)).refusal == entry.refusal);
}

TEST_CASE("each flipped bit is noticed") {
  const std::string good = entry_bytes(some_entry());
  for (size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      CAPTURE(at);
      CAPTURE(bit);
      CHECK_THROWS_AS(parse_entry(bad), Error);
    }
}

TEST_CASE("each shorter and each longer entry is noticed") {
  const std::string good = entry_bytes(some_entry());
  for (size_t size = 0; size < good.size(); ++size) CHECK_THROWS_AS(parse_entry(good.substr(0, size)), Error);
  CHECK_THROWS_WITH_AS(parse_entry(good + "x"), doctest::Contains("longer than its sizes say"), Error);
}

TEST_CASE("sizes of 2^63 and more allocate nothing") {
  for (const uint64_t size : {uint64_t{1} << 63, ~uint64_t{0}, uint64_t{1} << 40})
    for (const size_t at : {8, 16, 24}) {
      std::string bad = entry_bytes(some_entry());
      set_number(bad, at, size);
      CHECK_THROWS_WITH_AS(parse_entry(bad), doctest::Contains("sizes are wrong"), Error);
    }
}

TEST_CASE("lengths and counts that leave their section are noticed, also under a digest that fits") {
  const std::string good = entry_bytes(some_entry());
  const Prelude prelude = parse_prelude(good, good.size());
  const auto with_head = [&](size_t at, uint64_t number) {
    std::string bad = good;
    set_number(bad, kPreludeBytes + at, number);
    const Digest digest = digest_of(llvm::StringRef(bad).substr(kPreludeBytes, prelude.head_bytes));
    std::memcpy(bad.data() + 32, digest.data(), digest.size());
    return bad;
  };
  CHECK_THROWS_WITH_AS(parse_entry(with_head(0, 1000)), doctest::Contains("a field leaves its section"),
                       Error);
  CHECK_THROWS_WITH_AS(parse_entry(with_head(0, ~uint64_t{0})),
                       doctest::Contains("a field leaves its section"), Error);
  const size_t options = 8 + 4 + 8 + 10;  // behind kernel and compiler
  CHECK_THROWS_WITH_AS(parse_entry(with_head(options, uint64_t{1} << 61)),
                       doctest::Contains("a count leaves"), Error);
  CHECK_THROWS_AS(parse_entry(with_head(options, 1)), Error);
}

TEST_CASE("an entry of another schema is refused as such") {
  std::string bad = entry_bytes(some_entry());
  bad[7] = 2;
  CHECK_THROWS_WITH_AS(parse_entry(bad), doctest::Contains("another format or version"), Error);
}
