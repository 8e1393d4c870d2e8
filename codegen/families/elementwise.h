// elementwise.h: the family of elementwise ops and index maps.
#pragma once
#include "codegen/family.h"

namespace tenon {

const EmittingFamily& elementwise_family();

}  // namespace tenon
