// wgmma_state.cpp: see wgmma_state.h.
#include "runtime/emulator/instructions/wgmma_state.h"

#include <algorithm>
#include <cstring>

#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {

LaneMask WgmmaState::poison(const Warp& warp, Slot slot) const {
  return accumulates(slot) ? flights_[slot].poison : warp.poison(slot);
}

void WgmmaState::check_unchanged(const Warp& warp, Slot slot) const {
  if (!in_flight(slot)) return;
  const Flight& flight = flights_[slot];
  const uint32_t* now = warp.lanes<uint32_t>(slot);
  const bool accumulator = flight.use == Use::kAccumulator;
  LaneMask changed = accumulator ? ~warp.poison(slot) : 0;
  if (changed == 0 && std::memcmp(now, flight.value.data(), sizeof(flight.value)) == 0) return;
  for (int lane = 0; lane < kLanes; ++lane) changed |= LaneMask{now[lane] != flight.value[lane]} << lane;
  report(warp, *flight.op, __builtin_ctz(changed), FindingKind::kRegisterHazard,
         std::string(accumulator ? "an accumulator" : "a register of A") +
             " is written while the wgmma is in flight: only after the wgmma.wait_group that covers it may "
             "it be");
}

void WgmmaState::hold(Warp& warp, Slot slot, Use use, const Op& op, LaneMask poison) {
  const bool accumulator = use == Use::kAccumulator;
  if (!warp.launch().options.shared_races) {
    if (accumulator) warp.set_poison(slot, kAllLanes, poison);
    return;
  }
  if (slot < 0) return;  // a constant
  warp.wgmma = &op;
  warp.wgmma_in_flight = true;
  if (flights_.empty()) flights_.resize(static_cast<size_t>(warp.program().register_units));
  Flight& flight = flights_[slot];
  if (flight.group == 0) slots_.push_back(slot);
  flight.group = open_;
  flight.use = use;
  flight.poison = poison;
  flight.op = &op;
  std::memcpy(flight.value.data(), warp.lanes<uint32_t>(slot), sizeof(flight.value));
  if (accumulator) warp.set_poison(slot, kAllLanes, kAllLanes);
}

void WgmmaState::commit(VectorClock clock) {
  ++open_;
  committed_.push_back(std::move(clock));
}

VectorClock WgmmaState::wait(Warp& warp, int64_t pending) {
  VectorClock clock;
  while (static_cast<int64_t>(committed_.size()) > pending) {
    RaceDetector::join(clock, committed_.front());
    committed_.pop_front();
  }
  const uint32_t oldest = open_ - static_cast<uint32_t>(committed_.size());  // that is still in flight
  auto lands = [&](Slot slot) {
    Flight& flight = flights_[slot];
    if (flight.group >= oldest) return false;
    check_unchanged(warp, slot);
    if (flight.use == Use::kAccumulator) warp.set_poison(slot, kAllLanes, flight.poison);
    flight.group = 0;
    return true;
  };
  slots_.erase(std::remove_if(slots_.begin(), slots_.end(), lands), slots_.end());
  warp.wgmma_in_flight = !slots_.empty();
  return clock;
}

}  // namespace tenon::emulator
