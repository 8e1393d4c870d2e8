// inspect.cpp: `tenon inspect`: the graph after each pass, the kernels that come out, the plan as JSON.
#include <cstdio>

#include "codegen/explain.h"
#include "codegen/plan_json.h"
#include "ir/diagnostics.h"
#include "ir/print.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/model_options.h"

namespace tenon::cli {
namespace {

struct Inspect {
  ModelOptions options;
  bool passes = false;
  bool kernels = false;
  std::string html;

  void run() {
    if (!html.empty()) throw Error("inspect --html is not there yet", {}, "", Status::kMachineCannot);
    BoundModel bound = BoundModel::read(options);
    std::string stages;
    StageObserver observer;
    if (passes)
      observer = [&](llvm::StringRef name, const Graph& graph, double us) {
        char head[128];
        std::snprintf(head, sizeof head, "== %s  (%d ops, %.0f us)\n", name.str().c_str(), graph.op_count(),
                      us);
        stages += head + print(graph) + "\n";
      };
    auto plan = bound.plan_to_show(options, observer);
    print_notes(options, bound.notes);
    if (!options.json.empty()) return write_text(options.json, plan_json(*plan));
    std::string text = stages;
    if (!passes && !kernels) text += print(*plan->graph) + "\n" + kernel_table(*plan);
    if (kernels)
      for (const Kernel& kernel : plan->kernels)
        text += kernel.emitted.source.empty()
                    ? "// " + kernel.site + ": " + kernel.implementation + " " + kernel.note + "\n\n"
                    : kernel.emitted.source + "\n";
    write_text("-", text);
  }
};

}  // namespace

void add_inspect(CLI::App& program) {
  auto state = std::make_shared<Inspect>();
  CLI::App* command = program.add_subcommand(
      "inspect", "show the fused graph, the passes, the kernels' source, or the plan as JSON");
  add_model_options(*command, state->options);
  command->add_flag("--passes", state->passes, "the graph after each pass");
  command->add_flag("--kernels", state->kernels, "the CUDA source of each kernel");
  command->add_option("--html", state->html, "a page (not there yet)");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
