// copies.h: the decoders of `cp`, a file each kind of copy.
#pragma once
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

void decode_cp_async(Decoder& decoder);  ///< cp.async: 4 to 16 bytes a lane, its groups, its mbarrier arrival

}  // namespace tenon::emulator
