// paths.cpp: the plans of both policies beside each other.
#include "runtime/cli/paths.h"

#include <limits>

#include "codegen/lower.h"
#include "ir/diagnostics.h"
#include "passes/quantity.h"

namespace tenon::cli {
namespace {

Path path_of(const Model& model, const Plan& plan, Policy policy) {
  Path path;
  path.name = policy == Policy::kFused ? "fused" : "library";
  LowerOptions lowering;
  lowering.target_name = plan.target_name;
  lowering.target = plan.target;
  lowering.target.library = true;  // predicted, wherever the plan itself runs
  lowering.select.policy = policy;
  try {
    const auto lowered = lower(model.build(plan.dims), lowering);
    for (const Kernel& kernel : lowered->kernels) {
      path.launches += kernel.launches;
      path.bytes += kernel.launches * double(kernel.estimate.bytes_read + kernel.estimate.bytes_written);
      path.us += kernel.launches * kernel.estimate.us;
    }
  } catch (const Error& error) {
    path.why_not = error.diagnostics()[0].message;
  }
  return path;
}

double streaming_rate(const Card& card) { return card.dram_gb_s * card.dram_efficiency; }

}  // namespace

std::vector<Path> paths_of(const Model& model, const Plan& plan) {
  std::vector<Path> paths;
  for (Policy policy : {Policy::kFused, Policy::kLibrary}) paths.push_back(path_of(model, plan, policy));
  const Path& fused = paths.front();
  Path floor = fused;
  floor.name = "floor";
  floor.us = fused.bytes / (streaming_rate(plan.target.card) * 1e3);
  paths.insert(paths.begin(), std::move(floor));
  return paths;
}

std::string tell_paths(const Model& model, const Plan& plan) {
  std::string text;
  for (const Path& path : paths_of(model, plan)) {
    const std::string moved =
        path.name != "floor"
            ? tell_count(path.launches, "launch", "launches") + ", " + tell_bytes(path.bytes)
            : tell_bytes(path.bytes) + format(" at %.0f GB/s", streaming_rate(plan.target.card));
    text += path.why_not.empty()
                ? format("  %-8s %10s  %s\n", path.name.c_str(), tell_us(path.us).c_str(), moved.c_str())
                : format("  %-8s %10s  %.300s\n", path.name.c_str(), "-", path.why_not.c_str());
  }
  return text;
}

void write_paths(json::Writer& out, const Model& model, const Plan& plan) {
  out.attribute_array("paths", [&] {
    for (const Path& path : paths_of(model, plan))
      out.object([&] {
        const bool known = path.why_not.empty();
        constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
        out.attribute("name", path.name);
        out.attribute("predicted_us", known ? path.us : kUnknown);
        out.attribute("bytes", known ? path.bytes : kUnknown);
        if (path.name != "floor") out.attribute("launches", path.launches);
        out.attribute("why_not", path.why_not);
      });
  });
}

}  // namespace tenon::cli
