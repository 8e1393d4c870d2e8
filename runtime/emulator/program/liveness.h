// liveness.h: from where to where each register holds a value that something may still read.
#pragma once
#include <vector>

#include "runtime/emulator/program/flow.h"

namespace tenon::emulator {

/// Ops of the text, both included; first > last: nothing mentions the register.
struct LiveRange {
  int first = 0, last = -1;
};

/// By register. A range is the hull of all places where the register is live on some path. One that may be read before
/// it is written is live from the function's start, so that its slot is its own until then and still reads as poison.
/// Lanes that diverge need no more: each lane follows one path, and writes are masked. What a wgmma has in flight lives
/// up to the next wgmma.wait_group 0 of the text (or the end), round the loops between.
std::vector<LiveRange> live_ranges(const FunctionCode& code, const Flow& flow);

}  // namespace tenon::emulator
