// quantise.h: weights that a model keeps as small integers with scales, from files that hold floats or nothing.
#pragma once
#include "ir/graph.h"
#include "runtime/tensor.h"

namespace tenon {

/// The node that dequantises a weight node's value (as its integers or its scales); null for other weights.
const Node* dequantise_of(const Node& weight);

/// What a quantised weight is kept as.
struct QuantisedTensors {
  Tensor values, scales;  ///< of the types of the node's operands
};

/// The integers and scales nearest to `floats`, which has the node's type: a group's scale is its largest magnitude
/// over 7 (int4) or 127 (int8), rounded to the scales' type; elements are divided by it, rounded to nearest even and
/// kept within -7 .. 7 or -127 .. 127. A group of zeros has scale 0. Throws Error where a float is not finite.
QuantisedTensors quantise(const Node& dequantise, const Tensor& floats);

/// Throws Error where `weight` is the scales of a quantised weight and one of them is not finite.
void check_scales(const Node& weight, const Tensor& scales);

}  // namespace tenon
