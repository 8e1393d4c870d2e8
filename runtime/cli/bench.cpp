// bench.cpp: `tenon bench`: how long a run takes, and on a GPU each of its kernels beside its prediction.
#include <algorithm>
#include <cstdio>

#include "ir/diagnostics.h"
#include "ir/json.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/emulator_report.h"
#include "runtime/cli/paths.h"
#include "runtime/cli/placed_model.h"
#include "runtime/emulator/device/emulator_device.h"

namespace tenon::cli {
namespace {

constexpr int kRepeats = 30;

struct Bench {
  ModelOptions options;
  TensorOptions tensors;
  bool ablate = false;

  double run_us = 0;
  std::vector<double> kernel_us;  // by kernel: the mean of its launches
  const emulator::EmulatedMachine* emulated = nullptr;

  void run() {
    if (ablate) throw Error("bench --ablate is not there yet", {}, "", Status::kMachineCannot);
    const PlacedModel placed = place(options, tensors, make_device(options.device));
    emulated = emulator_of(*placed.device);
    if (emulated)
      emulate(placed);
    else if (cuda::CudaExecutor* executor = placed.executor())
      measure(*executor);
    else
      run_us = median_run(*placed.program, placed.binding.inputs);
    write_text(options.json.empty() ? "-" : options.json, options.json.empty() ? text(placed) : json(placed));
    if (emulated) emulator::require_no_findings(*emulated);
  }

  // One run: what the emulator takes on this host, which says nothing of a device.
  void emulate(const PlacedModel& placed) {
    run_us = placed.program->run(placed.binding.inputs).wall_us;
    const Plan& plan = *placed.plan;
    kernel_us.assign(plan.kernels.size(), 0);
    for (const emulator::LaunchRecord& record : emulated->records())
      for (size_t i = 0; i < plan.kernels.size(); ++i)
        if (plan.kernels[i].emitted.name == record.kernel)
          kernel_us[i] += record.result.host_us / plan.kernels[i].launches;
  }

  void measure(cuda::CudaExecutor& executor) {
    const cuda::Timing timing = executor.measure(kRepeats);
    run_us = timing.run_us;
    const Plan& plan = executor.plan();
    kernel_us.assign(plan.kernels.size(), 0);
    for (size_t i = 0; i < plan.steps.size(); ++i)
      if (const int kernel = plan.steps[i].kernel; kernel >= 0)
        kernel_us[kernel] += timing.step_us[i] / plan.kernels[kernel].launches;
  }

  // At least three runs, and more while they stay below a second.
  static double median_run(Program& program, const TensorMap& inputs) {
    program.run(inputs);
    std::vector<double> times;
    for (double total = 0; times.size() < 3 || (total < 1e6 && times.size() < kRepeats);
         total += times.back())
      times.push_back(program.run(inputs).wall_us);
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    return times[times.size() / 2];
  }

  std::string text(const PlacedModel& placed) const {
    char line[256];
    if (emulated)
      std::snprintf(line, sizeof line, "  %.1f ms of emulation a run\n", run_us / 1000);
    else
      std::snprintf(line, sizeof line, "  %.1f us a run\n", run_us);
    std::string text = placed.bound.model.name() + "  " + placed.device->description() + line;
    for (size_t i = 0; i < kernel_us.size(); ++i) {
      const Kernel& kernel = placed.plan->kernels[i];
      if (emulated)
        std::snprintf(line, sizeof line, "  %-32s %-10s %4d x %9.1f ms of emulation\n", kernel.site.c_str(),
                      kernel.implementation.c_str(), kernel.launches, kernel_us[i] / 1000);
      else
        std::snprintf(line, sizeof line, "  %-32s %-10s %4d x %9.1f us  (predicted %.1f)\n",
                      kernel.site.c_str(), kernel.implementation.c_str(), kernel.launches, kernel_us[i],
                      kernel.estimate.us);
      text += line;
    }
    if (placed.plan)
      text += "predicted for " + placed.plan->target.card.title + "\n" +
              tell_paths(placed.bound.model, *placed.plan);
    return text;
  }

  std::string json(const PlacedModel& placed) const {
    std::string text;
    llvm::raw_string_ostream stream(text);
    tenon::json::Writer out(stream, 2);
    out.object([&] {
      out.attribute("tenon", 1);
      out.attribute("model", placed.bound.model.name());
      out.attribute("device", placed.device->description());
      out.attribute_object("dims", [&] {
        for (const auto& entry : placed.bound.dims) out.attribute(entry.first, entry.second);
      });
      out.attribute(emulated ? "emulation_us" : "run_us", run_us);
      const std::vector<KernelReport> reports =
          emulated ? reports_of(*placed.plan, *emulated) : std::vector<KernelReport>(kernel_us.size());
      out.attribute_array("kernels", [&] {
        for (size_t i = 0; i < kernel_us.size(); ++i)
          out.object([&] {
            const Kernel& kernel = placed.plan->kernels[i];
            out.attribute("name", kernel.emitted.name);
            out.attribute("site", kernel.site);
            out.attribute("family", kernel.family);
            out.attribute("implementation", kernel.implementation);
            out.attribute("launches", kernel.launches);
            out.attribute(emulated ? "emulation_us" : "measured_us", kernel_us[i]);
            if (reports[i].metered) write_meter(out, *reports[i].metered);
            out.attribute("predicted_us", kernel.estimate.us);
          });
      });
      if (placed.plan) write_paths(out, placed.bound.model, *placed.plan);
      if (emulated) write_findings(out, *emulated);
    });
    return stream.str() + "\n";
  }
};

}  // namespace

void add_bench(CLI::App& program) {
  auto state = std::make_shared<Bench>();
  CLI::App* command =
      program.add_subcommand("bench", "time a run, and on a GPU each kernel beside its prediction");
  add_model_options(*command, state->options);
  add_tensor_options(*command, state->tensors);
  command->add_flag("--ablate", state->ablate, "the gain of each fusion (not there yet)");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
