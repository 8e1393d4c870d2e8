// attention_operands.cpp: reshapes around a recognised attention.
#include "passes/attention_operands.h"

#include "passes/match.h"

namespace tenon {

Value* swap_last_axes(Builder& builder, Value* value) {
  Extents perm;
  for (int64_t i = 0; i < value->type().rank(); ++i) perm.push_back(i);
  std::swap(perm[perm.size() - 1], perm[perm.size() - 2]);
  return builder.transpose(value, perm);
}

Value* with_four_axes(Builder& builder, Value* value) {
  const Shape& s = value->type().shape;
  switch (s.size()) {
    case 2: return builder.reshape(value, {1, 1, s[0], s[1]});
    case 3: return builder.reshape(value, {s[0], 1, s[1], s[2]});
    case 5: return builder.reshape(value, {s[0], s[1] * s[2], s[3], s[4]});
    default: return value;
  }
}

Value* mask_with_four_axes(Builder& builder, Value* mask, int64_t rank) {
  mask = strip_leading_ones(strip_expand(mask));
  int64_t own = mask->type().rank();
  if (own <= 2 || rank == 4) return mask;
  bool fits = own == rank;
  if (rank == 5 && fits) {
    int64_t key_heads = mask->type().shape[1].extent(), group = mask->type().shape[2].extent();
    fits = (key_heads == 1) == (group == 1);
  }
  return fits ? with_four_axes(builder, mask) : nullptr;
}

Value* without_repeated_heads(Builder& builder, Value* value) {
  const Node& merge = *value->node();
  if (merge.op() != Op::kReshape || value->type().rank() != 4) return value;
  const Node& repeat = *merge.operand(0)->node();
  if (repeat.op() != Op::kExpand || repeat.type().rank() != 5 || repeat.operand(0)->type().rank() != 5)
    return value;
  const Shape &wide = repeat.type().shape, &narrow = repeat.operand(0)->type().shape,
              &whole = value->type().shape;
  bool repeats = narrow[2].extent() == 1 && wide[0] == narrow[0] && wide[1] == narrow[1] &&
                 wide[3] == narrow[3] && wide[4] == narrow[4];
  bool merges = whole[0] == wide[0] && whole[2] == wide[3] && whole[3] == wide[4];
  if (!repeats || !merges) return value;
  return builder.reshape(repeat.operand(0), {narrow[0], narrow[1], narrow[3], narrow[4]});
}

const Node* gathered_pages(const Value* value) {
  const Node& merge = *value->node();
  if (merge.op() != Op::kReshape || value->type().rank() != 4) return nullptr;
  const Node* turn = merge.operand(0)->node();
  const bool turned = turn->op() == Op::kTranspose && turn->type().rank() == 5 &&
                      turn->attributes.integers("perm") == Extents{0, 2, 1, 3, 4};
  const Node* gather = turned ? turn->operand(0)->node() : turn;
  if (gather->op() != Op::kGather || gather->attributes.integer("axis") != 0) return nullptr;
  const Shape &pool = gather->operand(0)->type().shape, &table = gather->operand(1)->type().shape,
              &whole = value->type().shape;
  if (pool.size() != 4 || table.size() != 2) return nullptr;
  const bool in_order = turned || pool[1].extent() == 1 || table[1].extent() == 1;
  const bool fits = whole[0] == table[0] && whole[1] == pool[1] &&
                    whole[2].extent() == (table[1] * pool[2]).extent() && whole[3] == pool[3];
  return in_order && fits ? gather : nullptr;
}

}  // namespace tenon
