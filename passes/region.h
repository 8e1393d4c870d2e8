// region.h: a proposed kernel: nodes of a graph with a body that computes the same values.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "llvm/ADT/DenseSet.h"

namespace tenon {

/// What a region is built around; families accept patterns, not ops.
enum class Pattern {
  kView,         ///< reshape, or a slice that stays contiguous: no kernel at all
  kElementwise,  ///< elementwise ops and movement that index maps express
  kMovement,     ///< scatter, cache_write, concat with no arithmetic
  kRow,        ///< one reduction or normalisation (or several over the same rows) with elementwise neighbours
  kProduct,    ///< one matmul with head, row statistics and tail
  kGated,      ///< two matmuls of one left operand whose accumulators meet in one tail (SwiGLU, GEGLU)
  kAttention,  ///< one attention with the movement around it
  kExperts,    ///< one grouped_matmul or two that meet in a gate, with what follows
};
llvm::StringRef name_of(Pattern pattern);

/// A region: which nodes of the graph it covers, and a body that is equivalent to them.
///
/// The body has one kParameter per input (attribute {weight = true} where the input is a weight or is
/// computed from weights alone) and one output per output value. It may be a rewritten equivalent of the
/// covered nodes. What families rely on:
///  - A node of the body that depends on {weight = true} parameters and constants alone is **packed**:
///  computed once at
///    load, never in the kernel (γ folded into a weight, q|k|v weights concatenated, column sums).
///    `is_packed` tells.
///  - kProduct: one kMatmul whose right operand is a parameter or packed (or any value, for activations),
///  whose left
///    operand is a parameter, or elementwise ops over parameters of its shape (a head). Row statistics: one
///    kMoments of the left operand. Everything after it is a tail in terms of the product's elements:
///    elementwise ops whose other operands are parameters or packed, broadcast along rows or columns, or
///    full; kSlice along the last axis at multiples of a head (segments of a joined product); kReshape and
///    kTranspose that split or merge heads; kRmsnorm over a head's elements; kRope; kCacheWrite as the last op of
///    its chain (its result is the cache parameter's own storage). Each output is one such chain's end.
///  - kGated: as kProduct with two kMatmul of the same left operand and equal shapes.
///  - kAttention: one kAttention; movement before it on q, k, v (transpose, reshape, slice of parameters,
///  expressible as
///    strides) and after it (transpose + reshape of merged heads), masks as parameters of any broadcastable
///    shape.
///  - kExperts: one kGroupedMatmul whose operands are parameters or packed, or two of one left operand and the
///  same choices; behind it elementwise ops of its shape, or (one product) casts, a kMul by one factor for
///  each choice, the kSum over the choices and elementwise ops.
///  - kRow: reductions and normalisations over the same trailing axes of one common shape, elementwise ops
///  before and after.
///  - kElementwise: elementwise ops and index maps (broadcast, reshape, transpose, slice, concat, pad,
///  gather, iota, expand).
struct Region {
  Pattern pattern = Pattern::kElementwise;
  std::vector<Node*> nodes;    ///< covered, in topological order
  std::vector<Value*> inputs;  ///< one for each parameter of the body, in order
  std::vector<Value*>
      outputs;  ///< covered values that something outside needs, one for each output of the body
  std::shared_ptr<Graph> body;  ///< shared by all regions of equal structure: not to be changed once sealed
  std::string site;             ///< "layer.3.mlp.in": where in the model; see sites.h
  std::string
      note;  ///< what the region does in a few words: "rmsnorm folded into q|k|v with rope and cache write"
  std::string key;       ///< the body's text: regions of equal keys share estimates, decisions and kernels
  std::string proposer;  ///< the pass that offered it: "fuse_qkv"

  Location location()
      const;  ///< of the node that stands for the region: its product, attention or row op, else the last
};

/// True when the body value depends on weight parameters and constants alone (and is not such a parameter
/// itself). Quantised weights are not: kernels read the integers, so neither the floats that they stand for nor
/// what would be made of those is kept.
bool is_packed(const Value* value);
/// The values of a whole graph that are computed from weights and constants alone and that the graph does not
/// hold as results: regions copy the expression into their bodies, where it is packed, and no region covers
/// it. So are quantised weights, which regions copy as they are and dequantise in their kernels, unless something
/// reads them that needs the floats in memory.
class WeightExpressions {
 public:
  explicit WeightExpressions(const Graph& graph);
  bool contains(const Value* value) const { return values_.contains(value) || dequantised_.contains(value); }

 private:
  llvm::DenseSet<const Value*> values_, dequantised_;
};
/// The node that stands for a region: its attention, else product, else row op, else its last node.
Node* principal(llvm::ArrayRef<Node*> nodes);
/// True for a kParameter with {weight = true}.
bool is_weight_parameter(const Value* value);

/// What a region over some nodes of a graph reads and writes, before it has a body.
struct RegionShape {
  std::vector<Value*> inputs;   ///< operands from outside in order of first use
  std::vector<Value*> outputs;  ///< values used outside
  llvm::SmallVector<Node*, 16>
      copied;  ///< what the body copies: the nodes, constants and weight expressions, operands first
  std::string structure;  ///< equal for two shapes whose bodies would be equal, names and types included
};
RegionShape shape_of_region(llvm::ArrayRef<Node*> nodes, const WeightExpressions& weights);

/// The body of such a region: parameters for the inputs, copies of the nodes, outputs. Scopes and the paths
/// in parameters' names are dropped so that equal layers give equal bodies.
std::shared_ptr<Graph> make_body(const RegionShape& shape);

/// A region over exactly these nodes of a graph, in topological order, with their copies as body.
Region make_region(Pattern pattern, llvm::ArrayRef<Node*> nodes, llvm::StringRef proposer);

/// Sets `key` from the body; to be called after the last change of the body.
void seal(Region& region);

/// True when no path leaves the nodes and comes back.
bool is_convex(llvm::ArrayRef<Node*> nodes);

}  // namespace tenon
