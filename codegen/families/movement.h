// movement.h: the family of writes into a larger tensor: caches and scatter.
#pragma once
#include "codegen/family.h"

namespace tenon {

const EmittingFamily& movement_family();

}  // namespace tenon
