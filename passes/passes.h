// passes.h: every pass and every fusion, declared once with its contract and a before/after picture.
#pragma once
#include "passes/proposals.h"

namespace tenon {

// ---- Fusions: each offers regions and rewrites nothing. select.h chooses among them, outline.h applies the
// choice. ----

/// Offers every node that needs a kernel as a region of its own: what an unfused run does, and the fallback
/// of every cover.
void offer_single_nodes(Proposals& proposals);

/// Products with their tails (and elementwise heads of the left operand).
///   %h = matmul %x, %w          one region with every prefix of the tail that a library might know,
///   %b = add %h, %bias      →   and with the whole tail: bias, activation, scale, residual, cast, several
///   outputs, %y = gelu %b                head split, rope, cache write
void fuse_epilogue(Proposals& proposals);

/// Products of one left operand become one product of the weights side by side (packed at load), each slice
/// with its tail.
///   %q = matmul %x, %wq                           %w = concat %wq, %wk, %wv        packed
///   %k = matmul %x, %wk  (+ head split,       →   %p = matmul %x, %w
///   %v = matmul %x, %wv   rope, cache write)      %q = slice %p ... and the tails
/// and, where the left operand is a norm that nothing else reads, with the norm folded in as fuse_norm does.
void fuse_qkv(Proposals& proposals);

/// Two products of one left operand whose tails meet (SwiGLU, GEGLU): one kernel with two accumulators.
///   %g = matmul %x, %gate
///   %u = matmul %x, %up      →   one region; also with the norm before it folded in
///   %y = mul (silu %g), %u
void fuse_gated(Proposals& proposals);

/// layernorm or rmsnorm before a product: γ and β go into the weight at load, the statistics into the
/// epilogue.
///   %n = rmsnorm %x, %g          %wg = %w · diag(%g)                    packed
///   %y = matmul %n, %w       →   %_, %rstd = moments %x                 from the tiles of x
///                                %y = matmul %x, %wg {wide} · %rstd
/// A layernorm's weight is centred as well (each output's weights minus their mean over the inputs), and the
/// column sums that rounding leaves are taken times the mean in the epilogue: no large cancellation (KERNELS:
/// norm folding algebra).
void fuse_norm(Proposals& proposals);

/// Attention with the movement around it: heads split before, heads merged after, read and written through
/// strides.
void fuse_attention(Proposals& proposals);

/// A reduction or normalisation with the elementwise ops before and after it, and with others over the same
/// rows.
///   %y = add %x, %r
///   %n = layernorm %y, %g, %b   →   one kernel that writes %y and %n
void fuse_row(Proposals& proposals);

/// Chains and bushes of elementwise ops and index maps over one shape.
void fuse_elementwise(Proposals& proposals);

/// All of them, in this order.
Proposals propose_fusions(Graph& graph);

// ---- Rewrites of a region's body that the fusions share. Each leaves the body's values as they are in exact
// arithmetic. ----

/// Replaces the norm that feeds every product of the body by moments and packed weights. Returns "" and
/// rewrites, or the reason why it cannot and rewrites nothing.
std::string fold_norm(Graph& body);

/// Replaces the products of one left operand by one product of concatenated weights and slices of it.
void join_products(Graph& body);

}  // namespace tenon
