// paths.h: a model's floor, and what each policy's plan would take: what a measured or predicted time is
// held against.
#pragma once
#include <string>
#include <vector>

#include "codegen/plan.h"
#include "ir/json.h"
#include "ir/model.h"

namespace tenon::cli {

/// One way to run a model: predicted microseconds, bytes moved, launches; or why it cannot be planned.
struct Path {
  std::string name;
  double us = 0, bytes = 0;
  int64_t launches = 0;  ///< none of the floor, which is no plan
  std::string why_not;
};

/// For the dims and the card of `plan`: "floor" (the fused plan's bytes at the rate that a good streaming
/// kernel reaches, nothing else), "fused" and "library".
std::vector<Path> paths_of(const Model& model, const Plan& plan);

/// A line for each.
std::string tell_paths(const Model& model, const Plan& plan);

/// "paths", into an open object.
void write_paths(json::Writer& out, const Model& model, const Plan& plan);

}  // namespace tenon::cli
