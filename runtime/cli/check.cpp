// check.cpp: `tenon check`: every kernel on the device against the f64 evaluator, kernel by kernel.
#include <cstdio>

#include "ir/diagnostics.h"
#include "ir/json.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/emulator_report.h"
#include "runtime/cli/placed_model.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/kernel_check.h"

namespace tenon::cli {
namespace {

struct Check {
  ModelOptions options;
  TensorOptions tensors;
  bool meter = false;

  void run() {
    std::shared_ptr<Device> device = make_device(options.device);
    const emulator::EmulatedMachine* emulated = emulator_of(*device);
    if (meter && !emulated)
      throw Error(device->description() + " has no meters", {}, "check --meter --device emulator",
                  Status::kMachineCannot);
    if (!device->needs_plan())
      throw Error(device->description() + " runs no kernels to check", {},
                  "`tenon run --check` judges the outputs of any device", Status::kMachineCannot);
    const PlacedModel placed = place(options, tensors, device);
    const auto checks = check_kernels(*placed.executor(), placed.binding.inputs, placed.binding.weights);
    write_text(options.json.empty() ? "-" : options.json,
               options.json.empty() ? text(placed, checks, emulated) : json(placed, checks, emulated));
    if (emulated) emulator::require_no_findings(*emulated);
    for (const KernelCheck& check : checks)
      if (!check.passed())
        throw Error("check failed: the kernel at " + check.site + " differs from the f64 evaluator", {}, "",
                    Status::kCheckFailed);
  }

  std::string text(const PlacedModel& placed, llvm::ArrayRef<KernelCheck> checks,
                   const emulator::EmulatedMachine* emulated) const {
    std::string text = placed.bound.model.name() + "  " + placed.device->description() + "\n";
    for (const KernelCheck& check : checks)
      for (const OutputCheck& output : check.outputs) {
        char line[256];
        std::snprintf(line, sizeof line, "  %-32s %-10s error %.3g (tolerance %.3g): %s\n",
                      check.site.c_str(), placed.plan->kernels[check.kernel].implementation.c_str(),
                      output.error, output.tolerance, output.passed() ? "passed" : "FAILED");
        text += line;
      }
    return meter ? text + meter_table(*placed.plan, *emulated, options.verbose) : text;
  }

  static std::string json(const PlacedModel& placed, llvm::ArrayRef<KernelCheck> checks,
                          const emulator::EmulatedMachine* emulated) {
    std::vector<KernelReport> reports(placed.plan->kernels.size());
    if (emulated) reports = reports_of(*placed.plan, *emulated);
    std::string text;
    llvm::raw_string_ostream stream(text);
    tenon::json::Writer out(stream, 2);
    out.object([&] {
      out.attribute("tenon", 1);
      out.attribute("model", placed.bound.model.name());
      out.attribute("device", placed.device->description());
      out.attribute_array("kernels", [&] {
        for (const KernelCheck& check : checks)
          out.object([&] {
            const Kernel& kernel = placed.plan->kernels[check.kernel];
            out.attribute("name", kernel.emitted.name);
            out.attribute("site", check.site);
            out.attribute("family", kernel.family);
            out.attribute("implementation", kernel.implementation);
            out.attribute("bytes_read", kernel.estimate.bytes_read);
            out.attribute("bytes_written", kernel.estimate.bytes_written);
            out.attribute("scratch_bytes", kernel.emitted.workspace_bytes + kernel.emitted.counter_bytes);
            out.attribute("verdict", check.passed() ? "passed" : "failed");
            if (reports[check.kernel].metered) write_meter(out, *reports[check.kernel].metered);
            out.attribute_array("outputs", [&] {
              for (const OutputCheck& output : check.outputs)
                out.object([&] {
                  out.attribute("error", output.error);
                  out.attribute("tolerance", output.tolerance);
                });
            });
          });
      });
      if (emulated) write_findings(out, *emulated);
    });
    return stream.str() + "\n";
  }
};

}  // namespace

void add_check(CLI::App& program) {
  auto state = std::make_shared<Check>();
  CLI::App* command =
      program.add_subcommand("check", "judge every kernel on the device by the f64 evaluator");
  add_model_options(*command, state->options);
  add_tensor_options(*command, state->tensors);
  command->add_flag("--meter", state->meter, "count what each kernel does (--device emulator)");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
