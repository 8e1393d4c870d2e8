// paths.cpp: the plans of both policies beside each other.
#include "runtime/cli/paths.h"

#include "codegen/lower.h"
#include "ir/diagnostics.h"
#include "passes/quantity.h"

namespace tenon::cli {
namespace {

struct Path {
  int64_t launches = 0;
  double bytes = 0, us = 0;
};

Path path_of(const Model& model, const Plan& plan, Policy policy) {
  LowerOptions lowering;
  lowering.target_name = plan.target_name;
  lowering.target = plan.target;
  lowering.target.library = true;  // predicted, wherever the plan itself runs
  lowering.select.policy = policy;
  Path path;
  for (const Kernel& kernel : lower(model.build(plan.dims), lowering)->kernels) {
    path.launches += kernel.launches;
    path.bytes += kernel.launches * double(kernel.estimate.bytes_read + kernel.estimate.bytes_written);
    path.us += kernel.launches * kernel.estimate.us;
  }
  return path;
}

std::string line(const char* name, const Path& path) {
  return format("  %-8s %10s  %s, %s\n", name, tell_us(path.us).c_str(),
                tell_count(path.launches, "launch", "launches").c_str(), tell_bytes(path.bytes).c_str());
}

}  // namespace

std::string tell_paths(const Model& model, const Plan& plan) {
  const Card& card = plan.target.card;
  std::string text;
  for (Policy policy : {Policy::kFused, Policy::kLibrary}) {
    const char* name = policy == Policy::kFused ? "fused" : "library";
    try {
      const Path path = path_of(model, plan, policy);
      const double rate = card.dram_gb_s * card.dram_efficiency;
      if (policy == Policy::kFused)
        text += format("  %-8s %10s  %s at %.0f GB/s\n", "floor", tell_us(path.bytes / (rate * 1e3)).c_str(),
                       tell_bytes(path.bytes).c_str(), rate);
      text += line(name, path);
    } catch (const Error& error) {
      text += format("  %-8s %10s  %.300s\n", name, "-", error.diagnostics()[0].message.c_str());
    }
  }
  return text;
}

}  // namespace tenon::cli
