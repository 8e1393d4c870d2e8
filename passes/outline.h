// outline.h: the chosen regions become nodes.
#pragma once
#include "passes/select.h"

namespace tenon {

/// A new graph of the sources of `graph` and one kFused node for each choice, in the order of the choices, with its
/// region's body. Outputs and state updates refer to the new values.
///   %h = matmul %x, %w           %y = fused %x, %w, %b {family = "gemm", site = "mlp.in"} : bf16[T, 3072] {
///   %b1 = add %h, %b        →      (%x: bf16[T, 768], ...)
///   %y = gelu %b1                  ...
///                                }
std::unique_ptr<Graph> outline(const Graph& graph, const Selection& selection);

}  // namespace tenon
