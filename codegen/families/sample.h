// sample.h: the family that draws tokens.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// Takes the op `sample` alone; see codegen/families/README.md.
const EmittingFamily& sample_family();

}  // namespace tenon
