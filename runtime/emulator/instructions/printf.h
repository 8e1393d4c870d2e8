// printf.h: what kernels print.
#pragma once
#include "runtime/emulator/program/op.h"

namespace tenon::emulator {

/// A call of vprintf(format, arguments). Words: the offsets in local memory of its two parameters (8 bytes each: the generic
/// addresses of the format and of the packed arguments) and of its result (s32), -1 where the call takes none.
Outcome run_vprintf(Warp& warp, const Op& op, LaneMask active);

}  // namespace tenon::emulator
