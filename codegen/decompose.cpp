// decompose.cpp: the definitions of the composite row ops, of rope, of quantised weights and of products without kernels of
// their own, in terms of simpler ops.
#include "codegen/decompose.h"

#include <cmath>

#include "ir/builder.h"
#include "llvm/ADT/STLExtras.h"

namespace tenon {
namespace {

using Axes = llvm::SmallVector<int64_t, 4>;

/// The axes that a normalisation reads whole.
Axes row_axes(const Node& node, bool and_later) {
  const int64_t rank = node.operand(0)->type().rank();
  const int64_t axis = (node.attributes.integer("axis", -1) + rank) % std::max<int64_t>(rank, 1);
  Axes axes;
  for (int64_t i = axis; i < (and_later ? rank : std::min(axis + 1, rank)); ++i) axes.push_back(i);
  return axes;
}

Value* centred_square_mean(Builder& b, Value* distance, const Axes& axes) {
  return b.reduce(Op::kMean, b.make(Op::kMul, {distance, distance}), axes, true);
}

Value* rstd(Builder& b, Value* mean_square, double eps) {
  return b.make(Op::kRsqrt, {b.make(Op::kAdd, {mean_square, b.constant(eps, mean_square->type().dtype)})});
}

llvm::SmallVector<Value*, 2> softmax(Builder& b, const Node& node, bool log) {
  Value* x = node.operand(0);
  const Axes axes = row_axes(node, false);
  Value* shifted = b.make(Op::kSub, {x, b.reduce(Op::kMax, x, axes, true)});
  Value* e = b.make(Op::kExp, {shifted});
  Value* sum = b.reduce(Op::kSum, e, axes, true);
  if (log) return {b.make(Op::kSub, {shifted, b.make(Op::kLog, {sum})})};
  return {b.make(Op::kDiv, {e, sum})};
}

llvm::SmallVector<Value*, 2> layernorm(Builder& b, const Node& node) {
  Value* x = node.operand(0);
  const Axes axes = row_axes(node, true);
  Value* distance = b.make(Op::kSub, {x, b.reduce(Op::kMean, x, axes, true)});
  Value* y = b.make(Op::kMul, {distance, rstd(b, centred_square_mean(b, distance, axes),
                                              node.attributes.number("eps", 1e-5))});
  if (Value* weight = optional_operand(node, "weight")) y = b.make(Op::kMul, {y, weight});
  if (Value* bias = optional_operand(node, "bias")) y = b.make(Op::kAdd, {y, bias});
  return {y};
}

llvm::SmallVector<Value*, 2> rmsnorm(Builder& b, const Node& node) {
  Value* x = node.operand(0);
  Value* y = b.make(Op::kMul, {x, rstd(b, centred_square_mean(b, x, row_axes(node, true)),
                                       node.attributes.number("eps", 1e-6))});
  if (Value* weight = optional_operand(node, "weight")) y = b.make(Op::kMul, {y, weight});
  return {y};
}

llvm::SmallVector<Value*, 2> moments(Builder& b, const Node& node) {
  Value* x = b.cast(node.operand(0), DType::kF32);
  const Axes axes = row_axes(node, true);
  Value *mean, *distance = x;
  if (node.attributes.flag("rms")) {
    mean = b.constant(0, DType::kF32, node.type(0).shape);
  } else {
    mean = b.reduce(Op::kMean, x, axes, true);
    distance = b.make(Op::kSub, {x, mean});
  }
  return {mean, rstd(b, centred_square_mean(b, distance, axes), node.attributes.number("eps", 1e-5))};
}

/// Inverse frequencies: the given table, or theta ** (-2p / rotary_dim), computed where it is used.
Value* frequencies(Builder& b, const Node& node, int64_t rotary) {
  if (Value* table = optional_operand(node, "frequencies")) return table;
  const Type type{DType::kF32, {Dim(rotary / 2)}};
  const double exponent =
      -2.0 * std::log(node.attributes.number("theta", 10000.0)) / static_cast<double>(rotary);
  return b.make(Op::kExp,
                {b.make(Op::kMul, {b.make(Op::kIota, {}, {}, &type), b.constant(exponent, DType::kF32)})});
}

/// Each token's position, f32 [B or 1, 1, T or 1, 1]; a scalar or [B, 1] holds the first token's.
Value* position_column(Builder& b, Value* position, Dim tokens) {
  const Shape shape = position->type().shape;
  Value* p = shape.size() == 2
                 ? b.reshape(position, {shape[0], Dim(1), shape[1], Dim(1)})
                 : b.reshape(position, {Dim(1), Dim(1), shape.empty() ? Dim(1) : shape[0], Dim(1)});
  if (tokens.extent() != 1 && (shape.empty() || (shape.size() == 2 && shape[1].extent() == 1))) {
    const Type type{position->type().dtype, {tokens}};
    p = b.make(Op::kAdd, {p, b.reshape(b.make(Op::kIota, {}, {}, &type), {Dim(1), Dim(1), tokens, Dim(1)})});
  }
  return b.cast(p, DType::kF32);
}

llvm::SmallVector<Value*, 2> rope(Builder& b, const Node& node) {
  Value* x = node.operand(0);
  const DType type = x->type().dtype;
  const Shape shape = x->type().shape;
  const int64_t d = shape[3].extent(), rotary = node.attributes.integer("rotary_dim", d), half = rotary / 2;
  Value* angle =
      b.make(Op::kMul, {position_column(b, node.operand(1), shape[2]), frequencies(b, node, rotary)});
  Value *cosine = b.make(Op::kCos, {angle}), *sine = b.make(Op::kSin, {angle});
  if (const double scale = node.attributes.number("scale", 1.0); scale != 1.0) {
    cosine = b.make(Op::kMul, {cosine, b.constant(scale, DType::kF32)});
    sine = b.make(Op::kMul, {sine, b.constant(scale, DType::kF32)});
  }
  const bool interleaved = node.attributes.flag("interleaved");
  const int64_t step = interleaved ? 2 : 1;
  Value* first = b.cast(b.slice(x, 3, 0, half, step), DType::kF32);
  Value* second = b.cast(b.slice(x, 3, interleaved ? 1 : half, half, step), DType::kF32);
  Value* low = b.make(Op::kSub, {b.make(Op::kMul, {first, cosine}), b.make(Op::kMul, {second, sine})});
  Value* high = b.make(Op::kAdd, {b.make(Op::kMul, {second, cosine}), b.make(Op::kMul, {first, sine})});
  Value* turned;
  if (interleaved) {
    Shape pairs = low->type().shape;
    pairs.push_back(Dim(1));
    turned = b.make(Op::kConcat, {b.reshape(low, pairs), b.reshape(high, pairs)}, {{"axis", Dim(4)}});
    turned = b.reshape(turned, {shape[0], shape[1], shape[2], Dim(rotary)});
  } else {
    turned = b.make(Op::kConcat, {low, high}, {{"axis", Dim(3)}});
  }
  if (rotary < d)
    turned = b.make(Op::kConcat, {turned, b.cast(b.slice(x, 3, rotary, Dim(d - rotary)), DType::kF32)},
                    {{"axis", Dim(3)}});
  return {b.cast(turned, type)};
}

/// The sum over k of a[.., m, 1, k] * b[.., 1, n, k], narrow floats in f32: for types that no product kernel has.
llvm::SmallVector<Value*, 2> matmul(Builder& b, const Node& node) {
  const DType type = node.type().dtype, wide = is_float(type) ? DType::kF32 : type;
  const auto lines = [&](int which, llvm::StringRef transposed, bool k_last) {
    Value* x = b.cast(node.operand(which), wide);
    const int64_t rank = x->type().rank();
    Shape shape = x->type().shape;
    if (rank > 1 && node.attributes.flag(transposed.data()) == k_last) {
      Axes perm;
      for (int64_t i = 0; i < rank; ++i) perm.push_back(i);
      std::swap(perm[rank - 1], perm[rank - 2]);
      x = b.transpose(x, perm);
      shape = x->type().shape;
    }
    if (rank == 1) shape.insert(shape.begin(), Dim(1));
    shape.insert(shape.end() - (which == 0 ? 1 : 2), Dim(1));  // [.., m, 1, k] and [.., 1, n, k]
    return b.reshape(x, shape);
  };
  Value* products = b.make(Op::kMul, {lines(0, "transpose_a", true), lines(1, "transpose_b", false)});
  Value* sums = b.reduce(Op::kSum, products, {products->type().rank() - 1}, false);
  return {b.reshape(b.cast(sums, type), node.type().shape)};
}

/// The elements of a group side by side, times its scale.
llvm::SmallVector<Value*, 2> dequantise(Builder& b, const Node& node) {
  Value *x = node.operand(0), *scales = node.operand(1);
  const Shape shape = node.type().shape;
  if (x->type().dtype == DType::kU8) {
    const auto number = [&](int value) { return b.constant(value, DType::kI32); };
    x = b.cast(x, DType::kI32);
    Shape pairs = x->type().shape;
    pairs.push_back(Dim(1));
    Value* high = b.make(Op::kDiv, {x, number(16)});
    Value* low = b.make(Op::kSub, {x, b.make(Op::kMul, {high, number(16)})});
    x = b.make(Op::kConcat, {b.reshape(low, pairs), b.reshape(high, pairs)},
               {{"axis", Dim(static_cast<int64_t>(shape.size()))}});
    x = b.make(Op::kWhere, {b.make(Op::kGreater, {x, number(7)}), b.make(Op::kSub, {x, number(16)}), x});
  }
  Shape groups = scales->type().shape, one = groups;
  groups.push_back(Dim(node.attributes.integer("group")));
  one.push_back(Dim(1));
  Value* floats = b.cast(b.reshape(x, groups), node.type().dtype);
  return {b.reshape(b.make(Op::kMul, {floats, b.reshape(scales, one)}), shape)};
}

llvm::SmallVector<Value*, 2> expanded(Builder& b, const Node& node) {
  switch (node.op()) {
    case Op::kSoftmax: return softmax(b, node, false);
    case Op::kLogSoftmax: return softmax(b, node, true);
    case Op::kLayernorm: return layernorm(b, node);
    case Op::kRmsnorm: return rmsnorm(b, node);
    case Op::kMoments: return moments(b, node);
    case Op::kRope: return rope(b, node);
    case Op::kDequantise: return dequantise(b, node);
    case Op::kMatmul: return matmul(b, node);
    default: return {};
  }
}

}  // namespace

std::unique_ptr<Graph> decompose(const Graph& body, llvm::DenseMap<const Value*, Value*>& map) {
  std::unique_ptr<Graph> copy = body.clone(&map);
  llvm::DenseMap<const Value*, Value*> replaced;
  for (Node& node : llvm::make_early_inc_range(copy->nodes())) {
    Builder b = Builder::before(&node);
    const auto values = expanded(b, node);
    if (values.empty()) continue;
    for (size_t i = 0; i < values.size(); ++i) {
      copy->replace_all_uses(node.result(static_cast<int>(i)), values[i]);
      replaced[node.result(static_cast<int>(i))] = values[i];
    }
    copy->erase(&node);
  }
  for (auto& entry : map)
    if (auto found = replaced.find(entry.second); found != replaced.end()) entry.second = found->second;
  return copy;
}

}  // namespace tenon
