// Memory that stands for a device allocation: it ends (to within 16 bytes) at a page that faults, a page
// before it faults too, and the bytes between are checked for stray writes. Starts aligned to 16 bytes and no
// more; fresh memory is all ones: NaN as a float.
#pragma once
#include <cstddef>
#include <string>
#include <vector>

namespace tenon::host_cuda {

class DeviceBuffer {
 public:
  explicit DeviceBuffer(size_t bytes, std::string name = "buffer");
  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&&) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&&) = delete;

  unsigned char* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  size_t size() const { return size_; }

  // Where `address` lies if it is in or near a living buffer ("16 bytes past the end of x, 4096 bytes"), else
  // "".
  static std::string describe(const void* address);
  // Throws std::runtime_error if a living buffer's margin was written.
  static void check_margins();

 private:
  std::string name_;
  size_t size_, mapped_;
  unsigned char *map_, *data_;
};

// A buffer holding `values`.
template <class T>
DeviceBuffer device_copy(const std::vector<T>& values, std::string name = "buffer") {
  DeviceBuffer buffer(values.size() * sizeof(T), std::move(name));
  for (size_t i = 0; i < values.size(); ++i) buffer.as<T>()[i] = values[i];
  return buffer;
}

}  // namespace tenon::host_cuda
