// global_memory.cpp: where allocations lie, what may be copied, and words for addresses that nothing holds.
#include "runtime/emulator/machine/global_memory.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "ir/diagnostics.h"
#include "llvm/ADT/StringExtras.h"

namespace tenon::emulator {
namespace {

// High enough that a kernel which keeps half of a pointer is found out.
constexpr uint64_t kFirstAddress = 0x7f00'0000'0000ull;
constexpr uint64_t kLastAddress = 0x7000'0000'0000'0000ull;
constexpr int64_t kMostBytes = int64_t{1} << 39;  // of one allocation: more than any card has
constexpr uint64_t kAlignment = 512, kRedZone = 256;
constexpr uint64_t kNullPage = 64 << 10;    // addresses below come of null pointers
constexpr uint64_t kFarBytes = 1ull << 30;  // beyond it nothing is said to be near
constexpr size_t kQuarantine = 4096;
constexpr int kPattern = 0xcd;  // of memory that nothing wrote: -4.3e8 as f32

std::string hex(uint64_t address) { return "0x" + llvm::utohexstr(address, true); }

std::string counted(uint64_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

std::string quoted(const Allocation& allocation) { return "`" + allocation.name + "`"; }

}  // namespace

GlobalMemory::GlobalMemory() : next_address_(kFirstAddress) {}
GlobalMemory::~GlobalMemory() = default;

uint64_t GlobalMemory::allocate(int64_t bytes, std::string name) {
  if (bytes <= 0)
    throw Error("cannot allocate " + std::to_string(bytes) + " bytes of emulated device memory");
  if (bytes > kMostBytes || static_cast<uint64_t>(bytes) > kLastAddress - next_address_)
    throw Error("the emulated device has no " + std::to_string(bytes) + " bytes left");
  auto made = std::make_unique<Allocation>();
  try {
    made->storage.reset(new std::byte[bytes]);
    made->initialised = Bitmap(bytes);
    made->written = Bitmap(bytes);
    made->read_sectors = Bitmap((bytes + kSectorBytes - 1) / kSectorBytes);
  } catch (const std::bad_alloc&) {
    throw Error("the host has no " + std::to_string(bytes) + " bytes for emulated device memory `" + name +
                "`");
  }
  std::memset(made->storage.get(), kPattern, bytes);
  made->address = next_address_;
  made->bytes = bytes;
  made->name = std::move(name);
  next_address_ = (next_address_ + bytes + kRedZone + kAlignment - 1) / kAlignment * kAlignment;
  bytes_live_ += bytes;
  const uint64_t address = made->address;
  allocations_.emplace(address, std::move(made));
  return address;
}

void GlobalMemory::release(uint64_t address) {
  auto found = allocations_.find(address);
  if (found == allocations_.end() || found->second->freed)
    throw Error("cannot free device address " + hex(address) + ": no allocation begins there");
  Allocation& allocation = *found->second;
  bytes_live_ -= allocation.bytes;
  allocation.freed = true;
  allocation.storage.reset();
  allocation.touched = false;
  for (Bitmap* marks : {&allocation.initialised, &allocation.read_sectors, &allocation.written})
    *marks = Bitmap();
  quarantine_.push_back(address);
  if (quarantine_.size() > kQuarantine) {
    allocations_.erase(quarantine_.front());
    quarantine_.pop_front();
  }
}

Allocation* GlobalMemory::find(uint64_t address, int64_t bytes) const {
  auto after = allocations_.upper_bound(address);
  if (after == allocations_.begin()) return nullptr;
  Allocation& allocation = *std::prev(after)->second;
  const uint64_t offset = address - allocation.address;
  const auto size = static_cast<uint64_t>(allocation.bytes);
  const bool inside = bytes >= 0 && offset < size && static_cast<uint64_t>(bytes) <= size - offset;
  return inside && !allocation.freed ? &allocation : nullptr;
}

const Allocation* GlobalMemory::nearest(uint64_t address) const {
  auto after = allocations_.upper_bound(address);
  const Allocation* best = after == allocations_.end() ? nullptr : after->second.get();
  uint64_t distance = best ? best->address - address : ~0ull;
  if (after != allocations_.begin()) {
    const Allocation* below = std::prev(after)->second.get();
    const uint64_t end = below->address + below->bytes;
    if (address < end || address - end < distance) {
      best = below;
      distance = address < end ? 0 : address - end;
    }
  }
  return distance <= kFarBytes ? best : nullptr;
}

std::string GlobalMemory::describe(uint64_t address, int64_t bytes) const {
  if (address < kNullPage) return "at address " + hex(address) + ", a null pointer";
  const Allocation* near = nearest(address);
  if (!near) return "at address " + hex(address) + ", where nothing is allocated";
  if (address < near->address) return counted(near->address - address) + " before " + quoted(*near);
  const uint64_t offset = address - near->address;
  const std::string at = "at byte " + std::to_string(offset) + " of " + quoted(*near);
  if (near->freed && offset < static_cast<uint64_t>(near->bytes)) return at + ", which was freed";
  if (find(address, bytes)) return at;
  return at + ", which has " + counted(near->bytes);
}

bool GlobalMemory::was_freed(uint64_t address) const {
  const Allocation* near = nearest(address);
  return near && near->freed && address - near->address < static_cast<uint64_t>(near->bytes);
}

Allocation& GlobalMemory::holding(uint64_t address, int64_t bytes, const char* what) const {
  if (Allocation* held = find(address, bytes)) return *held;
  throw Error(std::string(what) + " of " + counted(bytes) + " " + describe(address, bytes));
}

void GlobalMemory::write(uint64_t address, llvm::ArrayRef<std::byte> bytes) {
  if (bytes.empty()) return;
  const auto count = static_cast<int64_t>(bytes.size());
  Allocation& target = holding(address, count, "copy to device memory");
  std::memcpy(target.host(address), bytes.data(), bytes.size());
  target.initialised.set(static_cast<int64_t>(address - target.address), count);
}

void GlobalMemory::read(uint64_t address, llvm::MutableArrayRef<std::byte> bytes) const {
  if (bytes.empty()) return;
  Allocation& source = holding(address, static_cast<int64_t>(bytes.size()), "copy from device memory");
  std::memcpy(bytes.data(), source.host(address), bytes.size());
}

void GlobalMemory::fill(uint64_t address, std::byte value, int64_t bytes) {
  if (bytes == 0) return;
  Allocation& target = holding(address, bytes, "fill of device memory");
  std::memset(target.host(address), static_cast<int>(value), bytes);
  target.initialised.set(static_cast<int64_t>(address - target.address), bytes);
}

void GlobalMemory::copy(uint64_t target, uint64_t source, int64_t bytes) {
  if (bytes == 0) return;
  Allocation& from = holding(source, bytes, "copy from device memory");
  Allocation& to = holding(target, bytes, "copy to device memory");
  std::memmove(to.host(target), from.host(source), bytes);
  const auto first = static_cast<int64_t>(source - from.address);
  const auto into = static_cast<int64_t>(target - to.address);
  if (from.initialised.all(first, bytes)) {
    to.initialised.set(into, bytes);
    return;
  }
  std::vector<bool> valid(bytes);
  for (int64_t i = 0; i < bytes; ++i) valid[i] = from.initialised.all(first + i, 1);
  for (int64_t i = 0; i < bytes; ++i)
    valid[i] ? to.initialised.set(into + i, 1) : to.initialised.clear(into + i, 1);
}

void GlobalMemory::clear_sectors() {
  for (auto& [address, allocation] : allocations_) {
    if (!allocation->touched) continue;
    for (Bitmap* marks : {&allocation->read_sectors, &allocation->written})
      std::fill_n(marks->words(), marks->word_count(), 0);
    allocation->touched = false;
  }
}

int64_t GlobalMemory::unique_bytes_read() const {
  int64_t sectors = 0;
  for (const auto& [address, allocation] : allocations_) {
    if (!allocation->touched) continue;
    const Bitmap& marks = allocation->read_sectors;
    for (int64_t i = 0; i < marks.word_count(); ++i) sectors += __builtin_popcountll(marks.words()[i]);
  }
  return sectors * kSectorBytes;
}

int64_t GlobalMemory::unique_bytes_written() const {
  int64_t sectors = 0;
  for (const auto& [address, allocation] : allocations_) {
    if (!allocation->touched) continue;
    const Bitmap& marks = allocation->written;  // 32 bits a sector
    for (int64_t i = 0; i < marks.word_count(); ++i)
      sectors += ((marks.words()[i] & 0xffffffffu) != 0) + (marks.words()[i] >> 32 != 0);
  }
  return sectors * kSectorBytes;
}

}  // namespace tenon::emulator
