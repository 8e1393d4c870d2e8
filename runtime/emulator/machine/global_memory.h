// global_memory.h: the device's memory: allocations at addresses of its own, with red zones, validity and sectors.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "llvm/ADT/ArrayRef.h"

namespace tenon::emulator {

/// One piece of device memory. Addresses are the emulator's own (equal in every process), never the host's.
struct Allocation {
  uint64_t address = 0;
  int64_t bytes = 0;
  std::string name;        ///< "activations", "weight w1", "arg 2": for reports
  bool read_only = false;  ///< a kernel that writes it is wrong
  bool freed = false;      ///< in quarantine
  std::unique_ptr<std::byte[]> storage;
  std::vector<uint64_t> initialised;  ///< one bit a byte; set concurrently by relaxed atomic ors
  /// Sectors of 32 bytes that the current launch touched: one bit each.
  std::vector<uint64_t> read_sectors, written_sectors;
  std::byte* host(uint64_t device_address) { return storage.get() + (device_address - address); }
};

/// Thread-compatible for allocate, release and copies; find() and the allocations' bytes may be used by many host threads.
class GlobalMemory {
 public:
  GlobalMemory();
  ~GlobalMemory();
  /// Aligned to 512 bytes, between red zones of at least 256 bytes; contents are a pattern and count as not initialised.
  /// Throws Error where `bytes` is not positive or the host has no such memory.
  uint64_t allocate(int64_t bytes, std::string name);
  /// Into quarantine: an access afterwards names the freed allocation. Throws Error for no live allocation's address.
  void release(uint64_t address);
  /// The allocation that holds all of [address, address + bytes); null otherwise. The last hit is tried first by callers
  /// (Warp keeps it).
  Allocation* find(uint64_t address, int64_t bytes) const;
  /// What lies nearest to an address that find() refuses: "16 bytes past the end of `w1` (4096 bytes)", "freed `x`".
  std::string describe(uint64_t address, int64_t bytes) const;

  /// By the host; they initialise. Throw Error outside one allocation.
  void write(uint64_t address, llvm::ArrayRef<std::byte> bytes);
  void read(uint64_t address, llvm::MutableArrayRef<std::byte> bytes) const;
  void fill(uint64_t address, std::byte value, int64_t bytes);
  void copy(uint64_t target, uint64_t source, int64_t bytes);  ///< validity travels too
  void clear_sectors();                                        ///< before a launch
  int64_t bytes_live() const { return bytes_live_; }
  const std::map<uint64_t, std::unique_ptr<Allocation>>& allocations() const { return allocations_; }

 private:
  std::map<uint64_t, std::unique_ptr<Allocation>> allocations_;  // by address
  std::vector<uint64_t> quarantine_;                             // oldest first; bounded
  uint64_t next_address_;
  int64_t bytes_live_ = 0;
};

}  // namespace tenon::emulator
