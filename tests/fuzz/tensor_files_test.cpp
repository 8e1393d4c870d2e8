// Mutations of good tensor files, the same in every run: each is read or refused, never a crash or a read
// outside the file (sanitizers watch in their presets).
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "runtime/npy.h"
#include "runtime/safetensors.h"
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

/// Reads every byte that the tensors claim to have.
int64_t touch(const FileTensor& tensor) {
  int64_t sum = 0;
  for (int64_t i = 0; i < tensor.elements() * size_of(tensor.type); ++i)
    sum += std::to_integer<int>(tensor.data[i]);
  return sum;
}

template <class Read>
void mutate_many(const std::string& good, const char* name, Read read) {
  test::TemporaryFolder folder;
  Random random;
  int accepted = 0, refused = 0;
  for (int i = 0; i < 4000; ++i) {
    std::string path = folder.write(name, mutate(good, random));
    try {
      read(path);
      ++accepted;
    } catch (const Error&) {
      ++refused;
    }
  }
  CHECK(refused > 2000);  // most mutations break something
  CHECK(accepted > 20);   // and some do not, so the data is read too
}

TEST_CASE("mutated safetensors") {
  std::string header =
      R"({"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"i":{"dtype":"I64","shape":[1],"data_offsets":[24,32]},"e":{"dtype":"BF16","shape":[0,9],"data_offsets":[32,32]}})";
  mutate_many(test::safetensors_bytes(header, std::string(32, 'x')), "m.safetensors",
              [](const std::string& path) {
                for (const auto& [name, tensor] : read_safetensors(path)) touch(tensor);
              });
}

TEST_CASE("mutated npy") {
  std::string dictionary = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
  mutate_many(test::npy_bytes(dictionary, std::string(24, 'x')), "m.npy",
              [](const std::string& path) { touch(read_npy(path)); });
}

}  // namespace
}  // namespace tenon
