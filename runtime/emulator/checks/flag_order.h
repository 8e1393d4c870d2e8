// flag_order.h: the order that flags in memory give: releases, fences, and the acquires that see what they published
// (PTX ISA 9.0, 8.8 and 8.9).
#pragma once
#include <cstdint>
#include <unordered_map>

namespace tenon::emulator {

/// For a Detector with `Clock release(Agent)`, `acquire(Agent, Clock)` and a static `join(Clock&, Clock)`. A strong write
/// publishes what its agent did up to its last fence, or, where it releases, up to itself. A strong read takes up what
/// was published at its location: at once where it acquires, else at the agent's next fence.
template <class Detector, class Agent, class Clock>
class FlagOrder {
 public:
  void fence(Detector& detector, Agent agent) {
    if (auto seen = seen_.find(agent); seen != seen_.end()) {
      detector.acquire(agent, seen->second);
      seen_.erase(seen);
    }
    fenced_[agent] = detector.release(agent);
  }

  /// `combines`: an atomic, which hands on what earlier writers of the location published.
  void write(Detector& detector, Agent agent, uint64_t location, bool releases, bool combines) {
    auto fenced = fenced_.find(agent);
    if (!combines) given_.erase(location);
    if (!releases && fenced == fenced_.end()) return;
    Detector::join(given_[location], releases ? detector.release(agent) : fenced->second);
  }

  void read(Detector& detector, Agent agent, uint64_t location, bool acquires) {
    auto given = given_.find(location);
    if (given == given_.end()) return;
    if (acquires)
      detector.acquire(agent, given->second);
    else
      Detector::join(seen_[agent], given->second);
  }

  void clear() {
    given_.clear();
    fenced_.clear();
    seen_.clear();
  }

 private:
  std::unordered_map<uint64_t, Clock> given_;  // by location
  std::unordered_map<Agent, Clock> fenced_, seen_;
};

}  // namespace tenon::emulator
