// emulator_report.cpp: tables and JSON of what the emulator saw.
#include "runtime/cli/emulator_report.h"

#include "passes/quantity.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/emulator/machine/meter_report.h"

namespace tenon::cli {
namespace {

using emulator::EmulatedMachine;
using emulator::LaunchRecord;
using emulator::Meter;

KernelMeter metered(const Meter& meter) {
  const Meter::Totals totals = meter.totals();
  return {totals.global_bytes_read,   totals.global_bytes_written, meter.unique_bytes_read,
          meter.unique_bytes_written, totals.shared_conflicts,     totals.mma_flops,
          totals.warp_instructions};
}

std::string bytes(uint64_t count) { return tell_bytes(static_cast<double>(count)); }

std::string kernel_line(const Kernel& kernel, const Meter& meter) {
  const Meter::Totals totals = meter.totals();
  const KernelMeter seen = metered(meter);
  const auto pair = [](uint64_t read, uint64_t written) { return bytes(read) + " / " + bytes(written); };
  return format(
      "  %-24s %4d %22s %22s %22s %20s %9llu %14s %12s\n", kernel.site.c_str(), kernel.launches,
      pair(kernel.estimate.bytes_read, kernel.estimate.bytes_written).c_str(),
      pair(seen.unique_bytes_read, seen.unique_bytes_written).c_str(),
      pair(seen.global_bytes_read, seen.global_bytes_written).c_str(),
      (std::to_string(totals.sectors_read) + " / " + std::to_string(totals.sectors_written)).c_str(),
      static_cast<unsigned long long>(seen.shared_bank_conflicts),
      tell_flops(static_cast<double>(seen.mma_flops)).c_str(), std::to_string(seen.instructions).c_str());
}

}  // namespace

std::vector<KernelReport> reports_of(const Plan& plan, const EmulatedMachine& machine) {
  std::vector<KernelReport> reports;
  for (const LaunchRecord* record : emulator::records_of(plan, machine))
    reports.push_back({{}, {}, record ? std::optional(metered(record->result.meter)) : std::nullopt});
  return reports;
}

std::string meter_table(const Plan& plan, const EmulatedMachine& machine, bool lines) {
  std::string text = "  metered on the emulator, a launch each (read / written)\n";
  text += format("  %-24s %4s %22s %22s %22s %20s %9s %14s %12s\n", "site", "x", "predicted", "unique",
                 "asked for", "sectors", "conflicts", "mma", "instructions");
  const auto records = emulator::records_of(plan, machine);
  double predicted = 0;
  uint64_t unique = 0;
  for (size_t i = 0; i < records.size(); ++i) {
    if (!records[i]) continue;
    const Kernel& kernel = plan.kernels[i];
    const Meter& meter = records[i]->result.meter;
    text += kernel_line(kernel, meter);
    if (lines) text += emulator::line_table(meter);
    predicted += static_cast<double>(kernel.launches) *
                 static_cast<double>(kernel.estimate.bytes_read + kernel.estimate.bytes_written);
    unique += static_cast<uint64_t>(kernel.launches) * (meter.unique_bytes_read + meter.unique_bytes_written);
  }
  return text + "  all launches: " + tell_bytes(predicted) + " predicted, " + bytes(unique) +
         " unique; unfused " + tell_bytes(static_cast<double>(plan.selection.unfused_bytes)) + " predicted\n";
}

std::string launch_table(const LaunchRecord& record, bool lines) {
  const Meter& meter = record.result.meter;
  const Meter::Totals totals = meter.totals();
  const auto number = [](uint64_t value) { return std::to_string(value); };
  std::string text = format("%s on the emulator: %.1f ms of emulation%s\n", record.kernel.c_str(),
                            record.result.host_us / 1000, record.result.completed ? "" : ", stopped");
  const auto line = [&](const char* what, const std::string& value) {
    text += format("  %-22s ", what) + value + "\n";
  };
  line("blocks, threads", number(meter.blocks) + ", " + number(meter.threads));
  line("instructions", number(totals.warp_instructions) + " of warps, " + number(totals.thread_instructions) +
                           " of threads" + format(" (%.1f %% of lanes active)", 100 * totals.active_lanes));
  for (int i = 0; i < emulator::kOpClasses; ++i)
    if (totals.by_class[i])
      line((std::string("  ") + emulator::name(static_cast<emulator::OpClass>(i))).c_str(),
           number(totals.by_class[i]));
  line("global memory read", bytes(totals.global_bytes_read) + " asked for in " +
                                 number(totals.sectors_read) + " sectors, " + bytes(meter.unique_bytes_read) +
                                 " unique");
  line("global memory written", bytes(totals.global_bytes_written) + " given in " +
                                    number(totals.sectors_written) + " sectors, " +
                                    bytes(meter.unique_bytes_written) + " unique");
  if (totals.async_bytes) line("  by copy engines", bytes(totals.async_bytes));
  if (totals.atomics) line("atomics", number(totals.atomics));
  line("shared memory", bytes(static_cast<uint64_t>(meter.shared_bytes_per_block)) + " a block; " +
                            bytes(totals.shared_bytes) + " moved in " + number(totals.shared_passes) +
                            " passes, " + number(totals.shared_conflicts) + " of them bank conflicts");
  line("flops", tell_flops(static_cast<double>(totals.flops)) + ", tensor cores " +
                    tell_flops(static_cast<double>(totals.mma_flops)));
  line("barrier waits", number(meter.barrier_waits));
  if (lines) text += "\n" + emulator::line_table(meter);
  return text;
}

void write_launch_meter(json::Writer& out, const Meter& meter) {
  const Meter::Totals totals = meter.totals();
  out.attribute_object("meter", [&] {
    out.attribute("blocks", meter.blocks);
    out.attribute("threads", meter.threads);
    out.attribute("instructions", totals.warp_instructions);
    out.attribute("thread_instructions", totals.thread_instructions);
    out.attribute("active_lanes", totals.active_lanes);
    out.attribute_object("by_class", [&] {
      for (int i = 0; i < emulator::kOpClasses; ++i)
        out.attribute(emulator::name(static_cast<emulator::OpClass>(i)), totals.by_class[i]);
    });
    out.attribute("global_bytes_read", totals.global_bytes_read);
    out.attribute("global_bytes_written", totals.global_bytes_written);
    out.attribute("unique_bytes_read", meter.unique_bytes_read);
    out.attribute("unique_bytes_written", meter.unique_bytes_written);
    out.attribute("sectors_read", totals.sectors_read);
    out.attribute("sectors_written", totals.sectors_written);
    out.attribute("async_bytes", totals.async_bytes);
    out.attribute("atomics", totals.atomics);
    out.attribute("shared_bytes_per_block", meter.shared_bytes_per_block);
    out.attribute("shared_bytes", totals.shared_bytes);
    out.attribute("shared_passes", totals.shared_passes);
    out.attribute("shared_bank_conflicts", totals.shared_conflicts);
    out.attribute("flops", totals.flops);
    out.attribute("mma_flops", totals.mma_flops);
    out.attribute("barrier_waits", meter.barrier_waits);
  });
}

void write_finding(json::Writer& out, const emulator::Finding& finding) {
  out.object([&] {
    out.attribute("kind", emulator::name(finding.kind));
    out.attribute("kernel", finding.kernel);
    out.attribute("message", finding.message);
    out.attribute("block", llvm::ArrayRef<int>(finding.block));
    const bool of_thread = finding.lane >= 0;
    out.attribute("warp", finding.warp >= 0 ? std::optional(finding.warp) : std::nullopt);
    if (of_thread) out.attribute("thread", llvm::ArrayRef<int>(finding.thread));
    out.attribute("ptx_line", finding.ptx_line);
    out.attribute("ptx", finding.ptx);
    out.attribute("source", finding.source);
    out.attribute("notes", finding.notes);
    out.attribute("equation", finding.equation);
    out.attribute("count", finding.count);
  });
}

void write_findings(json::Writer& out, const EmulatedMachine& machine) {
  out.attribute_array("findings", [&] {
    for (const LaunchRecord& record : machine.records())
      for (const emulator::Finding& finding : record.result.findings) write_finding(out, finding);
  });
}

}  // namespace tenon::cli
