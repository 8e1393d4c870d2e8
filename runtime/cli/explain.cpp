// explain.cpp: `tenon explain`: what was considered at each site, what it costs, what was chosen, why.
#include "codegen/explain.h"

#include "codegen/plan_json.h"
#include "codegen/size_classes.h"
#include "ir/diagnostics.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/emulator_report.h"
#include "runtime/cli/paths.h"
#include "runtime/cli/placed_model.h"
#include "runtime/emulator/device/emulator_device.h"

namespace tenon::cli {
namespace {

struct Explain {
  ModelOptions options;
  std::string site, over;

  struct Range {
    std::string dim;
    int64_t first = 0, last = 0;
  };

  /// "T=1..8192".
  Range range() const {
    auto [name, bounds] = llvm::StringRef(over).split('=');
    auto [low, high] = bounds.split("..");
    Range range{name.str()};
    if (name.empty() || low.getAsInteger(10, range.first) || high.getAsInteger(10, range.last) ||
        range.first < 1 || range.last < range.first)
      throw Error("--over takes NAME=FIRST..LAST with 1 <= FIRST <= LAST, not '" + over + "'");
    return range;
  }

  void explain_over() {
    const Range wanted = range();
    bool noted = false;
    const std::vector<SizeClass> classes = size_classes(wanted.first, wanted.last, [&](int64_t extent) {
      ModelOptions one = options;
      one.dims.push_back(wanted.dim + "=" + std::to_string(extent));
      BoundModel bound = BoundModel::read(one);
      auto plan = bound.plan_to_show(one);
      if (!noted) print_notes(options, bound.notes);
      noted = true;
      return plan;
    });
    if (!options.json.empty())
      write_text(options.json, json(wanted.dim, classes));
    else
      write_text("-", tell_size_classes(wanted.dim, classes, site));
  }

  static std::string json(const std::string& dim, llvm::ArrayRef<SizeClass> classes) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    tenon::json::Writer out(stream, 2);
    out.object([&] {
      out.attribute("tenon", 1);
      out.attribute("over", dim);
      out.attribute_array("classes", [&] {
        for (size_t i = 0; i < classes.size(); ++i)
          out.object([&] {
            out.attribute("first", classes[i].first);
            out.attribute("last", classes[i].last);
            out.attribute_array("changes", [&] {
              if (i > 0)
                for (const Kernel* kernel : changed_kernels(*classes[i - 1].plan, *classes[i].plan))
                  out.object([&] {
                    out.attribute("site", kernel->site);
                    out.attribute("kernel", kernel->emitted.name);
                    out.attribute("why", kernel->why);
                  });
            });
            out.attribute_object("plan", [&] { write_plan(out, *classes[i].plan); });
          });
      });
    });
    return stream.str() + "\n";
  }

  static std::string json(const Model& model, const Plan& plan) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    tenon::json::Writer out(stream, 2);
    out.object([&] {
      write_plan(out, plan);
      write_paths(out, model, plan);
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
    if (!options.json.empty()) return write_text(options.json, json(bound.model, *plan));
    write_text("-", explain(*plan, site) + (site.empty() ? "paths:\n" + tell_paths(bound.model, *plan) : ""));
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
