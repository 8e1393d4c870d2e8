// DeviceBuffer: a mapping with faulting pages at both ends.
#include "tests/host_cuda/device_buffer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <stdexcept>

namespace tenon::host_cuda {
namespace {

constexpr size_t kPage = 4096;
constexpr unsigned char kFresh = 0xff;

std::vector<const DeviceBuffer*>& living() {
  static std::vector<const DeviceBuffer*> buffers;
  return buffers;
}

}  // namespace

DeviceBuffer::DeviceBuffer(size_t bytes, std::string name) : name_(std::move(name)), size_(bytes) {
  const size_t rounded = (bytes + 15) / 16 * 16, pages = (rounded + kPage - 1) / kPage;
  mapped_ = (pages + 2) * kPage;
  void* map = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (map == MAP_FAILED) throw std::runtime_error("no memory for a device buffer");
  map_ = static_cast<unsigned char*>(map);
  if (pages) {
    mprotect(map_ + kPage, pages * kPage, PROT_READ | PROT_WRITE);
    std::memset(map_ + kPage, kFresh, pages * kPage);
  }
  data_ = map_ + kPage + pages * kPage - rounded;
  living().push_back(this);
}

DeviceBuffer::DeviceBuffer(DeviceBuffer&& other) noexcept
    : name_(std::move(other.name_)),
      size_(other.size_),
      mapped_(other.mapped_),
      map_(other.map_),
      data_(other.data_) {
  other.map_ = nullptr;
  std::replace(living().begin(), living().end(), static_cast<const DeviceBuffer*>(&other),
               static_cast<const DeviceBuffer*>(this));
}

DeviceBuffer::~DeviceBuffer() {
  if (!map_) return;
  munmap(map_, mapped_);
  living().erase(std::find(living().begin(), living().end(), this));
}

std::string DeviceBuffer::describe(const void* address) {
  const auto* p = static_cast<const unsigned char*>(address);
  for (const DeviceBuffer* b : living()) {
    if (p < b->map_ || p >= b->map_ + b->mapped_) continue;
    const std::string what = b->name_ + " (" + std::to_string(b->size_) + " bytes)";
    if (p < b->data_) return std::to_string(b->data_ - p) + " bytes before " + what;
    if (p >= b->data_ + b->size_)
      return std::to_string(p - b->data_ - static_cast<ptrdiff_t>(b->size_)) + " bytes past the end of " +
             what;
    return "byte " + std::to_string(p - b->data_) + " of " + what;
  }
  return "";
}

void DeviceBuffer::check_margins() {
  for (const DeviceBuffer* b : living()) {
    const auto stray = [&](const unsigned char* from, const unsigned char* to) {
      const auto* p = std::find_if(from, to, [](unsigned char byte) { return byte != kFresh; });
      if (p != to) throw std::runtime_error("a kernel wrote " + describe(p));
    };
    stray(std::min(b->map_ + kPage, b->data_), b->data_);
    stray(b->data_ + b->size_, b->map_ + b->mapped_ - kPage);
  }
}

}  // namespace tenon::host_cuda
