// view.h: the family of values that need no kernel.
#pragma once
#include "codegen/family.h"

namespace tenon {

const EmittingFamily& view_family();
/// Bytes from the start of the operand's storage to that of a view's (a contiguous slice's start; 0 for a
/// reshape).
int64_t view_offset(const Node& node);

}  // namespace tenon
