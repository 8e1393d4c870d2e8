// builder.h: makes nodes with inferred types: the way to write a graph in code.
#pragma once
#include "ir/graph.h"

namespace tenon {

/// Adds nodes to a graph at one place, location and scope. Every call infers the result's type (infer.h) and
/// throws Error at the location when operands do not fit.
class Builder {
 public:
  explicit Builder(Graph& graph, Node* before = nullptr) : graph_(graph), before_(before) {}
  /// Place, location and scope of `node`: for rewrites that put something in its stead.
  static Builder before(Node* node);

  Builder& at(Location location, llvm::StringRef scope = {});
  Graph& graph() const { return graph_; }
  const Location& location() const { return location_; }

  Value* make(Op op, llvm::ArrayRef<Value*> operands, Attributes attributes = {},
              const Type* given = nullptr);
  Node* make_node(Op op, llvm::ArrayRef<Value*> operands, Attributes attributes = {},
                  const Type* given = nullptr);

  Value* source(Op op, llvm::StringRef name, Type type,
                Attributes attributes = {});  ///< input, weight, state, parameter
  Value* constant(double value, DType dtype, llvm::ArrayRef<Dim> shape = {});
  Value* cast(Value* x, DType dtype);  ///< x itself when it already has the type
  Value* matmul(Value* a, Value* b, bool transpose_a = false, bool transpose_b = false);
  Value* reshape(Value* x, llvm::ArrayRef<Dim> shape);
  Value* expand(Value* x, llvm::ArrayRef<Dim> shape);
  Value* transpose(Value* x, llvm::ArrayRef<int64_t> perm);
  Value* slice(Value* x, int64_t axis, Dim start, Dim count, int64_t step = 1);
  Value* reduce(Op op, Value* x, llvm::ArrayRef<int64_t> axes, bool keepdims);

 private:
  Graph& graph_;
  Node* before_;
  Location location_;
  std::string scope_;
};

}  // namespace tenon
