// explain.cpp: `tenon explain`: what was considered at each site, what it costs, what was chosen, why.
#include "codegen/explain.h"

#include "codegen/plan_json.h"
#include "ir/diagnostics.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/model_options.h"

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
    std::string text;
    for (int64_t value : values) {
      ModelOptions one = options;
      one.dims.push_back(name + "=" + std::to_string(value));
      BoundModel bound = BoundModel::read(one);
      auto plan = bound.plan(one);
      if (value == values.front()) print_notes(options, bound.notes);
      text += name + " = " + std::to_string(value) + "\n" + kernel_table(*plan) + "\n";
    }
    write_text("-", text);
  }

  void run() {
    if (!over.empty()) return explain_over();
    BoundModel bound = BoundModel::read(options);
    auto plan = bound.plan(options);
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
  command->add_option("SITE", state->site, "only this site (patterns as in [policy])");
  command->add_option("--over", state->over, "the choices over a range of one dim")
      ->type_name("NAME=FIRST..LAST");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
