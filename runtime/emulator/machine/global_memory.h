// global_memory.h: the device's memory: allocations at addresses of its own, with red zones, validity and sectors.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>

#include "llvm/ADT/ArrayRef.h"
#include "runtime/emulator/machine/bits.h"
#include "runtime/emulator/machine/l2_cache.h"

namespace tenon::emulator {

constexpr int kSectorBytes = 32;  ///< what memory and L2 exchange at the least

/// One piece of device memory. Addresses are the emulator's own (equal in every process), never the host's.
struct Allocation {
  uint64_t address = 0;
  int64_t bytes = 0;
  std::string name;        ///< "activations", "weight w1", "arg 2": for reports
  bool read_only = false;  ///< a kernel that writes it is wrong
  bool freed = false;      ///< in quarantine: without storage
  std::unique_ptr<std::byte[]> storage;
  Bitmap initialised;                ///< by byte
  Bitmap read_sectors;               ///< by sector: those that the current launch read
  Bitmap written;                    ///< by byte: those that the current launch wrote
  std::atomic<bool> touched{false};  ///< read_sectors or written has bits
  std::byte* host(uint64_t device_address) { return storage.get() + (device_address - address); }
};

/// Thread-compatible for allocate, release and copies; find() and the allocations' bytes may be used by many host threads.
class GlobalMemory {
 public:
  GlobalMemory();
  ~GlobalMemory();
  /// Aligned to 512 bytes, between red zones of at least 256 bytes; contents are a pattern and count as not initialised.
  /// No address is given twice. Throws Error where `bytes` is not positive or the host has no such memory.
  uint64_t allocate(int64_t bytes, std::string name);
  /// Into quarantine: an access afterwards names the freed allocation. Throws Error for no live allocation's address.
  void release(uint64_t address);
  /// The allocation that holds all of [address, address + bytes); null otherwise. The last hit is tried first by callers
  /// (Warp keeps it).
  Allocation* find(uint64_t address, int64_t bytes) const;
  /// Where an access is, in words: "at byte 64 of `w1`"; and where find() refuses it: "at byte 4096 of `w1`, which has 4096
  /// bytes", "8 bytes before `w1`", "at byte 0 of `x`, which was freed", "at address 0x10, a null pointer", "at address
  /// 0x7f.., where nothing is allocated".
  std::string describe(uint64_t address, int64_t bytes) const;
  /// True where a freed allocation held the address.
  bool was_freed(uint64_t address) const;

  /// By the host; they initialise. Throw Error outside one allocation.
  void write(uint64_t address, llvm::ArrayRef<std::byte> bytes);
  void read(uint64_t address, llvm::MutableArrayRef<std::byte> bytes) const;
  void fill(uint64_t address, std::byte value, int64_t bytes);
  void copy(uint64_t target, uint64_t source, int64_t bytes);  ///< validity travels too

  void clear_sectors();  ///< before a launch
  /// From here on sectors go through a cold L2 of so many bytes; 0: through none.
  void model_l2(int64_t bytes) { l2_ = bytes > 0 ? std::make_unique<L2Cache>(bytes) : nullptr; }
  L2Cache* l2() { return l2_.get(); }  ///< null where none is modelled
  /// Bytes of the 32-byte sectors that the launch since clear_sectors() read and wrote at all.
  int64_t unique_bytes_read() const;
  int64_t unique_bytes_written() const;
  int64_t bytes_live() const { return bytes_live_; }
  const std::map<uint64_t, std::unique_ptr<Allocation>>& allocations() const { return allocations_; }

 private:
  Allocation& holding(uint64_t address, int64_t bytes, const char* what) const;
  const Allocation* nearest(uint64_t address) const;

  std::map<uint64_t, std::unique_ptr<Allocation>> allocations_;  // by address
  std::deque<uint64_t> quarantine_;                              // oldest first; bounded
  std::unique_ptr<L2Cache> l2_;
  uint64_t next_address_;
  int64_t bytes_live_ = 0;
};

}  // namespace tenon::emulator
