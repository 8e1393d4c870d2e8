// attention_scores.h: what stands between the softmax of an attention and its product of queries and keys.
#pragma once
#include <string>

#include "ir/graph.h"

namespace tenon {

/// Everything between the softmax and the product of queries and keys.
struct Scores {
  Node* product = nullptr;  ///< q @ k
  double scale = 1, softcap = 0;
  llvm::SmallVector<Value*, 4> conditions;  ///< bool: true where the query sees the key; all must hold
  Value* additive = nullptr;
  std::string reason;  ///< why it is no attention; "" where it is

  /// One condition, or the parts of a conjunction `depth` levels down.
  void add_condition(Value* condition, int depth = 4);
};

/// Reads the scores from the softmax's operand down to their product: scales, casts, a soft cap, masks. May
/// make nodes for negated conditions.
Scores read_scores(Value* value);

}  // namespace tenon
