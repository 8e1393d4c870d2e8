// sites.h: the names by which people speak of places in a model: "layer.3.mlp.in".
#pragma once
#include <set>
#include <string>
#include <vector>

#include "passes/region.h"

namespace tenon {

/// A node's role in its block: "attn" (attention), "attn.qkv" (a product that feeds one), "attn.out" (the
/// product that takes its result), "mlp.in" (a product followed by an activation, or its gated sibling),
/// "mlp.out" (the product that takes that one's result), otherwise the name of the value that it computes,
/// else its op's.
std::string role_of(const Node& node);

/// Sets `site` of every region: the scope and the role of the node that stands for it (principal); equal
/// names get ".2",
/// ".3" in the order of the graph, the same in every repetition. Regions around one node share its site.
void name_sites(std::vector<Region>& regions);

/// True when the pattern of a [policy] entry matches the site or a part before one of its dots: "layer.*.mlp"
/// matches "layer.3.mlp.in". `*` stands for one part or more characters within one.
bool site_matches(llvm::StringRef pattern, llvm::StringRef site);

/// The patterns for which people mean a site: "layer.3.mlp.in" → "layer.*.mlp.in", "layer.*.mlp", "layer".
std::set<std::string> patterns_of(llvm::StringRef site);

/// "layer.3.mlp.in" → "layer.mlp.in": the site's name in plan.json, where repetitions are one; patterns likewise ("layer.*.mlp").
std::string without_repetitions(llvm::StringRef site);

}  // namespace tenon
