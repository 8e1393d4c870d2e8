// attention_decode.h: the family of attention of few queries on many keys, which several blocks share.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// Takes regions of Pattern::kAttention whose queries, the heads of a key head packed, fill at most one tile of 16
/// rows: what attention_family() takes as well, with the keys shared out over blocks.
const EmittingFamily& attention_decode_family();

}  // namespace tenon
