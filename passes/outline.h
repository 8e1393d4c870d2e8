// outline.h: the chosen regions become nodes.
#pragma once
#include "passes/select.h"

namespace tenon {

/// A new graph of the sources of `graph` and one kFused node for each choice, in the order of the choices;
/// each takes its region's body (the region's other fields stay). Outputs and state updates refer to the new
/// values; `values`, where given, receives the new value of each old one that is kept.
///   %h = matmul %x, %w               %y = fused %x, %w, %b {family = "gemm", site = "mlp.in"} : bf16[T,
///   3072] { %b1 = add %h, %b        →          (%x: bf16[T, 768], ...) %y = gelu %b1 ...
///                                    }
std::unique_ptr<Graph> outline(const Graph& graph, Selection& selection);

}  // namespace tenon
