// special_registers.h: what a thread may ask about itself: %tid, %clock, %lanemask_lt ...
#pragma once
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

/// Decodes "mov.type d, %special". Clocks and timers go on whenever somebody looks; equal runs see equal times.
void decode_special_register(Decoder& decoder, ptx::Type type);

}  // namespace tenon::emulator
