// decompose.cpp: the definitions of the composite row ops, of rope and of integer products, in terms of simpler ops.
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

/// A product of integers: sums of [.., m, n, k], modulo 2^bits.
llvm::SmallVector<Value*, 2> integer_product(Builder& b, const Node& node) {
  const auto last_is_k = [&](Value* operand, bool transposed) {
    const int64_t rank = operand->type().rank();
    if (rank < 2 || !transposed) return operand;
    llvm::SmallVector<int64_t, 6> perm;
    for (int64_t i = 0; i < rank; ++i) perm.push_back(i);
    std::swap(perm[rank - 1], perm[rank - 2]);
    return b.transpose(operand, perm);
  };
  const auto spread = [&](Value* operand, size_t from_end) {  // an extent of 1 for the other operand's rows
    Shape shape = operand->type().shape;
    while (shape.size() < 2) shape.insert(shape.begin(), Dim(1));
    shape.insert(shape.end() - from_end, Dim(1));
    return b.reshape(operand, shape);
  };
  Value* rows = spread(last_is_k(node.operand(0), node.attributes.flag("transpose_a")), 1);
  Value* columns = spread(last_is_k(node.operand(1), !node.attributes.flag("transpose_b")), 2);
  Value* terms = b.make(Op::kMul, {rows, columns});
  Value* sums = b.reduce(Op::kSum, terms, {terms->type().rank() - 1}, false);
  return {b.reshape(sums, node.type().shape)};
}

llvm::SmallVector<Value*, 2> expanded(Builder& b, const Node& node) {
  switch (node.op()) {
    case Op::kSoftmax: return softmax(b, node, false);
    case Op::kLogSoftmax: return softmax(b, node, true);
    case Op::kLayernorm: return layernorm(b, node);
    case Op::kRmsnorm: return rmsnorm(b, node);
    case Op::kMoments: return moments(b, node);
    case Op::kRope: return rope(b, node);
    case Op::kMatmul: return integer_product(b, node);
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
