// causal_mask.h: boolean masks that compare positions made of iotas: causal masks and sliding windows.
#pragma once
#include <optional>

#include "ir/graph.h"

namespace tenon {

/// Query i sees key j iff j <= i + shift (causal) or j > i + shift - 1 - ... (window): one comparison in the
/// form  row * i + column * j + constant + sign * scalar <= 0.
struct PositionBound {
  int64_t row = 0, column = 0, constant = 0;
  Value* scalar = nullptr;  ///< an integer of one element, or null
  int64_t sign = 0;         ///< of the scalar: -1 or 1
};

/// `condition` (bool, aligned to the right of [.., Tq, Tk]) as a bound on the positions of its last two axes.
std::optional<PositionBound> match_position_bound(Value* condition);

/// What attention's attributes and its operand `offset` say.
struct PositionMask {
  bool causal = false;
  int64_t window = 0;
  int64_t offset = 0;             ///< the constant part
  Value* offset_value = nullptr;  ///< the part known when the model runs, or null
};

/// Takes out of `conditions` (all of which must hold) those that attention expresses by causal, window and
/// offset; the others stay.
PositionMask take_position_bounds(llvm::SmallVectorImpl<Value*>& conditions, int64_t queries, int64_t keys);

}  // namespace tenon
