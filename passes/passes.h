// passes.h: every pass and every fusion, declared once with its contract and a before/after picture.
#pragma once
#include "passes/proposals.h"

namespace tenon {

// ---- Plain rewrites, in the order of pipeline.cpp. Each takes time linear in the nodes and says whether it
// changed anything. ----

/// Drops arithmetic that does nothing and movement that moves nothing, and prefers simpler spellings;
/// constants go right. Every value stays as it is, with NaN and the sign of zero.
///   %a = reshape %x, %b = reshape %a   →   %b = reshape %x
///   %a = mul %x, 1.0                   →   %x         (but not %x + 0.0, which turns -0 into 0)
///   %a = sqrt %x, %b = div 1.0, %a     →   %b = rsqrt %x
bool simplify(Graph& graph);

/// Computes ops on constants: of one number in f64 whatever the shape, small tensors element by element.
/// Iotas stay symbolic, so that masks made of them can be recognised.
///   %a = sqrt 64.0, %b = div %x, %a    →   %b = div %x, 8.0
bool fold_constants(Graph& graph);

/// Computes equal expressions once. Inputs, weights and states are never merged.
///   %a = add %x, %y, %b = add %y, %x   →   %a for both
bool eliminate_common(Graph& graph);

/// Recognises gelu (erf and tanh form), silu and sigmoid in any order of operands, with constants as people
/// round them. Near misses: a factor other than 0.5, another x, sigmoid of a scaled x.
///   0.5 * x * (1 + erf(x / 1.41421))                    →   gelu x
///   0.5 * x * (1 + tanh(0.79788 * (x + 0.044715 x^3)))  →   gelu_tanh x
///   x * (1 / (1 + exp(-x)))                             →   silu x
bool recognise_activation(Graph& graph, Remarks& remarks);

/// Recognises softmax and log_softmax. Near misses: no maximum subtracted, several axes, different axes.
///   e = exp(x - max(x)), e / sum(e)                     →   softmax x
bool recognise_softmax(Graph& graph, Remarks& remarks);

/// Recognises layernorm and rmsnorm over the last axes, and takes a weight, a bias and the casts around a
/// norm in f32 into it. Near misses: other axes, another value scaled than squared.
///   d = x - mean(x), d * rsqrt(mean(d * d) + eps) * w + b                →   layernorm x, w, b
///   w * cast(cast(x, f32) * rsqrt(mean(cast(x, f32) ** 2) + eps), bf16)  →   rmsnorm x, w
bool recognise_norm(Graph& graph, Remarks& remarks);

/// Turns transposes of an operand's last two axes into flags of the product, and sinks reshapes that regroup
/// leading axes below products with a weight, elementwise ops and norms.
///   %t = transpose %k, %s = matmul %q, %t          →   %s = matmul %q, %k {transpose_b}
///   %r = reshape %x [B*T, K], %y = matmul %r, %w   →   %y = matmul %x, %w, %r = reshape %y [B*T, N]
bool fold_layouts(Graph& graph);

/// Recognises attention: scale on q, k or the scores, soft cap, additive and boolean masks, masks that
/// compare iotas (causal, with offset, sliding window), key heads repeated for groups of query heads. A mask
/// of zeros and numbers below -1e4 counts as boolean: a row that sees no key gives 0 instead of NaN or a
/// mean. Near misses name the op in the way.
///   softmax(where(j <= i, (q @ k^T) * s, -inf)) @ v   →   attention q, k, v {causal, scale = s}
///   attention(q, k, v, mask = j <= i)                 →   attention q, k, v {causal}
bool recognise_attention(Graph& graph, Remarks& remarks);

/// Removes nodes that nothing reads; declared inputs, weights and states stay.
bool eliminate_dead(Graph& graph);

// ---- Fusions: each offers regions and rewrites nothing. select.h chooses among them, outline.h applies the
// choice. ----

/// Offers every node that needs a kernel as a region of its own: what an unfused run does, and the fallback
/// of every cover.
void offer_single_nodes(Proposals& proposals);

/// Products with their tails, and elementwise heads of the left operand. Each prefix of the tail that a library might know is
/// a region, and so is the whole tail: bias, activation, scale, residual, cast, several outputs, head split, norm of heads, rope, cache write.
///   %h = matmul %x, %w               %y = fused %x, %w, %bias {
///   %b = add %h, %bias        →        ... the three lines ...
///   %y = gelu %b                     }
void fuse_epilogue(Proposals& proposals);

/// Products of one left operand become one product of the weights side by side (packed at load), each slice
/// with its tail.
///   %q = matmul %x, %wq                           %w = concat %wq, %wk, %wv        packed
///   %k = matmul %x, %wk  (+ head split, norm  →   %p = matmul %x, %w
///   %v = matmul %x, %wv  of heads, rope,          %q = slice %p ... and the tails
///                        cache write)
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
/// column sums that rounding leaves are taken times the mean in the epilogue: no large cancellation (the algebra stands in fuse_norm.cpp).
void fuse_norm(Proposals& proposals);

/// Attention with the movement around it: heads split before, heads merged after, read and written through
/// strides.
void fuse_attention(Proposals& proposals);

/// Products of chosen experts: two that meet in a gate; one with the weighted sum over the choices.
///   %g = grouped_matmul %x, %gate, %ids
///   %u = grouped_matmul %x, %up, %ids       →   one region
///   %h = mul (silu %g), %u
///   %y = grouped_matmul %h, %down, %ids
///   %s = sum (mul %y, %w) {axes = choices}  →   one region, with the casts and elementwise ops around it
void fuse_experts(Proposals& proposals);

/// A reduction or normalisation with the elementwise ops before and after it, and with others over the same
/// rows.
///   %y = add %x, %r
///   %n = layernorm %y, %g, %b   →   one kernel that writes %y and %n
void fuse_row(Proposals& proposals);

/// Chains and bushes of elementwise ops and index maps over one shape.
void fuse_elementwise(Proposals& proposals);

/// A cache write or scatter with the elementwise ops and index maps that make what it writes; a cache write also with those
/// that compute as many elements from the same values.
///   %r = rope %k, %position
///   %c = cache_write %cache, %r, %position   →   one kernel that writes the new rows
void fuse_movement(Proposals& proposals);

/// All of them, in this order.
Proposals propose_fusions(Graph& graph);

// ---- Rewrites of a region's body that the fusions share. Each leaves the body's values as they are in exact
// arithmetic. ----

/// Replaces the norm that feeds every product of the body by moments and packed weights. Returns "" and
/// rewrites, or the reason why it cannot and rewrites nothing.
std::string fold_norm(Graph& body);

/// Replaces the products of one left operand by one product of concatenated weights and slices of it. Returns "" or
/// the reason why it cannot.
std::string join_products(Graph& body);

}  // namespace tenon
