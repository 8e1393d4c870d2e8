// attention_operands.h: q, k, v and masks of a spelled-out attention in the form that the op takes: four
// axes.
#pragma once
#include "ir/builder.h"

namespace tenon {

/// The last two axes swapped.
Value* swap_last_axes(Builder& builder, Value* value);

/// [T, d], [N, T, d], [B, H, T, d] or [B, Hkv, G, T, d] (G queries of each key head, or 1 for keys) as
/// [B, H, T, d]; N counts as batch.
Value* with_four_axes(Builder& builder, Value* value);

/// A mask that broadcast to scores of `rank` axes, for scores of four axes as with_four_axes makes them; null
/// where that needs more than a reshape.
Value* mask_with_four_axes(Builder& builder, Value* mask, int64_t rank);

/// k or v before the expand that repeats each key head for its group of query heads: reshape(expand(x)) with
/// x [B, Hkv, 1, T, d] expanded to [B, Hkv, G, T, d]; `value` itself when it is not that.
Value* without_repeated_heads(Builder& builder, Value* value);

/// The gather of pages [P, H, page, d] by a table [B, n] that a value [B, H, n*page, d] is the tokens of, in order;
/// null where it is not that.
const Node* gathered_pages(const Value* value);

}  // namespace tenon
