// gemm.h: the family of tiled products.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// Takes regions of pattern kProduct and kGated in f32, bf16 and f16; see codegen/families/README.md.
const EmittingFamily& gemm_family();

}  // namespace tenon
