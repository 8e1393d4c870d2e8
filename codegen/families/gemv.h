// gemv.h: the family of products of few rows.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// Takes regions of pattern kProduct and kGated with 1 to 16 rows in f32, bf16 and f16; see
/// codegen/families/README.md.
const EmittingFamily& gemv_family();

}  // namespace tenon
