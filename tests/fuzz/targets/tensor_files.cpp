// Files of tensors: each is refused, or every byte that its tensors claim is there and they convert.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "runtime/npy.h"
#include "runtime/safetensors.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/targets/verdict.h"

namespace tenon::fuzz {
namespace {

/// A file of these bytes that no disk sees.
class MemoryFile {
 public:
  explicit MemoryFile(llvm::StringRef bytes) : file_(memfd_create("fuzz", MFD_CLOEXEC)) {
    if (file_ < 0 || write(file_, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      std::abort();
  }
  ~MemoryFile() { close(file_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  std::string path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

/// Reads all bytes, and converts to the types of models.
void use(const FileTensor& tensor) {
  const int64_t bytes = tensor.elements() * size_of(tensor.type);
  volatile int64_t sum =
      std::accumulate(tensor.data, tensor.data + bytes, int64_t{0},
                      [](int64_t all, std::byte b) { return all + std::to_integer<int>(b); });
  (void)sum;
  for (const DType type : {DType::kF32, DType::kBF16, DType::kI32, DType::kBool}) {
    try {
      to_declared(tensor, {type, Shape(tensor.shape.begin(), tensor.shape.end())}, nullptr);
    } catch (const Error&) {  // not all types convert
    }
  }
}

/// A folder with the shard m.safetensors, which holds a and b, and with whatever index was written last.
struct Shards {
  std::string path;
  Shards() {
    path = (std::filesystem::temp_directory_path() / ("tenon-fuzz-" + std::to_string(getpid()))).string();
    std::filesystem::create_directory(path);
    const Tensor one = Tensor::of({DType::kF32, {1}}, {1});
    write_safetensors(path + "/m.safetensors", {{"a", one}, {"b", one}});
  }
  ~Shards() { std::filesystem::remove_all(path); }
};

}  // namespace

std::string safetensors(llvm::StringRef bytes, bool* accepted) {
  return verdict(/*located=*/false, accepted, [&] {
    const MemoryFile file(bytes);
    for (const auto& [name, tensor] : read_safetensors(file.path())) use(tensor);
    return "";
  });
}

std::string safetensors_index(llvm::StringRef bytes, bool* accepted) {
  static const Shards shards;
  return verdict(/*located=*/false, accepted, [&]() -> std::string {
    const std::string index = shards.path + "/m.safetensors.index.json";
    std::ofstream(index, std::ios::binary) << bytes.str();
    for (const auto& [name, tensor] : read_safetensors(index))
      if (tensor.path != shards.path + "/m.safetensors") return "read " + tensor.path;
    return "";
  });
}

std::string npy(llvm::StringRef bytes, bool* accepted) {
  return verdict(/*located=*/false, accepted, [&] {
    const MemoryFile file(bytes);
    use(read_npy(file.path()));
    return "";
  });
}

}  // namespace tenon::fuzz
