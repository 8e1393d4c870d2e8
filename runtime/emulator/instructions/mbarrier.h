// mbarrier.h: what copies do to mbarriers, and the opcode itself.
#pragma once
#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

/// An mbarrier where it lies.
struct MbarrierPlace {
  Mbarrier* state = nullptr;
  Block* block = nullptr;
  uint32_t address = 0;  ///< as the instruction gave it
  explicit operator bool() const { return state != nullptr; }
};

/// The live mbarrier at a 32-bit shared address; `access` is by whom (its kind does not count). Null, with a finding,
/// where there is none or its bytes were overwritten.
MbarrierPlace find_mbarrier(const Access& access, uint32_t address);
/// What a method of Mbarrier answered: a finding where it is not null. A phase that ended is progress.
void settle(const Access& access, const MbarrierPlace& place, const char* fault, uint32_t phase_before);
/// An engine's copy has delivered `bytes`: what `access.agent` did is released, and the bytes are no longer wanted.
void complete_bytes(const Access& access, const MbarrierPlace& place, int64_t bytes);

void decode_mbarrier(Decoder& decoder);

}  // namespace tenon::emulator
