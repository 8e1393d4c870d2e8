// Mutations of good tensor files, the same in every run: each is read or refused, never a crash or a read
// outside the file (sanitizers watch in their presets).
#include <doctest/doctest.h>

#include "tests/fuzz/targets.h"
#include "tests/runtime/files.h"

namespace tenon {
namespace {

/// xorshift: the same everywhere.
struct Random {
  uint64_t state = 0x9e3779b97f4a7c15u;
  uint64_t next(uint64_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
  }
};

/// A few of: a byte replaced, a digit replaced, a piece cut, doubled or swapped in from elsewhere, the end
/// cut.
std::string mutate(std::string bytes, Random& random) {
  for (uint64_t times = 1 + random.next(4); times > 0 && !bytes.empty(); --times) {
    size_t at = random.next(bytes.size()), length = 1 + random.next(8);
    switch (random.next(6)) {
      case 0: bytes[at] = static_cast<char>(random.next(256)); break;
      case 1: {
        size_t digit = bytes.find_first_of("0123456789", at);
        if (digit != std::string::npos) bytes[digit] = "0123456789-e."[random.next(13)];
        break;
      }
      case 2: bytes.erase(at, length); break;
      case 3: bytes.insert(at, bytes.substr(random.next(bytes.size()), length)); break;
      case 4: bytes[at] = "{}[]\",:'()"[random.next(10)]; break;
      default: bytes.resize(at); break;
    }
  }
  return bytes;
}

void mutate_many(const std::string& good, fuzz::Run run) {
  Random random;
  int taken = 0;
  for (int i = 0; i < 4000; ++i) {
    bool accepted = false;
    CAPTURE(i);
    REQUIRE(run(mutate(good, random), &accepted) == "");
    taken += accepted;
  }
  CHECK(taken < 2000);  // most mutations break something
  CHECK(taken > 20);    // and some do not, so the data is read too
}

TEST_CASE("mutated safetensors") {
  std::string header =
      R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"i":{"dtype":"I64","shape":[1],"data_offsets":[24,32]},"e":{"dtype":"BF16","shape":[0,9],"data_offsets":[32,32]}})";
  mutate_many(test::safetensors_bytes(header, std::string(32, 'x')), fuzz::safetensors);
}

TEST_CASE("mutated npy") {
  std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
  mutate_many(test::npy_bytes(dictionary, std::string(24, 'x')), fuzz::npy);
}

}  // namespace
}  // namespace tenon
