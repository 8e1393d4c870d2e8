// graph.h: a graph of operations in SSA form: nodes in topological order, values with types, users and names.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ir/attributes.h"
#include "ir/location.h"
#include "ir/op.h"
#include "ir/shape.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/ilist.h"
#include "llvm/ADT/ilist_node.h"
#include "llvm/Support/Allocator.h"
#include "llvm/Support/StringSaver.h"

namespace tenon {

class Graph;
class Node;

/// One result of a node. Lives and dies with it; its address is stable.
class Value {
 public:
  Node* node() const { return node_; }
  int index() const { return index_; }
  const Type& type() const { return type_; }
  void set_type(Type type) { type_ = std::move(type); }
  /// The model's own name ("h"), not unique; "" for an intermediate that the user did not name.
  llvm::StringRef name() const { return name_; }
  void set_name(llvm::StringRef name);

  /// One entry for each operand slot that holds this value.
  llvm::ArrayRef<Node*> users() const { return users_; }
  /// Held as an output or as a state's new value.
  bool is_result() const { return held_ > 0; }
  bool unused() const { return users_.empty() && held_ == 0; }
  /// True when `user` is the only node that reads it and the graph does not hold it.
  bool only_used_by(const Node* user) const;

 private:
  friend class Node;
  friend class Graph;
  Node* node_ = nullptr;
  int index_ = 0;
  int held_ = 0;
  Type type_;
  llvm::StringRef name_;
  llvm::SmallVector<Node*, 2> users_;
};

/// One operation. Made and destroyed by its Graph.
class Node : public llvm::ilist_node<Node> {
 public:
  ~Node();
  Op op() const { return op_; }
  OpKind kind() const { return kind_of(op_); }
  Graph& graph() const { return *graph_; }
  llvm::ArrayRef<Value*> operands() const { return operands_; }
  Value* operand(int i) const { return operands_[i]; }
  int operand_count() const { return static_cast<int>(operands_.size()); }
  void set_operand(int i, Value* value);
  int result_count() const { return static_cast<int>(results_.size()); }
  Value* result(int i = 0) { return results_[i].get(); }
  const Value* result(int i = 0) const { return results_[i].get(); }
  const Type& type(int i = 0) const { return results_[i]->type(); }

  Attributes attributes;
  Location location;
  /// The block path of the equation: "layer.3"; "" at the top level.
  llvm::StringRef scope() const { return scope_; }
  void set_scope(llvm::StringRef scope);
  /// The body of a fused region, shared by regions of equal structure; null for every other op.
  std::shared_ptr<const Graph> body;

 private:
  friend class Graph;
  friend class Value;
  Node() = default;
  Graph* graph_ = nullptr;
  Op op_ = Op::kConstant;
  llvm::StringRef scope_;
  llvm::SmallVector<Value*, 4> operands_;
  llvm::SmallVector<std::unique_ptr<Value>, 1> results_;
};

/// A whole model for one binding of its dims, or the body of a region. Owns its nodes.
class Graph {
 public:
  struct Output {
    std::string name;
    Value* value;
  };
  struct StateUpdate {
    Node* state;   ///< the kState node
    Value* value;  ///< its value after the run
  };

  Graph() : saver_(allocator_) {}
  ~Graph();
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  /// Appends a node, or puts it before `before`. Result types are the caller's (infer.h makes them; Builder
  /// does both).
  Node* create(Op op, llvm::ArrayRef<Value*> operands, Attributes attributes, llvm::ArrayRef<Type> results,
               Location location = {}, llvm::StringRef scope = {}, Node* before = nullptr);
  /// Nobody may use its results any more.
  void erase(Node* node);
  void move_before(Node* node, Node* before);
  /// Users, outputs and state updates of `from` take `to` instead; `to` takes the name if it has none.
  void replace_all_uses(Value* from, Value* to);

  void add_output(llvm::StringRef name, Value* value);
  void set_output(int i, Value* value);
  void add_state_update(Node* state, Value* value);
  llvm::ArrayRef<Output> outputs() const { return outputs_; }
  llvm::ArrayRef<StateUpdate> state_updates() const { return state_updates_; }

  /// Nodes in topological order. Iterate with llvm::make_early_inc_range when erasing.
  llvm::iplist<Node>& nodes() { return nodes_; }
  const llvm::iplist<Node>& nodes() const { return nodes_; }
  int node_count() const { return count_; }
  /// Nodes that compute: all but sources.
  int op_count() const;

  /// A deep copy; `map`, where given, receives the copy of each value.
  std::unique_ptr<Graph> clone(llvm::DenseMap<const Value*, Value*>* map = nullptr) const;
  llvm::StringRef save(llvm::StringRef text) { return saver_.save(text); }

 private:
  void hold(Value* value, int by) { value->held_ += by; }

  llvm::BumpPtrAllocator allocator_;
  llvm::UniqueStringSaver saver_;
  llvm::iplist<Node> nodes_;
  std::vector<Output> outputs_;
  std::vector<StateUpdate> state_updates_;
  int count_ = 0;
};

/// Copies `node` into `target` (before `before`, or at the end) with operands looked up in `map`, which
/// receives its results. Bodies are shared.
Node* copy_node(const Node& node, Graph& target, llvm::DenseMap<const Value*, Value*>& map,
                Node* before = nullptr);

/// The operand that an optional attribute flag announces (attention's "mask", layernorm's "bias", ...), or
/// null.
Value* optional_operand(const Node& node, llvm::StringRef flag);

}  // namespace tenon
