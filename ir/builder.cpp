// builder.cpp: nodes with inferred types.
#include "ir/builder.h"

#include "ir/infer.h"

namespace tenon {

Builder Builder::before(Node* node) {
  Builder builder(node->graph(), node);
  builder.at(node->location, node->scope());
  return builder;
}

Builder& Builder::at(Location location, llvm::StringRef scope) {
  location_ = std::move(location);
  scope_ = scope.str();
  return *this;
}

Node* Builder::make_node(Op op, llvm::ArrayRef<Value*> operands, Attributes attributes, const Type* given) {
  llvm::SmallVector<Type, 4> types;
  for (const Value* operand : operands) types.push_back(operand->type());
  auto results = infer(op, types, attributes, given, location_);
  return graph_.create(op, operands, std::move(attributes), results, location_, scope_, before_);
}

Value* Builder::make(Op op, llvm::ArrayRef<Value*> operands, Attributes attributes, const Type* given) {
  return make_node(op, operands, std::move(attributes), given)->result();
}

Value* Builder::source(Op op, llvm::StringRef name, Type type, Attributes attributes) {
  if (op != Op::kParameter) attributes.set("name", name.str());
  Value* value = make(op, {}, std::move(attributes), &type);
  value->set_name(name);
  return value;
}

Value* Builder::constant(double value, DType dtype, llvm::ArrayRef<Dim> shape) {
  Type type{dtype, Shape(shape.begin(), shape.end())};
  return make(Op::kConstant, {}, {{"value", value}}, &type);
}

Value* Builder::cast(Value* x, DType dtype) {
  Type type{dtype, {}};
  return x->type().dtype == dtype ? x : make(Op::kCast, {x}, {}, &type);
}

Value* Builder::matmul(Value* a, Value* b, bool transpose_a, bool transpose_b) {
  return make(Op::kMatmul, {a, b}, {{"transpose_a", transpose_a}, {"transpose_b", transpose_b}});
}

Value* Builder::reshape(Value* x, llvm::ArrayRef<Dim> shape) {
  Type type{x->type().dtype, Shape(shape.begin(), shape.end())};
  return make(Op::kReshape, {x}, {}, &type);
}

Value* Builder::expand(Value* x, llvm::ArrayRef<Dim> shape) {
  Type type{x->type().dtype, Shape(shape.begin(), shape.end())};
  return make(Op::kExpand, {x}, {}, &type);
}

Value* Builder::transpose(Value* x, llvm::ArrayRef<int64_t> perm) {
  Shape dims(perm.begin(), perm.end());
  return make(Op::kTranspose, {x}, {{"perm", dims}});
}

Value* Builder::slice(Value* x, int64_t axis, Dim start, Dim count, int64_t step) {
  Type type = x->type();
  type.shape[axis < 0 ? axis + type.rank() : axis] = count;
  return make(Op::kSlice, {x}, {{"axis", Dim(axis)}, {"start", start}, {"step", Dim(step)}}, &type);
}

Value* Builder::reduce(Op op, Value* x, llvm::ArrayRef<int64_t> axes, bool keepdims) {
  Shape dims(axes.begin(), axes.end());
  return make(op, {x}, {{"axes", dims}, {"keepdims", keepdims}});
}

}  // namespace tenon
