// row_order.h: running sums and the k largest, which the row family runs as kernels of their own.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// The cumsum or topk of a region, or null where it has none.
const Node* ordered_node(const Region& region);
/// Why the region is more than this one op over a parameter; "" when it is not.
std::string refuses_ordered(const Region& region);
Candidate ordered_candidate(const Region& region, const Target& target);
EmittedKernel emit_ordered(const Region& region, const Candidate& candidate, const Target& target,
                           llvm::StringRef name);

}  // namespace tenon
