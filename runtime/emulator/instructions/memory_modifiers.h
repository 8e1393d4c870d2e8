// memory_modifiers.h: modifiers that ld, st, atom and red share.
#pragma once
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

/// Consumes hints that change no value: .L1::evict_first, .L2::128B and their kin. True where .L2::cache_hint stands
/// among them: then a cache policy is the last operand.
bool accept_cache_hints(Decoder& decoder);
/// Reads the cache policy, operand `i`, where accept_cache_hints() said that there is one.
void read_cache_policy(Decoder& decoder, int i);
/// Consumes .v2 .v4 .v8; 1 without.
int accept_vector(Decoder& decoder);

}  // namespace tenon::emulator
