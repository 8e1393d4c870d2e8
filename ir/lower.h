// lower.h: declarations and equations, for one binding of the dims, into a graph.
#pragma once
#include "ir/declarations.h"
#include "ir/error_list.h"
#include "ir/number.h"

namespace tenon {

/// The value of a dim under a binding: a fixed one is a plain number, a dynamic one keeps its name.
DimLookup dims_of(const Declarations& declarations, const DimBinding& binding);

/// Builds what can be built and adds every error that can be told apart; the graph is whole only where none
/// was added. Declarations and equations that are marked invalid are passed over silently.
std::unique_ptr<Graph> lower(const Declarations& declarations, const DimBinding& binding, ErrorList& errors);

}  // namespace tenon
