// lower_movement.cpp: operations that move elements, and constants.
#include <algorithm>

#include "ir/infer.h"
#include "ir/lower_operations.h"

namespace tenon {
namespace {

Dim product_of(llvm::ArrayRef<Dim> dims) { return element_count_dim(dims); }

// The extent of a -1: the operand's extents over the other ones of the result, equal factors dropped first,
// so that [B, T, 768] reshaped to [-1, 768] is [B*T, 768].
Dim inferred_extent(Call& call, const Type& x, llvm::ArrayRef<Dim> others) {
  Shape over(x.shape.begin(), x.shape.end()), under;
  for (const Dim& other : others) {
    auto equal =
        llvm::find_if(over, [&](const Dim& d) { return d == other && d.symbol() == other.symbol(); });
    if (equal != over.end() && other.extent() != 0)
      over.erase(equal);
    else
      under.push_back(other);
  }
  Dim numerator = product_of(over), divisor = product_of(under);
  if (divisor.extent() == 0) call.fail_at("shape", "-1 has no answer beside an extent of 0");
  if (numerator.extent() % divisor.extent() != 0)
    call.fail_at("shape", x.text() + " does not divide into " + text_of(others));
  return floor_div(numerator, divisor);
}

/// A bound counted from the end when negative, then clamped to [low, high].
Dim clamp_bound(Dim bound, const Dim& extent, const Dim& low, const Dim& high) {
  if (bound.extent() < 0) bound = bound + extent;
  return bound.extent() < low.extent() ? low : bound.extent() > high.extent() ? high : bound;
}

Dim ceil_div(const Dim& a, int64_t b) { return b == 1 ? a : floor_div(a + Dim(b - 1), b); }

std::vector<int64_t> normalised(Call& call, int64_t rank) {
  std::vector<int64_t> axes;
  for (const Dim& axis : call.dims("axis")) {
    int64_t at = axis.extent() < 0 ? axis.extent() + rank : axis.extent();
    if (at < 0 || at >= rank)
      call.fail_at("axis", "axis " + axis.text() + " is outside rank " + std::to_string(rank));
    axes.push_back(at);
  }
  std::sort(axes.begin(), axes.end());
  if (std::adjacent_find(axes.begin(), axes.end()) != axes.end())
    call.fail_at("axis", "an axis stands twice");
  return axes;
}

void check_extents(Call& call, llvm::ArrayRef<Dim> shape) {
  if (shape.size() > kMaxRank)
    call.fail_at("shape", "a tensor has at most " + std::to_string(kMaxRank) + " axes");
  for (const Dim& d : shape)
    if (d.extent() < 0) call.fail_at("shape", "negative extent in " + text_of(shape));
}

}  // namespace

Operands lower_reshape(Call& call) {
  Value* x = call.tensor("x");
  Shape shape = call.dims("shape");
  if (shape.size() > kMaxRank) check_extents(call, shape);
  auto minus_one = [](const Dim& d) { return d.extent() == -1; };
  auto hole = llvm::find_if(shape, minus_one);
  if (hole != shape.end()) {
    if (llvm::count_if(shape, minus_one) > 1) call.fail_at("shape", "one extent of -1 at most");
    size_t at = hole - shape.begin();
    Shape others = shape;
    others.erase(others.begin() + at);
    check_extents(call, others);
    shape[at] = inferred_extent(call, x->type(), others);
  }
  check_extents(call, shape);
  return {call.builder.reshape(x, shape)};
}

Operands lower_transpose(Call& call) {
  Value* x = call.tensor("x");
  int64_t rank = x->type().rank();
  llvm::SmallVector<int64_t, 6> perm;
  if (call.given("perm")) {
    for (const Dim& axis : call.dims("perm"))
      perm.push_back(axis.extent() < 0 && axis.extent() >= -rank ? axis.extent() + rank : axis.extent());
  } else {
    if (rank < 2) call.fail("needs two axes to swap, not " + x->type().text());
    for (int64_t i = 0; i < rank; ++i) perm.push_back(i);
    std::swap(perm[rank - 2], perm[rank - 1]);
  }
  return {call.builder.transpose(x, perm)};
}

Operands lower_slice(Call& call) {
  Value* x = call.tensor("x");
  int64_t axis = call.axis("axis", x->type().rank()), step = call.integer("step").extent();
  Dim extent = x->type().shape[axis], start = call.integer("start"), stop = call.integer("stop"), count = 0;
  if (step == 0) call.fail_at("step", "a step of 0");
  if (step > 0) {
    start = clamp_bound(start, extent, 0, extent);
    stop = clamp_bound(stop, extent, 0, extent);
    if (stop.extent() > start.extent()) count = ceil_div(stop - start, step);
  } else if (extent.extent() > 0) {
    start = clamp_bound(start, extent, 0, extent - Dim(1));
    stop = clamp_bound(stop, extent, -1, extent - Dim(1));
    if (start.extent() > stop.extent()) count = ceil_div(start - stop, -step);
  }
  if (count.extent() == 0) start = 0;
  return {call.builder.slice(x, axis, start, count, step)};
}

Operands lower_split(Call& call) {
  Value* x = call.tensor("x");
  int64_t axis = call.axis("axis", x->type().rank());
  Dim extent = x->type().shape[axis];
  if (call.given("parts") == call.given("sizes"))
    call.fail("needs either parts or sizes", call.operation.signature);
  Shape sizes;
  if (call.given("sizes")) {
    sizes = call.dims("sizes");
    Dim total = 0;
    for (const Dim& size : sizes) {
      if (size.extent() < 0) call.fail_at("sizes", "a negative size");
      total = total + size;
    }
    if (total != extent)
      call.fail_at("sizes", "sizes sum to " + total.text() + ", the axis has " + extent.text());
  } else {
    int64_t parts = call.integer("parts").extent();
    if (parts < 1 || parts > 65536) call.fail_at("parts", "parts must be between 1 and 65536");
    if (extent.extent() % parts != 0)
      call.fail_at("parts", "an axis of " + extent.text() + " does not split into " + std::to_string(parts) +
                                " equal parts");
    sizes.assign(parts, floor_div(extent, parts));
  }
  Operands result;
  Dim start = 0;
  for (const Dim& size : sizes) {
    result.push_back(call.builder.slice(x, axis, start, size));
    start = start + size;
  }
  return result;
}

Operands lower_concat(Call& call) {
  std::vector<Operand> operands = call.variadic();
  llvm::SmallVector<Value*, 4> values;
  for (const Operand& operand : operands) {
    if (!operand.is_tensor()) call.fail("joins tensors, not " + describe(operand));
    values.push_back(operand.tensor);
  }
  int64_t axis = call.axis("axis", values[0]->type().rank());
  return {call.builder.make(Op::kConcat, values, {{"axis", Dim(axis)}})};
}

Operands lower_expand(Call& call) {
  Value* x = call.tensor("x");
  Shape shape = call.dims("shape");
  check_extents(call, shape);
  return {
      call.builder.expand(x, broadcast(x->type().shape, shape, call.location()))};  // both ways, as in ONNX
}

Operands lower_squeeze(Call& call) {
  Value* x = call.tensor("x");
  Shape shape = x->type().shape;
  std::vector<int64_t> axes = normalised(call, x->type().rank());
  for (size_t i = axes.size(); i-- > 0;) {
    if (shape[axes[i]].extent() != 1)
      call.fail_at("axis", "axis " + std::to_string(axes[i]) + " of " + x->type().text() + " is not 1");
    shape.erase(shape.begin() + axes[i]);
  }
  return {call.builder.reshape(x, shape)};
}

Operands lower_unsqueeze(Call& call) {
  Value* x = call.tensor("x");
  Shape shape = x->type().shape;
  int64_t added = call.is_list("axis") ? static_cast<int64_t>(call.dims("axis").size()) : 1;
  for (int64_t axis : normalised(call, x->type().rank() + added)) shape.insert(shape.begin() + axis, Dim(1));
  return {call.builder.reshape(x, shape)};
}

Operands lower_pad(Call& call) {
  Value* x = call.tensor("x");
  Operand value = call.operand("value");
  if (!value.is_number()) call.fail_at("value", "value must be a number, not " + describe(value));
  const bool nothing =
      x->type().dtype == DType::kBool && value.number.value == 0;  // the default of every type
  if (!nothing) check_fits(value.number, x->type().dtype, call.location());
  return {call.builder.make(
      Op::kPad, {x},
      {{"before", call.dims("before")}, {"after", call.dims("after")}, {"value", value.number.value}})};
}

Operands lower_gather(Call& call) {
  Value *x = call.tensor("x"), *index = call.tensor_or_constant("index", DType::kI64);
  return {call.builder.make(Op::kGather, {x, index}, {{"axis", Dim(call.axis("axis", x->type().rank()))}})};
}

Operands lower_embedding(Call& call) {
  Value *table = call.tensor("table"), *ids = call.tensor_or_constant("ids", DType::kI64);
  if (table->type().rank() != 2)
    call.fail_at("table", "the table must be [entries, width], not " + table->type().text());
  return {call.builder.make(Op::kGather, {table, ids}, {{"axis", Dim(0)}})};
}

Operands lower_scatter(Call& call) {
  Value *x = call.tensor("x"), *index = call.tensor("index"), *updates = call.tensor("updates");
  return {call.builder.make(Op::kScatter, {x, index, updates},
                            {{"axis", Dim(call.axis("axis", x->type().rank()))}})};
}

Operands lower_iota(Call& call) {
  Dim n = call.integer("n");
  DType dtype = call.dtype("dtype");
  if (n.extent() < 0) call.fail_at("n", "a negative extent");
  if (dtype == DType::kBool) call.fail_at("dtype", "does not make bool");
  Type type{dtype, {n}};
  return {call.builder.make(Op::kIota, {}, {}, &type)};
}

Operands lower_full(Call& call) {
  Shape shape = call.dims("shape");
  check_extents(call, shape);
  Operand value = call.operand("value");
  if (!value.is_number())
    call.fail_at("value", "value must be a number, not " + describe(value),
                 "expand(x, shape=) repeats a tensor");
  return {typed_constant(call.builder, value.number, call.dtype("dtype"), call.location(), shape)};
}

}  // namespace tenon
