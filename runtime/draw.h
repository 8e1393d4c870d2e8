// draw.h: tensors for what a run is not given: the same in every run with the same seed, each from its own
// name.
#pragma once
#include <optional>

#include "ir/graph.h"
#include "runtime/tensor.h"

namespace tenon {

/// What an input or weight is drawn from, by how the graph uses it.
struct Distribution {
  double sigma = 1;       ///< of a normal distribution around 0, for floats
  int64_t below = 2;      ///< integers and bools are uniform in [0, below)
  bool distinct = false;  ///< each of them once, in an order of their own, before any comes again
};

/// Inputs: sigma 1; ids that index a table (gather, scatter) below its extent; positions (of rope, of a
/// cache, attention's offset) 0; pages distinct; other integers below 10. Weights: sigma = 1 / sqrt(fan-in), the fan-in being
/// the sum that the first product using it takes, else its last extent.
Distribution distribution_of(const Node& source);

/// Draws a source node's value; `seed` and the node's name decide every element.
Tensor draw(const Node& source, uint64_t seed);

/// Draws the floats that a quantised weight is to stand for: those of a weight of its integers' name and the type
/// of the kDequantise node.
Tensor draw_dequantised(const Node& dequantise, uint64_t seed);

}  // namespace tenon
