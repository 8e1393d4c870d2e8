// row.h: the family of reductions and normalisations with elementwise heads and tails.
#pragma once
#include "codegen/family.h"

namespace tenon {

const EmittingFamily& row_family();

}  // namespace tenon
