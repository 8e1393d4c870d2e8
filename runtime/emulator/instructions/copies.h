// copies.h: the decoders of `cp`, a file each kind of copy.
#pragma once
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

void decode_cp_async(Decoder& decoder);  ///< cp.async: 4 to 16 bytes a lane, its groups, its mbarrier arrival
void decode_bulk_copy(Decoder& decoder);    ///< cp.async.bulk and cp.reduce.async.bulk: runs of bytes
void decode_bulk_group(Decoder& decoder);   ///< cp.async.bulk.commit_group and wait_group
void decode_tensor_copy(Decoder& decoder);  ///< cp.async.bulk.tensor and its reductions and prefetch

}  // namespace tenon::emulator
