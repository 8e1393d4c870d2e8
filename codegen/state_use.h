// state_use.h: where the new values of states may be written: who still needs the old ones.
#pragma once
#include "ir/graph.h"
#include "llvm/ADT/DenseMap.h"

namespace tenon {

/// True for a region that is a view: its result is its operand's bytes.
bool is_view_node(const Node& node);

/// The value whose bytes `value` is, all of them: itself, or what views of its whole storage lead back to.
const Value* storage_of(const Value* value);

/// The states of an outlined graph, whose regions run in its order.
class StateUse {
 public:
  explicit StateUse(const Graph& graph);

  /// The state whose new value `result` is, itself or through views of all its bytes; nullptr for none. Of several such
  /// states the first.
  const Value* updated_by(const Value* result) const { return updates_.lookup(result); }

  enum class Needed { kBefore, kBy, kAfter };
  /// Whether the state's old value is needed up to a region, by itself last, or afterwards: by a later region, as an output,
  /// or as another state's new value.
  Needed old_value(const Value* state, const Node& region) const;
  /// True where the old value must be there when the run ends.
  bool is_kept(const Value* state) const { return last_.lookup(state) == kEnd; }
  /// The state and the views of it.
  llvm::ArrayRef<const Value*> values(const Value* state) const;

 private:
  static constexpr int kEnd = 1 << 30;
  void read(const Value* value, int when);

  llvm::DenseMap<const Value*, const Value*> updates_;  // result → state
  llvm::DenseMap<const Value*, const Value*> behind_;   // states and their views → state
  llvm::DenseMap<const Value*, llvm::SmallVector<const Value*, 2>> views_;
  llvm::DenseMap<const Value*, int>
      last_;  // state → number of the last region that reads its old value; kEnd
  llvm::DenseMap<const Node*, int> number_;
};

}  // namespace tenon
