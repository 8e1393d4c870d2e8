// access.cpp: single accesses, and the findings of all accesses in words.
#include "runtime/emulator/machine/access.h"

#include "ir/diagnostics.h"
#include "llvm/ADT/StringExtras.h"
#include "runtime/emulator/machine/access_checks.h"

namespace tenon::emulator {
namespace {

int index_of(const Warp& warp, const Op& op) { return static_cast<int>(&op - warp.program().ops.data()); }

const char* verb(AccessKind kind) {
  switch (kind) {
    case AccessKind::kRead: return "read";
    case AccessKind::kWrite: return "write";
    case AccessKind::kAtomic: return "atomic access";
  }
  return "";
}

std::string counted(int64_t bytes) { return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes"); }

std::string what(const Access& access, int64_t bytes) {
  return std::string(verb(access.kind)) + " of " + counted(bytes) + " ";
}

std::string misaligned(int alignment) {
  return ": the address must be a multiple of " + std::to_string(alignment);
}

bool aligned(uint64_t address, int alignment) {
  return (address & (static_cast<uint64_t>(alignment) - 1)) == 0;
}

void report(const Access& access, FindingKind kind, std::string message) {
  report(access.warp, access.op, access.lane, kind, std::move(message));
}

/// "shared memory", or whose it is where that is another block's.
std::string shared_name(const Access& access, const Block& owner) {
  if (&owner == &access.warp.block()) return "shared memory";
  return "the shared memory of the cluster's block " + std::to_string(owner.rank());
}

void set_thread(Finding& finding, const Warp& warp, int lane) {
  const int(&extent)[3] = warp.launch().request.block;
  const int thread = warp.thread(lane);
  finding.lane = lane;
  finding.thread[0] = thread % extent[0];
  finding.thread[1] = thread / extent[0] % extent[1];
  finding.thread[2] = thread / extent[0] / extent[1];
}

std::string race_message(const Agents& agents, const Race& race) {
  const std::string byte = "byte " + std::to_string(race.address) + " of shared memory";
  const std::string before = agent_name(agents, race.agent_before), now = agent_name(agents, race.agent_now);
  switch (race.kind) {
    case Race::kWriteWrite: return now + " writes " + byte + ", unordered with the write by " + before;
    case Race::kReadWrite: return now + " writes " + byte + ", unordered with the read by " + before;
    case Race::kWriteRead: return now + " reads " + byte + ", unordered with the write by " + before;
    case Race::kMissingProxyFence:
      return now + " accesses " + byte +
             " through the async proxy; no fence.proxy.async follows the write by " + before;
  }
  return "";
}

/// The notes that say what a race is with.
std::vector<std::string> other_access(const Program& program, int op) {
  std::vector<std::string> notes;
  if (op >= 0 && op < static_cast<int>(program.ops.size()))
    note_op(notes, program, program.ops[op], "the other access: ptx line ");
  return notes;
}

}  // namespace

// --- Findings

void note_op(std::vector<std::string>& notes, const Program& program, const Op& op, std::string before) {
  notes.push_back(std::move(before) + std::to_string(op.line) + ": " + program.text(op).str());
  if (!program.module) return;
  const std::vector<std::string> chain = source_chain(*program.module, op.place);
  for (size_t i = 0; i < chain.size(); ++i) notes.push_back((i == 0 ? "  at " : "    from ") + chain[i]);
}

Finding& describe(Finding& finding, const Warp& warp, const Op& op, int lane) {
  const Program& program = warp.program();
  finding.kernel = program.name;
  for (int axis = 0; axis < 3; ++axis) finding.block[axis] = warp.block().index(axis);
  finding.warp = warp.index();
  if (lane >= 0) set_thread(finding, warp, lane);
  finding.op = index_of(warp, op);
  finding.ptx_line = op.line;
  finding.ptx = program.text(op).str();
  finding.source = source_chain(*program.module, op.place);
  return finding;
}

void report(const Warp& warp, const Op& op, int lane, FindingKind kind, std::string message,
            std::vector<std::string> notes) {
  Finding finding;
  finding.kind = kind;
  finding.message = std::move(message);
  finding.notes = std::move(notes);
  warp.launch().findings.add(std::move(describe(finding, warp, op, lane)));
}

namespace {

/// "byte 4 of `sums`" for an address in the block's shared memory; "" for others and where no variable lies.
std::string shared_name(const Warp& warp, ptx::Space space, uint64_t address) {
  if (space == ptx::Space::kGeneric && address - kSharedWindow < kWindowBytes)
    address -= kSharedWindow;
  else if (space != ptx::Space::kShared)
    return "";
  return warp.program().name_of_shared(static_cast<int64_t>(address & ((1u << kClusterRankShift) - 1)) -
                                       kSharedBase);
}

/// What it is to use a value that nothing computed: accumulators of a wgmma in flight count as such.
FindingKind poison_kind(const Warp& warp, std::vector<std::string>& notes) {
  if (warp.wgmma) {
    note_op(notes, warp.program(), *warp.wgmma,
            "it ends for a warp at the wgmma.wait_group that covers it; the last wgmma: ptx line ");
  } else if (const Op* read = warp.unwritten.op) {
    const std::string name = shared_name(warp, warp.unwritten.space, warp.unwritten.address);
    note_op(notes, warp.program(), *read,
            "the warp's last read of what nothing wrote, " +
                describe_place(warp, warp.unwritten.space, warp.unwritten.address) +
                (name.empty() ? "" : " (" + name + ")") + ": ptx line ");
  }
  return warp.wgmma && warp.wgmma_in_flight ? FindingKind::kRegisterHazard : FindingKind::kUninitialised;
}

const char* poison_text(FindingKind kind) {
  return kind == FindingKind::kRegisterHazard ? " comes from a register of a wgmma that has not ended"
                                              : " comes from memory or a register that nothing wrote";
}

}  // namespace

bool report_poison(const Warp& warp, const Op& op, LaneMask poisoned, const char* use) {
  if (poisoned == 0) return false;
  Finding finding;
  finding.kind = poison_kind(warp, finding.notes);
  finding.message = std::string(use) + poison_text(finding.kind);
  finding.count = __builtin_popcount(poisoned);
  warp.launch().findings.add(std::move(describe(finding, warp, op, __builtin_ctz(poisoned))));
  return true;
}

std::string describe_place(const Warp& warp, ptx::Space space, uint64_t address) {
  auto byte = [](uint64_t offset, const char* memory) {
    return "at byte " + std::to_string(offset) + " of " + memory;
  };
  const bool generic = space == ptx::Space::kGeneric;
  if (generic && address - kSharedWindow < kWindowBytes)
    return describe_place(warp, ptx::Space::kShared, address - kSharedWindow);
  if (generic && address - kLocalWindow < kWindowBytes) return byte(address - kLocalWindow, "local memory");
  if (space == ptx::Space::kLocal) return byte(address, "local memory");
  if (space == ptx::Space::kParam) return byte(address, "the kernel's parameters");
  if (space != ptx::Space::kShared) return warp.launch().memory.describe(address, 1);
  return byte((address & ((1u << kClusterRankShift) - 1)) - kSharedBase, "shared memory");
}

std::string agent_name(const Agents& agents, Agent agent) {
  const int block = agent / agents.per_block(), within = agent % agents.per_block();
  const int engine = within / agents.warps;
  const std::string of = agents.blocks > 1 ? " of the cluster's block " + std::to_string(block) : "";
  if (engine == 2)
    return "a bulk copy" + (of.empty() ? " into shared memory" : " into the shared memory" + of);
  if (engine >= 4) return "the wgmma of warpgroup " + std::to_string(within - 4 * agents.warps) + of;
  const std::string warp = "warp " + std::to_string(within % agents.warps) + of;
  return engine == 0 ? warp : (engine == 1 ? "cp.async of " : "a bulk copy of ") + warp;
}

void report_race(const Warp& warp, const Op& op, int lane, const Race& race) {
  const RaceDetector& detector = *warp.block().residency().races(warp.block());
  std::vector<std::string> notes = other_access(warp.program(), race.op_before);
  if (const std::string name = warp.program().name_of_shared(race.address); !name.empty())
    notes.push_back("byte " + std::to_string(race.address) + " of shared memory is " + name);
  report(warp, op, lane,
         race.kind == Race::kMissingProxyFence ? FindingKind::kProxyFence : FindingKind::kSharedRace,
         race_message(detector.agents(), race), std::move(notes));
}

void report_unwritten_atomic(const Access& access, const std::string& place, int64_t bytes) {
  report(access, FindingKind::kUninitialised, what(access, bytes) + place + ", which nothing wrote");
}

void report_poisoned_store(const Access& access, uint64_t address, int64_t bytes) {
  std::vector<std::string> notes;
  const FindingKind kind = poison_kind(access.warp, notes);
  report(access.warp, access.op, access.lane, kind,
         "what is stored " + access.warp.launch().memory.describe(address, bytes) + poison_text(kind),
         std::move(notes));
}

// --- Checks

Allocation* check_global(const Access& access, uint64_t address, int64_t bytes, int alignment) {
  const GlobalMemory& memory = access.warp.launch().memory;
  Allocation* allocation = memory.find(address, bytes);
  if (!allocation) {
    report(access, memory.was_freed(address) ? FindingKind::kUseAfterFree : FindingKind::kOutOfBounds,
           what(access, bytes) + memory.describe(address, bytes));
    return nullptr;
  }
  if (!aligned(address, alignment)) {
    report(access, FindingKind::kMisaligned,
           what(access, bytes) + memory.describe(address, bytes) + misaligned(alignment));
    return nullptr;
  }
  if (access.kind != AccessKind::kRead && allocation->read_only) {
    report(access, FindingKind::kReadOnly, what(access, bytes) + memory.describe(address, bytes));
    return nullptr;
  }
  return allocation;
}

void check_constant_path(const Access& access, Allocation& allocation, int64_t offset, int64_t bytes) {
  if (!allocation.touched.load(std::memory_order_relaxed) || !allocation.written.any(offset, bytes)) return;
  const uint64_t address = allocation.address + offset;
  report(access, FindingKind::kGlobalRace,
         "read of " + counted(bytes) + " through the constant path (.nc) " +
             access.warp.launch().memory.describe(address, bytes) + ", which this launch has written");
}

bool check_shared(const Access& access, const Block& owner, uint32_t offset, int64_t bytes, int alignment) {
  const auto size = static_cast<int64_t>(owner.shared.bytes.size());
  const bool inside = bytes <= size && offset <= size - bytes;
  if (inside && aligned(kSharedBase + offset, alignment)) return true;
  report(access, inside ? FindingKind::kMisaligned : FindingKind::kOutOfBounds,
         what(access, bytes) + "at byte " + std::to_string(static_cast<int32_t>(offset)) + " of " +
             shared_name(access, owner) + (inside ? misaligned(alignment) : ", which has " + counted(size)));
  return false;
}

Block* shared_owner(const Access& access, uint32_t address, uint32_t& offset) {
  Block& own = access.warp.block();
  const uint32_t tag = address >> kClusterRankShift;
  offset = (address & ((1u << kClusterRankShift) - 1)) - kSharedBase;
  if (tag == 0) return &own;
  const int rank = static_cast<int>(tag) - 1;
  if (rank == own.rank()) return &own;
  Block* peer = own.residency().peer(own, rank);
  const std::string where = "of shared address 0x" + llvm::utohexstr(address, true);
  if (!peer) {
    report(
        access, FindingKind::kOutOfBounds,
        std::string(verb(access.kind)) + " " + where + ": the cluster has no block " + std::to_string(rank));
    return nullptr;
  }
  if (peer->exited || !access.cluster) {
    report(access, FindingKind::kOutOfBounds,
           std::string(verb(access.kind)) + " " + where + ": it is the cluster's block " +
               std::to_string(rank) + "'s, " +
               (peer->exited ? "which has exited" : "and .shared::cta means the block's own"));
    return nullptr;
  }
  return peer;
}

void check_race(const Access& access, const Block& owner, uint32_t offset, uint32_t bytes) {
  const Block& own = access.warp.block();
  RaceDetector* detector = own.residency().races(own);
  if (!detector || bytes == 0) return;
  const Agent agent =
      access.agent >= 0 ? access.agent : detector->agents().warp(own.rank(), access.warp.index());
  const RaceSite site{index_of(access.warp, access.op), access.lane};
  Race race;
  bool ordered = true;
  const bool strong_write = access.strong && access.kind == AccessKind::kWrite;
  switch (strong_write ? AccessKind::kAtomic : access.kind) {
    case AccessKind::kRead:
      ordered = detector->read(agent, owner.rank(), offset, bytes, access.async, site, race, access.strong);
      break;
    case AccessKind::kWrite:
      ordered = detector->write(agent, owner.rank(), offset, bytes, access.async, site, race);
      break;
    case AccessKind::kAtomic:
      ordered = detector->atomic(agent, owner.rank(), offset, bytes, site, race);
      break;
  }
  if (!ordered) report_race(access.warp, access.op, access.lane, race);
}

void check_global_race(const Access& access, uint64_t address, int64_t bytes) {
  Launch& launch = access.warp.launch();
  if (!launch.global_races || bytes == 0) return;
  const bool strong = (access.strong || access.kind == AccessKind::kAtomic) && access.device_scope;
  GlobalRace race;
  if (launch.global_races->access(access.warp.block().number(), address, static_cast<uint32_t>(bytes),
                                  access.kind != AccessKind::kRead, strong, index_of(access.warp, access.op),
                                  race))
    return;
  const int(&grid)[3] = launch.request.grid;
  const int block = race.before;
  std::vector<std::string> notes = other_access(launch.program, race.op);
  notes.push_back(
      "to order them, a fence (__threadfence) and then an atomic or a flag must follow the first, and be "
      "seen before the second");
  report(access.warp, access.op, access.lane, FindingKind::kGlobalRace,
         what(access, bytes) + launch.memory.describe(race.address, 1) + ", unordered with the " +
             (race.before_writes ? "write" : "read") + " by block (" + std::to_string(block % grid[0]) + "," +
             std::to_string(block / grid[0] % grid[1]) + "," + std::to_string(block / grid[0] / grid[1]) +
             ")",
         std::move(notes));
}

std::byte* check_local(const Access& access, uint64_t offset, int64_t bytes, int alignment) {
  const int64_t size = access.warp.program().local_bytes;
  const bool inside = bytes <= size && offset <= static_cast<uint64_t>(size - bytes);
  if (inside && aligned(offset, alignment))
    return access.warp.local(access.lane, static_cast<uint32_t>(offset), bytes);
  report(access, inside ? FindingKind::kMisaligned : FindingKind::kOutOfBounds,
         what(access, bytes) + "at byte " + std::to_string(offset) + " of local memory" +
             (inside ? misaligned(alignment) : ", which has " + counted(size) + " a thread"));
  return nullptr;
}

std::byte* check_parameter(const Access& access, uint64_t offset, int64_t bytes, int alignment) {
  const std::vector<std::byte>& parameters = access.warp.launch().request.parameters;
  const auto size = static_cast<int64_t>(parameters.size());
  const bool inside = bytes <= size && offset <= static_cast<uint64_t>(size - bytes);
  const bool reads = access.kind == AccessKind::kRead;
  if (inside && reads && aligned(offset, alignment))
    return const_cast<std::byte*>(parameters.data()) + offset;  // to be read
  report(access,
         !inside ? FindingKind::kOutOfBounds
         : reads ? FindingKind::kMisaligned
                 : FindingKind::kReadOnly,
         what(access, bytes) + "at byte " + std::to_string(offset) + " of the kernel's parameters" +
             (!inside ? ", which have " + counted(size)
              : reads ? misaligned(alignment)
                      : ""));
  return nullptr;
}

// --- Single accesses

Accessed access_global(const Access& access, uint64_t address, int64_t bytes, int alignment) {
  Allocation* allocation = check_global(access, address, bytes, alignment);
  if (!allocation) return {};
  const auto offset = static_cast<int64_t>(address - allocation->address);
  Accessed result{allocation->host(address), true};
  if (bytes == 0) return result;
  if (access.kind != AccessKind::kWrite && watches_uninitialised(access))
    result.initialised = allocation->initialised.all(offset, bytes);
  if (access.kind == AccessKind::kRead) {
    if (access.constant_path) check_constant_path(access, *allocation, offset, bytes);
  } else {
    if (!result.initialised && access.combines)
      report_unwritten_atomic(access, access.warp.launch().memory.describe(address, bytes), bytes);
    if (access.poisoned) report_poisoned_store(access, address, bytes);
    mark_validity(allocation->initialised.words(), offset, bytes, access.poisoned);
    if (access.kind == AccessKind::kWrite) access.warp.block().residency().progress();
  }
  check_global_race(access, address, bytes);
  mark_global(access, *allocation, offset, bytes);
  meter_global(access, bytes, (offset + bytes - 1) / kSectorBytes - offset / kSectorBytes + 1);
  return result;
}

Accessed access_shared(const Access& access, uint32_t address, int64_t bytes, int alignment) {
  uint32_t offset = 0;
  Block* owner = shared_owner(access, address, offset);
  if (!owner || !check_shared(access, *owner, offset, bytes, alignment)) return {};
  Accessed result{owner->shared.bytes.data() + offset, true};
  if (bytes == 0) return result;
  check_race(access, *owner, offset, static_cast<uint32_t>(bytes));
  uint64_t* valid = owner->shared.initialised.data();
  if (access.kind != AccessKind::kWrite && watches_uninitialised(access))
    result.initialised = all_bits(valid, offset, bytes);
  if (!result.initialised && access.kind == AccessKind::kAtomic && access.combines)
    report_unwritten_atomic(
        access, "at byte " + std::to_string(offset) + " of " + shared_name(access, *owner), bytes);
  if (access.kind != AccessKind::kRead) {
    mark_validity(valid, offset, bytes, access.poisoned);
    if (access.kind == AccessKind::kWrite) access.warp.block().residency().progress();
  }
  access.warp.meter(access.op).shared += bytes;
  return result;
}

Accessed access_generic(const Access& access, uint64_t address, int64_t bytes, int alignment) {
  if (address - kSharedWindow < kWindowBytes)
    return access_shared(access, static_cast<uint32_t>(address - kSharedWindow), bytes, alignment);
  if (address - kParamWindow < kWindowBytes)
    return {check_parameter(access, address - kParamWindow, bytes, alignment), true};
  if (address - kLocalWindow >= kWindowBytes) return access_global(access, address, bytes, alignment);
  const uint64_t offset = address - kLocalWindow;
  Accessed result{check_local(access, offset, bytes, alignment), true};
  if (!result) return result;
  std::byte* marks = access.warp.local_marks(access.lane, static_cast<uint32_t>(offset), bytes);
  for (int64_t i = 0; i < bytes; ++i) {
    if (access.kind != AccessKind::kRead) marks[i] = std::byte{!access.poisoned};
    result.initialised &= marks[i] != std::byte{0} || !watches_uninitialised(access);
  }
  return result;
}

}  // namespace tenon::emulator
