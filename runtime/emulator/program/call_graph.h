// call_graph.h: which functions a kernel needs.
#pragma once
#include <vector>

#include "runtime/emulator/ptx/syntax.h"

namespace tenon::emulator {

struct Call {
  int caller = 0, callee = 0;  ///< indices into CallGraph::functions
};

struct CallGraph {
  std::vector<int> functions;  ///< indices into Module::functions; the entry first, callers before callees
  std::vector<Call> calls;     ///< ordered by caller
};

/// Of what `entry` calls, directly or not; functions without a body are left out. Throws Error for recursion, naming the
/// chain, and for calls that nest too deep.
CallGraph call_graph(const ptx::Module& module, int entry);

/// Where each function's share of a resource begins when a callee's lies above those of all its callers; the last
/// element is the total. `sizes` and the result are by index into graph.functions.
std::vector<int64_t> stacked(const CallGraph& graph, const std::vector<int64_t>& sizes);

}  // namespace tenon::emulator
