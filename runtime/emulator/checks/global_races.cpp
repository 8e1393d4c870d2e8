// global_races.cpp: see the header.
#include "runtime/emulator/checks/global_races.h"

#include <algorithm>

namespace tenon::emulator {
namespace {

constexpr uint32_t kSector = 32;
constexpr size_t kMostReaders = 512;  // of a sector; a write after more of them is compared with these

}  // namespace

VectorClock GlobalRaces::release(Agent agent) {
  auto happened = happened_.find(agent);
  VectorClock clock = happened == happened_.end() ? VectorClock{} : happened->second;
  if (clock.size() <= static_cast<size_t>(agent)) clock.resize(agent + 1);
  clock[agent] = now(agent);
  ++ticks_[agent];
  return clock;
}

void GlobalRaces::acquire(Agent agent, const VectorClock& clock) { join(happened_[agent], clock); }

bool GlobalRaces::before(const Epoch& epoch, Agent agent) const {
  if (epoch.agent == agent) return true;
  auto happened = happened_.find(agent);
  return happened != happened_.end() && static_cast<size_t>(epoch.agent) < happened->second.size() &&
         epoch.clock <= happened->second[epoch.agent];
}

const GlobalRaces::Epoch* GlobalRaces::unordered(const Epochs& epochs, const Epoch& with) const {
  for (const Epoch& epoch : epochs)
    if ((epoch.bytes & with.bytes) != 0 && !(epoch.strong && with.strong) && !before(epoch, with.agent))
      return &epoch;
  return nullptr;
}

/// Adds an epoch; one of the same agent and step grows.
void GlobalRaces::note(Epochs& epochs, const Epoch& epoch) {
  for (Epoch& old : epochs) {
    if (old.agent != epoch.agent || old.strong != epoch.strong) continue;
    if (old.clock == epoch.clock) {
      old.bytes |= epoch.bytes;
      return;
    }
    old.bytes &= ~epoch.bytes;  // the later step stands for it
    if (old.bytes == 0) {
      old = epoch;
      return;
    }
  }
  if (epochs.size() < kMostReaders) epochs.push_back(epoch);
}

bool GlobalRaces::access(Agent agent, uint64_t address, uint32_t bytes, bool writes, bool strong, int op,
                         GlobalRace& race) {
  bool clean = true;
  const uint64_t end = address + bytes;
  for (uint64_t number = address / kSector; number * kSector < end; ++number) {
    const uint64_t first = number * kSector;
    const auto low = static_cast<uint32_t>(address > first ? address - first : 0);
    const auto high = static_cast<uint32_t>(std::min<uint64_t>(end - first, kSector));
    const Epoch epoch{agent, now(agent), static_cast<uint32_t>((1ull << high) - (1ull << low)), op, strong};
    Sector& sector = sectors_[number];
    const Epoch* other = unordered(sector.writes, epoch);
    const bool after_write = other != nullptr;
    if (!other && writes) other = unordered(sector.reads, epoch);
    if (other && clean) {
      clean = false;
      race = {other->agent, other->op, after_write, writes,
              first + static_cast<uint32_t>(__builtin_ctz(other->bytes & epoch.bytes))};
    }
    if (!writes) {
      note(sector.reads, epoch);
      continue;
    }
    // What comes later is compared with this write.
    for (Epochs* epochs : {&sector.writes, &sector.reads}) {
      for (Epoch& old : *epochs) old.bytes &= ~epoch.bytes;
      epochs->erase(
          std::remove_if(epochs->begin(), epochs->end(), [](const Epoch& old) { return old.bytes == 0; }),
          epochs->end());
    }
    note(sector.writes, epoch);
  }
  return clean;
}

}  // namespace tenon::emulator
