// paths.h: a model's floor, and what each policy's plan would take: what a measured or predicted time is
// held against.
#pragma once
#include <string>

#include "codegen/plan.h"
#include "ir/model.h"

namespace tenon::cli {

/// Three lines for the dims and the card of `plan`: the floor (the fused plan's bytes at the rate that a good
/// streaming kernel reaches, nothing else), the fused path and the library's with launches, bytes and
/// predicted time. A policy that the model cannot be planned with says why.
std::string tell_paths(const Model& model, const Plan& plan);

}  // namespace tenon::cli
