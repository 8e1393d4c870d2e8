// explain.cpp: `tenon explain`: what was considered at each site, what it costs, what was chosen, why.
#include "codegen/explain.h"

#include "codegen/plan_json.h"
#include "ir/diagnostics.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/emulator_report.h"
#include "runtime/cli/placed_model.h"
#include "runtime/emulator/device/emulator_device.h"

namespace tenon::cli {
namespace {

struct Explain {
  ModelOptions options;
  std::string site, over;

  /// "T=1..8192": the dim's powers of two between the bounds, and the bounds.
  std::pair<std::string, std::vector<int64_t>> range() const {
    auto [name, bounds] = llvm::StringRef(over).split('=');
    auto [low, high] = bounds.split("..");
    int64_t first = 0, last = 0;
    if (name.empty() || low.getAsInteger(10, first) || high.getAsInteger(10, last) || first < 1 ||
        last < first)
      throw Error("--over takes NAME=FIRST..LAST with 1 <= FIRST <= LAST, not '" + over + "'");
    std::vector<int64_t> values;
    for (int64_t value = first; value < last; value *= 2) values.push_back(value);
    values.push_back(last);
    return {name.str(), values};
  }

  void explain_over() {
    auto [name, values] = range();
    std::vector<std::shared_ptr<Plan>> plans;
    for (int64_t value : values) {
      ModelOptions one = options;
      one.dims.push_back(name + "=" + std::to_string(value));
      BoundModel bound = BoundModel::read(one);
      plans.push_back(bound.plan_to_show(one));
      if (value == values.front()) print_notes(options, bound.notes);
    }
    if (!options.json.empty()) return write_text(options.json, json(name, plans));
    std::string text;
    for (size_t i = 0; i < plans.size(); ++i)
      text += name + " = " + std::to_string(values[i]) + "\n" + kernel_table(*plans[i], site) + "\n";
    write_text("-", text);
  }

  static std::string json(const std::string& name, llvm::ArrayRef<std::shared_ptr<Plan>> plans) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    tenon::json::Writer out(stream, 2);
    out.object([&] {
      out.attribute("tenon", 1);
      out.attribute("over", name);
      out.attribute_array("plans", [&] {
        for (const auto& plan : plans) out.object([&] { write_plan(out, *plan); });
      });
    });
    return stream.str() + "\n";
  }

  // The plan, and what its kernels did in a run with drawn tensors.
  void explain_emulated() {
    const PlacedModel placed = place(options, TensorOptions{}, make_device(options.device));
    placed.program->run(placed.binding.inputs);
    const emulator::EmulatedMachine& machine = *emulator_of(*placed.device);
    if (!options.json.empty())
      write_text(options.json, plan_json(*placed.plan, reports_of(*placed.plan, machine)));
    else
      write_text("-",
                 explain(*placed.plan, site) + "\n" + meter_table(*placed.plan, machine, options.verbose));
    emulator::require_no_findings(machine);
  }

  void run() {
    if (!over.empty()) return explain_over();
    if (llvm::StringRef(options.device).startswith("emulator")) return explain_emulated();
    BoundModel bound = BoundModel::read(options);
    auto plan = bound.plan_to_show(options);
    print_notes(options, bound.notes);
    if (!options.json.empty()) return write_text(options.json, plan_json(*plan));
    write_text("-", explain(*plan, site));
  }
};

}  // namespace

void add_explain(CLI::App& program) {
  auto state = std::make_shared<Explain>();
  CLI::App* command =
      program.add_subcommand("explain", "say what was chosen at each site, what it beat, and why");
  add_model_options(*command, state->options);
  command->add_option("SITE", state->site, "only these sites (a pattern as in [policy])");
  command->add_option("--over", state->over, "the choices over a range of one dim")
      ->type_name("NAME=FIRST..LAST");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
