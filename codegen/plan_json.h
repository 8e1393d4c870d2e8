// plan_json.h: a plan as the JSON that LANGUAGE.md's users rely on.
#pragma once
#include <optional>

#include "codegen/plan.h"
#include "ir/json.h"

namespace tenon {

/// What the emulator counted of one launch of a kernel. Global bytes as threads asked for them; unique bytes are those of
/// the 32-byte sectors touched at all.
struct KernelMeter {
  uint64_t global_bytes_read = 0, global_bytes_written = 0;
  uint64_t unique_bytes_read = 0, unique_bytes_written = 0;
  uint64_t shared_bank_conflicts = 0, mma_flops = 0;
  uint64_t instructions = 0;  ///< of warps
};

/// What the compiler reported of a kernel, nothing where it made no cubin; and its meters, where it ran on the emulator.
struct KernelReport {
  std::optional<int> registers;
  std::optional<int64_t> spill_bytes;
  std::optional<KernelMeter> metered;
};

/// Writes the members of plan.json into an open object: "tenon", "model", "target", "dims", "ops_before",
/// "kernels" (with "metered" where there are meters), "sites_not_fused", "memory", "total". `reports` is empty or has one
/// entry a kernel. Of "memory", "weights" are the bytes that a device holds, "weights_packed" those of them packed at
/// load, "weights_dropped" by name the originals that only packing reads, which no device holds. Bytes, flops and
/// microseconds of kernels are per launch; `total` sums value × launches. NaN and infinities become null.
void write_plan(json::Writer& json, const Plan& plan, llvm::ArrayRef<KernelReport> reports = {});

/// "metered", into an open object.
void write_meter(json::Writer& json, const KernelMeter& meter);

/// The whole document, indented.
std::string plan_json(const Plan& plan, llvm::ArrayRef<KernelReport> reports = {});

}  // namespace tenon
