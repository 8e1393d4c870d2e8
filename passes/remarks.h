// remarks.h: what nearly matched a pattern and did not, and why: printed by explain, kept in plan.json as
// sites_not_fused.
#pragma once
#include <string>
#include <vector>

#include "ir/graph.h"

namespace tenon {

/// A near miss: something that looks like a fusion and is not one, or a region that no family took.
struct SiteNotFused {
  std::string site;     ///< filled from the node's scope and value name
  std::string pattern;  ///< "attention", "gelu", "norm + product", ...
  std::string reason;   ///< one sentence that names the op in the way
  Location location;
};
using Remarks = std::vector<SiteNotFused>;

/// A remark about `node`.
SiteNotFused remark(const Node& node, llvm::StringRef pattern, std::string reason);

}  // namespace tenon
