// lane_group.h: the lanes of a warp that are at one place, and why they are not running.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "runtime/emulator/program/op.h"

namespace tenon::emulator {

/// Why a group does not run before the others had a turn.
enum class Parked : uint8_t {
  kNo,
  kYielded,    ///< after a failed poll, or at the end of its quantum
  kWaiting,    ///< at an instruction that retries, until something outside of the warp changes
  kGathering,  ///< at a collective, until other lanes of the warp come
};

/// Lanes at one place. A warp has one group when it is converged.
struct LaneGroup {
  int32_t pc = 0;
  LaneMask lanes = 0;
  Parked parked = Parked::kNo;
  uint64_t ticket = 0;         ///< of a wait in progress (a barrier's generation); 0: none
  std::vector<int32_t> calls;  ///< return addresses
  std::string waits;           ///< what for, where a report asked
};

}  // namespace tenon::emulator
