// simplify_movement.h: the part of simplify that looks at movement.
#pragma once
#include "ir/graph.h"

namespace tenon {

/// A simpler value in place of a movement's result (which may be a new node in front of it), or null.
Value* simplify_movement(Node& node);

}  // namespace tenon
