// slots.h: a place in the register file for each register: those that are never live together share one.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/emulator/program/liveness.h"

namespace tenon::emulator {

struct Slots {
  std::vector<int32_t>
      of;  ///< by register: the first of its units, or the predicate's number; -1: never mentioned
  int64_t units = 0, predicates = 0;  ///< that a function needs
  int64_t most_live = 0;              ///< units that are live at once
};

/// Linear scan (Poletto and Sarkar 1999) without spilling. `units` as in FunctionCode. Registers that one op mentions
/// never share, so handlers may write a result before they have read all operands. Nor do registers of different widths: lanes
/// that diverge are at different ops at the same time, and a lane's bytes in a wide register are other lanes' in a narrow one.
Slots assign_slots(const std::vector<int8_t>& units, const std::vector<LiveRange>& ranges);

}  // namespace tenon::emulator
