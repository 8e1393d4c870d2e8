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
  Agent agent = -1;            ///< in shared memory; -1: the warp's own
  bool async = false;          ///< through the async proxy
  bool poisoned = false;       ///< a write of a value that nothing computed
  bool cluster = true;         ///< in shared memory: other blocks' too
  bool strong = false;         ///< .volatile, .relaxed and above: never races with other strong accesses
  bool device_scope = true;    ///< of a strong access or an atomic: not .cta
  bool constant_path = false;  ///< ld.global.nc: a finding where this launch wrote the bytes
  bool returns = true;         ///< an atomic that gives the old value back; red does not
  int used_bytes =
      0;  ///< of a read: of each lane's bytes those that must be valid, from the first on; 0: all
  bool combines = true;  ///< an atomic whose new value depends on the old one; exch's does not
};

/// The bytes, or null where a finding was made; then the access does not happen (a read gives poison).
struct Accessed {
  std::byte* bytes = nullptr;
  bool initialised = true;  ///< of a read: every byte was written before
  explicit operator bool() const { return bytes != nullptr; }
};

// One access of any number of bytes. `alignment` is what the instruction demands. A poisoned write to global memory is a
// finding; elsewhere the bytes become uninitialised. A write is progress (Residency); whether an atomic is, its handler
// says. Counts bytes and the sectors of this access alone; shared memory's passes are counted by access_lanes() only.

/// `address` is a device address.
Accessed access_global(const Access& access, uint64_t address, int64_t bytes, int alignment);
/// `address` is a 32-bit shared address, with a cluster rank or without.
Accessed access_shared(const Access& access, uint32_t address, int64_t bytes, int alignment);
/// A generic address of any space.
Accessed access_generic(const Access& access, uint64_t address, int64_t bytes, int alignment);
/// The block whose shared memory an address names and the offset in it (0: the block's first byte); null, with a finding,
/// for a block that the cluster lacks or that has exited.
Block* shared_owner(const Access& access, uint32_t address, uint32_t& offset);

// --- A warp's access: the lanes of an instruction together, of 1, 2, 4, 8, 16 or 32 bytes each, naturally aligned.

/// Addresses by lane; those of lanes that are not active mean nothing.
using LaneAddresses = uint64_t[kLanes];

/// Where the lanes' bytes are.
struct LaneBytes {
  LaneMask lanes = 0;          ///< that may access: for the others a finding was made (a read gives poison)
  LaneMask uninitialised = 0;  ///< of a read: lanes of `lanes` with bytes that nothing wrote
  bool contiguous = false;     ///< all 32 lanes, side by side from at[0] on
  bool distinct = false;       ///< of a write: no two lanes share bytes
  std::byte* at[kLanes];       ///< of each of `lanes`
};

/// As one access each for the `active` lanes (access.lane and .poisoned mean nothing; `poisoned` are the lanes of a write
/// whose value nothing computed), but metered as one: sectors once, shared memory's passes.
/// Global and const space take device addresses; shared space 32-bit shared addresses; local and param space (the
/// kernel's) offsets; generic space any address. A matrix instruction's rows are lanes of 16 bytes.
void access_lanes(const Access& access, LaneMask active, ptx::Space space, const LaneAddresses& addresses,
                  int bytes, LaneMask poisoned, LaneBytes& result);

// --- Findings

/// Fills in where: the launch, `lane` of the warp (-1: the whole warp), and the op with its source.
Finding& describe(Finding& finding, const Warp& warp, const Op& op, int lane);
void report(const Warp& warp, const Op& op, int lane, FindingKind kind, std::string message,
            std::vector<std::string> notes = {});
/// Adds to a finding's notes another op than its own: `before` ("the other access: ptx line "), its line and text, and
/// where it stands.
void note_op(std::vector<std::string>& notes, const Program& program, const Op& op, std::string before);
/// A finding of kind kSharedRace or kProxyFence, with the other access in its notes.
void report_race(const Warp& warp, const Op& op, int lane, const Race& race);
/// A finding where `poisoned` is not empty: "an address that nothing computed"; true then.
bool report_poison(const Warp& warp, const Op& op, LaneMask poisoned, const char* use);
/// "at byte 12 of `x`", "at byte 8 of shared memory": an address that may be accessed, in words.
std::string describe_place(const Warp& warp, ptx::Space space, uint64_t address);
/// "warp 3", "cp.async of warp 3", "the wgmma of warpgroup 1 of the cluster's block 0".
std::string agent_name(const Agents& agents, Agent agent);

}  // namespace tenon::emulator
