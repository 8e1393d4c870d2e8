// access.h: the one way to memory for every instruction: bounds, alignment, permission, validity, races and meters.
#pragma once
#include <cstdint>

#include "runtime/emulator/checks/findings.h"
#include "runtime/emulator/checks/races.h"
#include "runtime/emulator/machine/block.h"
#include "runtime/emulator/machine/warp.h"

namespace tenon::emulator {

enum class AccessKind : uint8_t { kRead, kWrite, kAtomic };

/// One access by a lane, or by an engine on a lane's behalf.
struct Access {
  Warp& warp;
  const Op& op;
  int lane = 0;
  AccessKind kind = AccessKind::kRead;
  Agent agent = -1;       ///< in shared memory; -1: the warp's own
  bool async = false;     ///< through the async proxy
  bool poisoned = false;  ///< a write of a value that nothing computed: the bytes become uninitialised
};

/// The bytes, or null where a finding was made; then the access does not happen (a read gives poison).
struct Accessed {
  std::byte* bytes = nullptr;
  bool initialised = true;  ///< of a read: every byte was written before
  explicit operator bool() const { return bytes != nullptr; }
};

/// `address` is a device address; `alignment` what the instruction demands. Marks sectors and validity, counts bytes
/// (not sectors: those belong to the warp access, memory.cpp). A poisoned write is a finding.
Accessed access_global(const Access& access, uint64_t address, int64_t bytes, int alignment);
/// `address` is a 32-bit shared address, with a cluster rank or without.
Accessed access_shared(const Access& access, uint32_t address, int64_t bytes, int alignment);
/// A generic address of any space.
Accessed access_generic(const Access& access, uint64_t address, int64_t bytes, int alignment);
/// The block whose shared memory an address names and the offset in its window; null (with a finding) for a rank that the
/// cluster lacks.
Block* shared_owner(const Access& access, uint32_t address, uint32_t& offset);

/// Makes a finding about `lane` of the warp at `op` (-1: the whole warp).
Finding& describe(Finding& finding, const Warp& warp, const Op& op, int lane);
void report(const Warp& warp, const Op& op, int lane, FindingKind kind, std::string message,
            std::vector<std::string> notes = {});
/// A finding where one of `active` uses a value that nothing computed; true then.
bool report_poison(const Warp& warp, const Op& op, LaneMask poisoned, const char* use);

}  // namespace tenon::emulator
