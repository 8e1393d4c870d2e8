// attention.h: the family of attention kernels: online softmax over tiles of keys, on tensor cores or in
// exact f32.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// Takes regions of Pattern::kAttention: one attention whose operands, mask and result strides express.
const EmittingFamily& attention_family();

}  // namespace tenon
