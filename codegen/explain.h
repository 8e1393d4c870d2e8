// explain.h: a plan's decisions as an engineer would tell them.
#pragma once
#include <string>

#include "codegen/plan.h"

namespace tenon {

/// What was chosen at each kernel's site and why: candidates with their cost terms and bases, the margin, the
/// covers that lost, what was not fused, totals against the unfused run. `site` restricts it to sites that
/// match (policy patterns).
std::string explain(const Plan& plan, llvm::StringRef site = "");

/// One line a kernel: site, implementation, config, launches, time. `site` as above, but none may match.
std::string kernel_table(const Plan& plan, llvm::StringRef site = "");

}  // namespace tenon
