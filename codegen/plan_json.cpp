// plan_json.cpp: plan.json.
#include "codegen/plan_json.h"

#include "codegen/residence.h"
#include "llvm/Support/raw_ostream.h"

namespace tenon {
namespace {

using json::Writer;

void write_triple(Writer& out, llvm::StringRef name, const int (&values)[3]) {
  out.attribute(name, llvm::ArrayRef<int>(values));
}

void write_candidate(Writer& out, const Candidate& candidate) {
  out.object([&] {
    const Estimate& estimate = candidate.estimate;
    out.attribute("implementation", candidate.implementation);
    out.attribute("config", candidate.config);
    bool measured = estimate.basis == Basis::kMeasured;
    out.attribute("predicted_us", estimate.us);
    out.attribute("measured_us", measured ? std::optional(estimate.us) : std::nullopt);
    out.attribute("basis", name_of(estimate.basis));
    out.attribute("uncertainty", estimate.uncertainty);
    out.attribute("why_not", candidate.why_not);
    out.attribute_array("terms", [&] {
      for (const CostTerm& term : estimate.terms)
        out.object([&] {
          out.attribute("name", term.name);
          out.attribute("us", term.us);
          out.attribute("what", term.what);
        });
    });
  });
}

void write_kernel(Writer& out, const Kernel& kernel, const KernelReport& report) {
  const EmittedKernel& emitted = kernel.emitted;
  out.attribute("name", emitted.name);
  out.attribute("site", kernel.site);
  out.attribute("family", kernel.family);
  out.attribute("implementation", kernel.implementation);
  out.attribute("note", kernel.note);
  out.attribute("ops", kernel.ops);
  out.attribute_array("lines", [&] {
    for (const Location& line : kernel.lines)
      out.object([&] {
        out.attribute("file", line.file->name);
        out.attribute("line", line.line);
      });
  });
  write_triple(out, "grid", emitted.grid);
  write_triple(out, "block", emitted.block);
  write_triple(out, "cluster", emitted.cluster);
  out.attribute("shared_bytes", emitted.shared_bytes);
  out.attribute("registers", report.registers);
  out.attribute("spill_bytes", report.spill_bytes);
  out.attribute("launches", kernel.launches);
  out.attribute("overlaps", emitted.overlaps);
  out.attribute("bytes_read", kernel.estimate.bytes_read);
  out.attribute("bytes_written", kernel.estimate.bytes_written);
  out.attribute("flops", kernel.estimate.flops);
  out.attribute("predicted_us", kernel.estimate.us);
  out.attribute("basis", name_of(kernel.estimate.basis));
  if (report.metered) write_meter(out, *report.metered);
  out.attribute("why", kernel.why);
  out.attribute_array("candidates", [&] {
    for (const Candidate& candidate : kernel.decision->candidates) write_candidate(out, candidate);
  });
}

void write_total(Writer& out, const Plan& plan) {
  int launches = 0;
  int64_t bytes = 0, flops = 0;
  double us = 0;
  for (const Kernel& kernel : plan.kernels) {
    launches += kernel.launches;
    bytes += kernel.launches * (kernel.estimate.bytes_read + kernel.estimate.bytes_written);
    flops += kernel.launches * kernel.estimate.flops;
    us += kernel.launches * kernel.estimate.us;
  }
  out.attribute("launches", launches);
  out.attribute("copies", plan.copies());
  out.attribute("bytes", bytes);
  out.attribute("flops", flops);
  out.attribute("predicted_us", us);
  out.attribute("bytes_unfused", plan.selection.unfused_bytes);
  out.attribute("launches_unfused", plan.selection.unfused_launches);
}

void write_memory(Writer& out, const Plan& plan) {
  const WeightMemory weights = weight_memory(plan);
  out.attribute("weights", weights.held);
  out.attribute("weights_packed", weights.packed);
  out.attribute_object("weights_dropped", [&] {
    for (const auto& [name, bytes] : weights.dropped) out.attribute(name, bytes);
  });
  out.attribute("activations", plan.arena_bytes);
  out.attribute("activations_alive", plan.arena_bytes_alive);
  out.attribute("activations_unplanned", plan.arena_bytes_unplanned);
  out.attribute("state", plan.state_bytes);
}

void write_losers(Writer& out, const Plan& plan) {
  out.attribute_array("sites_not_fused", [&] {
    for (const SiteNotFused& site : plan.selection.not_fused)
      out.object([&] {
        out.attribute("site", site.site);
        out.attribute("pattern", site.pattern);
        out.attribute("reason", site.reason);
        out.attribute("line", site.location.line);
      });
  });
  out.attribute_array("covers_not_chosen", [&] {
    for (const LostCover& lost : plan.selection.lost)
      out.object([&] {
        out.attribute("site", lost.site);
        out.attribute("what", lost.what);
        out.attribute("predicted_us", lost.us);
        out.attribute("why_not", lost.why);
      });
  });
}

}  // namespace

void write_meter(Writer& out, const KernelMeter& meter) {
  out.attribute_object("metered", [&] {
    out.attribute("global_bytes_read", meter.global_bytes_read);
    out.attribute("global_bytes_written", meter.global_bytes_written);
    out.attribute("unique_bytes_read", meter.unique_bytes_read);
    out.attribute("unique_bytes_written", meter.unique_bytes_written);
    out.attribute("shared_bank_conflicts", meter.shared_bank_conflicts);
    out.attribute("mma_flops", meter.mma_flops);
    out.attribute("instructions", meter.instructions);
  });
}

void write_plan(Writer& out, const Plan& plan, llvm::ArrayRef<KernelReport> reports) {
  out.attribute("tenon", 1);
  out.attribute("model", plan.model);
  out.attribute("target", plan.target_name);
  out.attribute_object("dims", [&] {
    for (const auto& [name, value] : plan.dims) out.attribute(name, value);
  });
  out.attribute("ops_before", plan.ops_before);
  out.attribute_array("kernels", [&] {
    for (size_t i = 0; i < plan.kernels.size(); ++i)
      out.object([&] { write_kernel(out, plan.kernels[i], reports.empty() ? KernelReport() : reports[i]); });
  });
  write_losers(out, plan);
  out.attribute_object("memory", [&] { write_memory(out, plan); });
  out.attribute_object("total", [&] { write_total(out, plan); });
}

std::string plan_json(const Plan& plan, llvm::ArrayRef<KernelReport> reports) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  Writer out(stream, 2);
  out.object([&] { write_plan(out, plan, reports); });
  stream << "\n";
  return stream.str();
}

}  // namespace tenon
