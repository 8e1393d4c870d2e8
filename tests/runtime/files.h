// files.h: temporary files of tests, and files built byte by byte.
#pragma once
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

namespace tenon::test {

/// A folder that lives as long as the object.
struct TemporaryFolder {
  std::filesystem::path path;
  TemporaryFolder() {
    static int count = 0;
    path = std::filesystem::temp_directory_path() /
           ("tenon-test-" + std::to_string(getpid()) + "-" + std::to_string(count++));
    std::filesystem::create_directory(path);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
  std::string file(const std::string& name) const { return (path / name).string(); }
  /// Writes `bytes` under `name` and gives the path.
  std::string write(const std::string& name, const std::string& bytes) const {
    std::ofstream(path / name, std::ios::binary) << bytes;
    return file(name);
  }
};

template <class T>
std::string bytes_of(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

/// A safetensors file of this header and data.
inline std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return bytes_of<uint64_t>({header.size()}) + header + data;
}

/// An npy file of this dictionary and data.
inline std::string npy_bytes(const std::string& dictionary, const std::string& data, int version = 1) {
  std::string bytes = std::string("\x93NUMPY") + static_cast<char>(version) + '\0';
  bytes += version == 1 ? bytes_of<uint16_t>({static_cast<uint16_t>(dictionary.size())})
                        : bytes_of<uint32_t>({static_cast<uint32_t>(dictionary.size())});
  return bytes + dictionary + data;
}

}  // namespace tenon::test
