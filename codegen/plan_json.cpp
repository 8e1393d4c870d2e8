// plan_json.cpp: plan.json.
#include "codegen/plan_json.h"

#include <cmath>

#include "llvm/Support/raw_ostream.h"

namespace tenon {
namespace {

using llvm::json::OStream;
using llvm::json::Value;

Value number(double value) { return std::isfinite(value) ? Value(value) : Value(nullptr); }

void write_triple(OStream& json, llvm::StringRef name, const int (&values)[3]) {
  json.attributeArray(name, [&] {
    for (int value : values) json.value(value);
  });
}

void write_candidate(OStream& json, const Candidate& candidate) {
  json.object([&] {
    const Estimate& estimate = candidate.estimate;
    json.attribute("implementation", candidate.implementation);
    json.attribute("config", candidate.config);
    bool measured = estimate.basis == Basis::kMeasured;
    json.attribute("predicted_us", number(estimate.us));
    json.attribute("measured_us", measured ? number(estimate.us) : Value(nullptr));
    json.attribute("basis", name_of(estimate.basis));
    json.attribute("uncertainty", number(estimate.uncertainty));
    json.attribute("why_not", candidate.why_not);
    json.attributeArray("terms", [&] {
      for (const CostTerm& term : estimate.terms)
        json.object([&] {
          json.attribute("name", term.name);
          json.attribute("us", number(term.us));
          json.attribute("what", term.what);
        });
    });
  });
}

void write_kernel(OStream& json, const Kernel& kernel, const KernelReport& report) {
  const EmittedKernel& emitted = kernel.emitted;
  json.attribute("name", emitted.name);
  json.attribute("site", kernel.site);
  json.attribute("family", kernel.family);
  json.attribute("implementation", kernel.implementation);
  json.attribute("note", kernel.note);
  json.attributeArray("ops", [&] {
    for (const std::string& op : kernel.ops) json.value(op);
  });
  json.attributeArray("lines", [&] {
    for (const Location& line : kernel.lines)
      json.object([&] {
        json.attribute("file", line.file->name);
        json.attribute("line", line.line);
      });
  });
  write_triple(json, "grid", emitted.grid);
  write_triple(json, "block", emitted.block);
  write_triple(json, "cluster", emitted.cluster);
  json.attribute("shared_bytes", emitted.shared_bytes);
  json.attribute("registers", report.registers ? Value(*report.registers) : Value(nullptr));
  json.attribute("spill_bytes", report.spill_bytes ? Value(*report.spill_bytes) : Value(nullptr));
  json.attribute("launches", kernel.launches);
  json.attribute("bytes_read", kernel.estimate.bytes_read);
  json.attribute("bytes_written", kernel.estimate.bytes_written);
  json.attribute("flops", kernel.estimate.flops);
  json.attribute("predicted_us", number(kernel.estimate.us));
  json.attribute("basis", name_of(kernel.estimate.basis));
  json.attribute("why", kernel.why);
  json.attributeArray("candidates", [&] {
    for (const Candidate& candidate : kernel.decision->candidates) write_candidate(json, candidate);
  });
}

void write_total(OStream& json, const Plan& plan) {
  int launches = 0;
  int64_t bytes = 0, flops = 0;
  double us = 0;
  for (const Kernel& kernel : plan.kernels) {
    launches += kernel.launches;
    bytes += kernel.launches * (kernel.estimate.bytes_read + kernel.estimate.bytes_written);
    flops += kernel.launches * kernel.estimate.flops;
    us += kernel.launches * kernel.estimate.us;
  }
  json.attribute("launches", launches);
  json.attribute("bytes", bytes);
  json.attribute("flops", flops);
  json.attribute("predicted_us", number(us));
  json.attribute("bytes_unfused", plan.selection.unfused_bytes);
  json.attribute("launches_unfused", plan.selection.unfused_launches);
}

void write_losers(OStream& json, const Plan& plan) {
  json.attributeArray("sites_not_fused", [&] {
    for (const SiteNotFused& site : plan.selection.not_fused)
      json.object([&] {
        json.attribute("site", site.site);
        json.attribute("pattern", site.pattern);
        json.attribute("reason", site.reason);
        json.attribute("line", site.location.line);
      });
  });
  json.attributeArray("covers_not_chosen", [&] {
    for (const LostCover& lost : plan.selection.lost)
      json.object([&] {
        json.attribute("site", lost.site);
        json.attribute("what", lost.what);
        json.attribute("predicted_us", number(lost.us));
        json.attribute("why_not", lost.why);
      });
  });
}

}  // namespace

void write_plan(OStream& json, const Plan& plan, llvm::ArrayRef<KernelReport> reports) {
  json.attribute("tenon", 1);
  json.attribute("model", plan.model);
  json.attribute("target", plan.target_name);
  json.attributeObject("dims", [&] {
    for (const auto& [name, value] : plan.dims) json.attribute(name, value);
  });
  json.attribute("ops_before", plan.ops_before);
  json.attributeArray("kernels", [&] {
    for (size_t i = 0; i < plan.kernels.size(); ++i)
      json.object(
          [&] { write_kernel(json, plan.kernels[i], reports.empty() ? KernelReport() : reports[i]); });
  });
  write_losers(json, plan);
  json.attributeObject("memory", [&] {
    json.attribute("weights", plan.weight_bytes);
    json.attribute("activations", plan.arena_bytes);
    json.attribute("activations_unplanned", plan.arena_bytes_unplanned);
    json.attribute("state", plan.state_bytes);
  });
  json.attributeObject("total", [&] { write_total(json, plan); });
}

std::string plan_json(const Plan& plan, llvm::ArrayRef<KernelReport> reports) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  OStream json(stream, 2);
  json.object([&] { write_plan(json, plan, reports); });
  stream << "\n";
  return stream.str();
}

}  // namespace tenon
