// lower.h: a model's graph becomes a plan: rewritten, fused, chosen, emitted, placed in memory.
#pragma once

#include <memory>

#include "codegen/plan.h"
#include "passes/pipeline.h"

namespace tenon {

struct LowerOptions {
  Target target;
  std::string target_name;
  SelectOptions select;
  Facts facts;
  StageObserver on_stage;  ///< may be empty
};

/// Takes a model's graph through all passes and writes the kernels' source: everything but NVRTC. Throws
/// Error where no family can run an op.
std::shared_ptr<Plan> lower(std::unique_ptr<Graph> graph, const LowerOptions& options);

}  // namespace tenon
