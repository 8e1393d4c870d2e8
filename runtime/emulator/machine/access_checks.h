// access_checks.h: what every access is judged by, alone or with others; for access.cpp, engine_access.cpp and
// lane_access.cpp only.
#pragma once
#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/machine/global_memory.h"

namespace tenon::emulator {

/// The allocation that may be accessed; null after a finding.
Allocation* check_global(const Access& access, uint64_t address, int64_t bytes, int alignment);
/// Whether the bytes [offset, offset + bytes) of `owner`'s shared memory may be accessed; false after a finding.
bool check_shared(const Access& access, const Block& owner, uint32_t offset, int64_t bytes, int alignment);
/// Null after a finding. `offset` is wider than addresses are, so that none wraps.
std::byte* check_local(const Access& access, uint64_t offset, int64_t bytes, int alignment);
std::byte* check_parameter(const Access& access, uint64_t offset, int64_t bytes, int alignment);

/// Tells the race detector of one range of `owner`'s shared memory; makes a finding of a race.
void check_race(const Access& access, const Block& owner, uint32_t offset, uint32_t bytes);
/// Tells the detector of races in global memory, where there is one, of one range; makes a finding of a race.
void check_global_race(const Access& access, uint64_t address, int64_t bytes);
/// A finding where the launch wrote what ld.global.nc reads.
void check_constant_path(const Access& access, Allocation& allocation, int64_t offset, int64_t bytes);
/// The finding of an atomic that combines with what nothing wrote. `place`: "at byte 0 of `x`".
void report_unwritten_atomic(const Access& access, const std::string& place, int64_t bytes);
/// The finding of a value that nothing computed, stored to global memory.
void report_poisoned_store(const Access& access, uint64_t address, int64_t bytes);

inline bool watches_uninitialised(const Access& access) { return access.warp.launch().options.uninitialised; }

/// Marks of a write: what was written is valid, unless `poisoned`.
inline void mark_validity(uint64_t* words, int64_t offset, int64_t bytes, bool poisoned) {
  poisoned ? clear_bits(words, offset, bytes) : set_bits(words, offset, bytes);
}

/// One piece's sectors, into the allocation's marks and through the model of L2.
inline void mark_global(const Access& access, Allocation& allocation, int64_t offset, int64_t bytes) {
  if (!allocation.touched.load(std::memory_order_relaxed)) allocation.touched = true;
  const int64_t first = offset / kSectorBytes, last = (offset + bytes - 1) / kSectorBytes;
  if (access.kind != AccessKind::kWrite) allocation.read_sectors.set(first, last - first + 1);
  if (access.kind != AccessKind::kRead) allocation.written.set(offset, bytes);
  L2Cache* l2 = access.warp.launch().memory.l2();
  if (!l2) return;
  for (int64_t sector = first; sector <= last; ++sector) {
    const uint64_t address = allocation.address + sector * kSectorBytes;
    if (access.kind != AccessKind::kWrite) l2->access(address, false);
    if (access.kind != AccessKind::kRead) l2->access(address, true);
  }
}

/// Counts `sectors` moved for `bytes`.
inline void meter_global(const Access& access, uint64_t bytes, uint64_t sectors) {
  OpMeter& meter = access.warp.meter(access.op);
  if (access.kind == AccessKind::kRead || (access.kind == AccessKind::kAtomic && access.returns)) {
    meter.read += bytes;
    meter.sectors_read += sectors;
  }
  if (access.kind != AccessKind::kRead) {
    meter.written += bytes;
    meter.sectors_written += sectors;
  }
}

}  // namespace tenon::emulator
