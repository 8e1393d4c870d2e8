// races.cpp: shadow memory of epochs, after FastTrack: the last write and the reads since, for each 16 bytes, and for each 4 of
// them once an access touches but a part.
#include "runtime/emulator/checks/races.h"

#include <algorithm>
#include <array>
#include <cassert>

#include "runtime/emulator/checks/flag_order.h"

namespace tenon::emulator {
namespace {

constexpr uint32_t kGranule = 16;
constexpr int kParts = 4;
constexpr uint16_t kWhole = 0xffff;  // of a granule's bytes
constexpr int kFew = 4;
constexpr Agent kNobody = 0xffff;
constexpr uint8_t kSeveralLanes = 0xff;

constexpr uint16_t part_bytes(int part) { return static_cast<uint16_t>(0xf << 4 * part); }

/// One access: the agent and its clock then. `bytes` are those of the granule that it touched.
struct Epoch {
  uint32_t clock = 0;
  int32_t op = -1;
  uint16_t agent = kNobody;
  uint16_t bytes = 0;
  uint8_t lane = 0;
  bool async : 1 = false;
  bool atomic : 1 = false;
};

/// What happened to 16 bytes, or to 4. Reads since the last write are one epoch while they are ordered; from the first
/// unordered one on they are a row of State::few or State::many, whose first `readers` entries are of different agents.
struct Granule {
  Epoch write, read;
  int32_t few = -1, many = -1;  // the granule's rows once it had them
  int32_t parts = -1;       // its entry in State::parts while its 4-byte parts have histories of their own
  uint32_t generation = 0;  // of the blocks that touched it
  uint16_t readers = 0;     // in a row; 0: `read` is enough
};

uint16_t bytes_within(uint32_t granule, uint32_t begin, uint32_t end) {
  uint32_t first = granule * kGranule;
  uint32_t low = begin > first ? begin - first : 0, high = std::min(end - first, kGranule);
  return static_cast<uint16_t>((1u << high) - (1u << low));
}

}  // namespace

/// A clock is two arrays: what happened before, and of that, which generic writes the async proxy sees.
struct RaceDetector::State {
  int agents = 0;
  Agents layout;
  std::vector<VectorClock> clocks;             // by agent
  std::vector<std::vector<Granule>> granules;  // by block
  std::vector<std::array<Granule, kParts>> parts;
  uint32_t generation = 1;
  std::vector<Epoch> few, many;  // rows of kFew, so that most stay in the host's caches, and of `agents`
  FlagOrder<RaceDetector, Agent, VectorClock> flags;  // locations: the block above, the address below

  uint32_t now(Agent agent) const { return clocks[agent][agent]; }
  /// An access by `agent` in its present step.
  Epoch epoch(Agent agent, RaceSite site, bool async, bool atomic) const {
    return {now(agent), site.op, static_cast<uint16_t>(agent), kWhole, static_cast<uint8_t>(site.lane),
            async,      atomic};
  }
  bool before(const Epoch& epoch, Agent agent) const { return epoch.clock <= clocks[agent][epoch.agent]; }
  bool fenced(const Epoch& epoch, Agent agent) const {
    return epoch.clock <= clocks[agent][agents + epoch.agent];
  }
  Epoch* reads(const Granule& granule) {
    return granule.readers <= kFew ? few.data() + static_cast<size_t>(granule.few) * kFew
                                   : many.data() + static_cast<size_t>(granule.many) * agents;
  }

  /// One agent's accesses follow one another, but those of a warp's lanes.
  bool in_program_order(const Epoch& before, const Epoch& now) const {
    return !layout.lanes_apart || before.clock != now.clock || before.lane == now.lane ||
           before.op == now.op || (before.atomic && now.atomic) || !layout.is_warp(now.agent);
  }

  void tick(Agent agent) { ++clocks[agent][agent]; }
  bool after_write(const Granule& granule, const Epoch& epoch, Race::Kind kind, uint32_t address, Race& race);
  bool after_reads(const Granule& granule, const Epoch& epoch, uint32_t address, Race& race);
  void note_read(Granule& granule, const Epoch& epoch);
  void add_read(Granule& granule, const Epoch& epoch);

  bool read(Granule& granule, const Epoch& epoch, uint32_t address, Race& race);
  bool write(Granule& granule, const Epoch& epoch, uint32_t address, Race& race);
  void split(Granule& granule);
  template <bool (State::*visit)(Granule&, const Epoch&, uint32_t, Race&)>
  bool sweep(int block, uint32_t address, uint32_t bytes, Epoch epoch, Race& race);
};

namespace {

void fill(Race& race, Race::Kind kind, const Epoch& before, const Epoch& now, uint32_t address) {
  race.kind = kind;
  race.address = address;
  race.agent_before = before.agent;
  race.agent_now = now.agent;
  race.op_before = before.op;
}

}  // namespace

bool RaceDetector::State::after_write(const Granule& granule, const Epoch& epoch, Race::Kind kind,
                                      uint32_t address, Race& race) {
  const Epoch& write = granule.write;
  if (write.agent == kNobody || !(write.bytes & epoch.bytes)) return true;
  if (write.agent == epoch.agent) {
    if (in_program_order(write, epoch)) return true;
    fill(race, kind, write, epoch, address);
    return false;
  }
  if (write.atomic && epoch.atomic) return true;
  if (!before(write, epoch.agent)) {
    fill(race, kind, write, epoch, address);
    return false;
  }
  if (epoch.async && !write.async && !fenced(write, epoch.agent)) {
    fill(race, Race::kMissingProxyFence, write, epoch, address);
    return false;
  }
  return true;
}

bool RaceDetector::State::after_reads(const Granule& granule, const Epoch& epoch, uint32_t address,
                                      Race& race) {
  auto ordered = [&](const Epoch& read) {
    if (read.agent == kNobody || !(read.bytes & epoch.bytes) || (read.atomic && epoch.atomic)) return true;
    if (read.agent == epoch.agent ? in_program_order(read, epoch) : before(read, epoch.agent)) return true;
    fill(race, Race::kReadWrite, read, epoch, address);
    return false;
  };
  if (granule.readers == 0) return ordered(granule.read);
  const Epoch* all = reads(granule);
  return std::all_of(all, all + granule.readers, ordered);
}

void RaceDetector::State::note_read(Granule& granule, const Epoch& epoch) {
  // A read that happened before this one is no longer needed: what comes after this comes after that.
  auto replace = [&](Epoch& old) {
    const bool same = old.agent == epoch.agent && old.clock == epoch.clock;
    const Epoch held = old;
    old = epoch;
    if (!same) return;
    old.bytes |= held.bytes;
    old.atomic = epoch.atomic && held.atomic;
    if (layout.lanes_apart && held.lane != epoch.lane) old.lane = kSeveralLanes;
  };
  auto stands_for = [&](const Epoch& old) {
    return old.agent == kNobody || old.agent == epoch.agent ||
           (before(old, epoch.agent) && !(old.bytes & ~epoch.bytes) && old.atomic == epoch.atomic);
  };
  if (granule.readers == 0) {
    if (stands_for(granule.read)) return replace(granule.read);
    add_read(granule, granule.read);
  }
  Epoch* all = reads(granule);
  for (int i = 0; i < granule.readers; ++i)
    if (all[i].agent == epoch.agent) return replace(all[i]);
  add_read(granule, epoch);
}

/// To the granule's row, of another agent than those in it.
void RaceDetector::State::add_read(Granule& granule, const Epoch& epoch) {
  auto row = [](std::vector<Epoch>& rows, int32_t& index, int width) {
    if (index < 0) {
      index = static_cast<int32_t>(rows.size() / width);
      rows.resize(rows.size() + width);
    }
    return rows.data() + static_cast<size_t>(index) * width;
  };
  if (granule.readers < kFew) {
    row(few, granule.few, kFew)[granule.readers++] = epoch;
    return;
  }
  Epoch* all = row(many, granule.many, agents);
  if (granule.readers == kFew) std::copy_n(reads(granule), kFew, all);
  all[granule.readers++] = epoch;
}

RaceDetector::RaceDetector(Agents agents, int64_t shared_bytes)
    : agents_(agents), state_(std::make_unique<State>()) {
  state_->agents = agents.count();
  state_->layout = agents;
  assert(state_->agents < kNobody);
  state_->clocks.assign(agents.count(), VectorClock(2 * agents.count(), 0));
  for (Agent agent = 0; agent < agents.count(); ++agent) state_->tick(agent);
  state_->granules.assign(agents.blocks, std::vector<Granule>((shared_bytes + kGranule - 1) / kGranule));
}

RaceDetector::~RaceDetector() = default;

// What the blocks before did happened before all that follows: no memory is touched.
void RaceDetector::reset() {
  State& s = *state_;
  for (Agent agent = 0; agent < s.agents; ++agent)
    for (Agent other = 0; other < s.agents; ++other)
      s.clocks[agent][other] = s.clocks[agent][s.agents + other] = s.now(other);
  for (Agent agent = 0; agent < s.agents; ++agent) s.tick(agent);
  ++s.generation;
  s.few.clear();
  s.many.clear();
  s.parts.clear();
  s.flags.clear();
}

bool RaceDetector::State::read(Granule& granule, const Epoch& epoch, uint32_t address, Race& race) {
  const Epoch& last = granule.read;
  if (granule.readers == 0 && last.agent == epoch.agent && last.clock == epoch.clock &&
      last.atomic == epoch.atomic && !(epoch.bytes & ~last.bytes) &&
      (!layout.lanes_apart || last.lane == epoch.lane))
    return true;  // seen in this step, and nothing wrote since
  const bool clean = after_write(granule, epoch, Race::kWriteRead, address, race);
  note_read(granule, epoch);
  return clean;
}

bool RaceDetector::State::write(Granule& granule, const Epoch& epoch, uint32_t address, Race& race) {
  const bool clean = after_write(granule, epoch, Race::kWriteWrite, address, race) &&
                     after_reads(granule, epoch, address, race);
  // Bytes of one agent's step add up; otherwise the last write stands for the granule.
  const bool same = granule.write.agent == epoch.agent && granule.write.clock == epoch.clock &&
                    granule.write.atomic == epoch.atomic;
  const uint16_t before = same ? granule.write.bytes : 0;
  granule.write = epoch;
  granule.write.bytes |= before;
  granule.read = Epoch{};
  granule.readers = 0;
  return clean;
}

/// Gives each part of a granule what the whole has seen.
void RaceDetector::State::split(Granule& granule) {
  const auto entry = static_cast<int32_t>(parts.size());
  parts.emplace_back();
  for (int i = 0; i < kParts; ++i) {
    Granule& part = parts[entry][i];
    part.write = granule.write;
    part.write.bytes &= part_bytes(i);
    part.read = granule.read;
    part.read.bytes &= part_bytes(i);
    for (int reader = 0; reader < granule.readers; ++reader) {
      Epoch read = reads(granule)[reader];  // a copy: the rows may move
      read.bytes &= part_bytes(i);
      if (read.bytes) add_read(part, read);
    }
  }
  granule.parts = entry;
}

/// Visits what an access touches: whole granules while all accesses to them are whole, else their parts.
template <bool (RaceDetector::State::*visit)(Granule&, const Epoch&, uint32_t, Race&)>
bool RaceDetector::State::sweep(int block, uint32_t address, uint32_t bytes, Epoch epoch, Race& race) {
  const uint32_t end = address + bytes;
  Race ignored;
  bool clean = true;
  auto touch = [&](Granule& granule, uint32_t at) {
    if (!(this->*visit)(granule, epoch, at, clean ? race : ignored)) clean = false;
  };
  for (uint32_t g = address / kGranule; g * kGranule < end; ++g) {
    Granule& granule = granules[block][g];
    if (granule.generation != generation) {
      granule = Granule{};
      granule.generation = generation;
    }
    const uint16_t touched = bytes_within(g, address, end);
    epoch.bytes = touched;
    if (granule.parts < 0 && touched == kWhole) {
      touch(granule, g * kGranule);
      continue;
    }
    if (granule.parts < 0) split(granule);
    for (int i = 0; i < kParts; ++i) {
      epoch.bytes = touched & part_bytes(i);
      if (epoch.bytes) touch(parts[granule.parts][i], std::max(address, g * kGranule + 4 * i));
    }
    if (touched != kWhole || visit != &State::write) continue;
    // A write of all is all that is left to know.
    granule.write = epoch;
    granule.write.bytes = kWhole;
    granule.read = Epoch{};
    granule.readers = 0;
    granule.parts = -1;
  }
  return clean;
}

bool RaceDetector::read(Agent agent, int block, uint32_t address, uint32_t bytes, bool async, RaceSite site,
                        Race& race, bool strong) {
  return state_->sweep<&State::read>(block, address, bytes, state_->epoch(agent, site, async, strong), race);
}

bool RaceDetector::write(Agent agent, int block, uint32_t address, uint32_t bytes, bool async, RaceSite site,
                         Race& race) {
  return state_->sweep<&State::write>(block, address, bytes, state_->epoch(agent, site, async, false), race);
}

bool RaceDetector::atomic(Agent agent, int block, uint32_t address, uint32_t bytes, RaceSite site,
                          Race& race) {
  return state_->sweep<&State::write>(block, address, bytes, state_->epoch(agent, site, false, true), race);
}

VectorClock RaceDetector::release(Agent agent) {
  VectorClock clock = state_->clocks[agent];
  state_->tick(agent);
  return clock;
}

void RaceDetector::join(VectorClock& into, const VectorClock& clock) {
  if (into.size() < clock.size()) into.resize(clock.size(), 0);
  for (size_t i = 0; i < clock.size(); ++i) into[i] = std::max(into[i], clock[i]);
}

void RaceDetector::acquire(Agent agent, const VectorClock& clock) { join(state_->clocks[agent], clock); }

void RaceDetector::barrier(const std::vector<Agent>& agents) {
  VectorClock all;
  for (Agent agent : agents) join(all, state_->clocks[agent]);
  for (Agent agent : agents) {
    state_->clocks[agent] = all;
    state_->tick(agent);
  }
}

void RaceDetector::issue(Agent engine, Agent issuer) {
  join(state_->clocks[engine], state_->clocks[issuer]);
  state_->tick(issuer);
  state_->tick(engine);
}

void RaceDetector::fence(Agent agent) { state_->flags.fence(*this, agent); }

void RaceDetector::strong_write(Agent agent, int block, uint32_t address, bool releases, bool combines) {
  state_->flags.write(*this, agent, static_cast<uint64_t>(block) << 32 | address, releases, combines);
}

void RaceDetector::strong_read(Agent agent, int block, uint32_t address, bool acquires) {
  state_->flags.read(*this, agent, static_cast<uint64_t>(block) << 32 | address, acquires);
}

void RaceDetector::meet(Agent engine, const std::vector<Agent>& issuers) {
  VectorClock known = state_->clocks[issuers[0]];
  for (Agent issuer : issuers)
    for (size_t i = 0; i < known.size(); ++i) known[i] = std::min(known[i], state_->clocks[issuer][i]);
  join(state_->clocks[engine], known);
}

void RaceDetector::join_lanes(Agent warp) { state_->tick(warp); }

void RaceDetector::fence_proxy(Agent agent) {
  VectorClock& clock = state_->clocks[agent];
  std::copy_n(clock.begin(), state_->agents, clock.begin() + state_->agents);
  state_->tick(agent);
}

}  // namespace tenon::emulator
