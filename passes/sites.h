// sites.h: the names by which people speak of places in a model: "layer.3.mlp.in".
#pragma once
#include <string>
#include <vector>

#include "passes/region.h"

namespace tenon {

/// Names every region after its role in its block (scope): "attn" (attention), "attn.qkv" (a product that
/// feeds it), "attn.out" (the product that takes its result), "mlp.in" (a product followed by an activation
/// or gate), "mlp.out" (the product that takes that one's result), otherwise the name of the value that it
/// computes. Behind the scope's path; a name that is taken gets ".2", ".3". The scopeless part is the same in
/// every repetition.
std::string role_of(const Region& region);

/// True when the pattern of a [policy] entry matches the site or a part before one of its dots: "layer.*.mlp"
/// matches "layer.3.mlp.in". `*` stands for one part or more characters within one.
bool site_matches(llvm::StringRef pattern, llvm::StringRef site);

/// "layer.3.mlp.in" → "layer.mlp.in": the site's name in plan.json, where repetitions are one.
std::string without_repetitions(llvm::StringRef site);

}  // namespace tenon
