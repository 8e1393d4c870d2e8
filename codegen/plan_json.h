// plan_json.h: a plan as the JSON that LANGUAGE.md's users rely on.
#pragma once
#include <optional>

#include "codegen/plan.h"
#include "ir/json.h"

namespace tenon {

/// What the compiler reported of a kernel; nothing where NVRTC did not run.
struct KernelReport {
  std::optional<int> registers;
  std::optional<int64_t> spill_bytes;
};

/// Writes the members of plan.json into an open object: "tenon", "model", "target", "dims", "ops_before",
/// "kernels", "sites_not_fused", "memory", "total". `reports` is empty or has one entry a kernel. Bytes,
/// flops and microseconds are per launch; `total` sums value × launches. NaN and infinities become null.
void write_plan(json::Writer& json, const Plan& plan, llvm::ArrayRef<KernelReport> reports = {});

/// The whole document, indented.
std::string plan_json(const Plan& plan, llvm::ArrayRef<KernelReport> reports = {});

}  // namespace tenon
