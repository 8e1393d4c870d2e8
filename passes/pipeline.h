// pipeline.h: the plain rewrites of a whole graph, in their order.
#pragma once
#include <functional>

#include "passes/remarks.h"

namespace tenon {

/// Called after each entry of the pipeline with its name, the graph as it stands, and the entry's time in
/// microseconds.
using StageObserver = std::function<void(llvm::StringRef, const Graph&, double)>;

/// Simplifies a graph and recognises composites in it, before fusions are offered. Verifies after each entry
/// (a broken invariant is an assertion that prints pass and graph). Near misses go to `remarks`.
void run_pipeline(Graph& graph, Remarks& remarks, const StageObserver& observer = {});

}  // namespace tenon
