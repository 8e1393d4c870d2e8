// emulator_report.h: what the emulator saw of a plan's kernels: meters beside predictions, and findings.
#pragma once
#include <string>
#include <vector>

#include "codegen/plan_json.h"
#include "runtime/emulator/device/emulated_machine.h"

namespace tenon::cli {

/// One entry a kernel, from its first recorded launch; for write_plan().
std::vector<KernelReport> reports_of(const Plan& plan, const emulator::EmulatedMachine& machine);
/// A line a kernel: predicted bytes beside those touched and those asked for, sectors, conflicts, flops, instructions; a
/// launch each. Then the sums over all launches. `lines`: below each kernel its source lines.
std::string meter_table(const Plan& plan, const emulator::EmulatedMachine& machine, bool lines);
/// One launch's meters as a table for people. `lines`: by source line too.
std::string launch_table(const emulator::LaunchRecord& record, bool lines);
/// "meter": one launch's meters, into an open object.
void write_launch_meter(json::Writer& out, const emulator::Meter& meter);
/// "findings": an array of objects, into an open object.
void write_findings(json::Writer& out, const emulator::EmulatedMachine& machine);
void write_finding(json::Writer& out, const emulator::Finding& finding);

}  // namespace tenon::cli
