// experts.h: the family of products with chosen matrices: mixtures of experts.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// Takes regions of Pattern::kExperts in f32, bf16 and f16; see codegen/families/README.md.
const EmittingFamily& experts_family();

}  // namespace tenon
