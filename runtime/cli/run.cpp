// run.cpp: `tenon run`: a model with its tensors on a device, once.
#include <cmath>
#include <cstdio>

#include "codegen/plan_json.h"
#include "ir/diagnostics.h"
#include "ir/json.h"
#include "runtime/cli/commands.h"
#include "runtime/cli/emulator_report.h"
#include "runtime/cli/model_options.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/safetensors.h"
#include "runtime/session.h"

namespace tenon::cli {
namespace {

struct Summary {
  double mean = 0, l2 = 0;
};
Summary summary_of(const Tensor& tensor) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < tensor.elements(); ++i) {
    double value = tensor.at(i);
    sum += value;
    squares += value * value;
  }
  return {sum / static_cast<double>(tensor.elements()), std::sqrt(squares)};
}

// "%.6g", and "nan" without the sign that some machines give it.
std::string number_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::isnan(value) ? "nan" : text;
}

struct Run {
  ModelOptions options;
  GivenPaths paths;
  std::vector<std::string> npy_inputs;  ///< NAME=F.npy
  std::string outputs, state_out;
  uint64_t seed = 0;
  bool check = false, strict = false, locked = false;

  std::vector<std::string> notes;
  std::unique_ptr<BoundModel> bound;
  std::shared_ptr<const Plan> plan;
  std::unique_ptr<Session> session;
  RunResult result;
  std::vector<OutputCheck> checks;

  void parse_inputs();
  void prepare();
  void write_files() const;
  std::string text() const;
  std::string json() const;
  void run();
};

void Run::parse_inputs() {
  for (llvm::StringRef text : npy_inputs) {
    auto [name, path] = text.split('=');
    if (name.empty() || path.empty()) throw Error("--input takes NAME=F.npy, not '" + text.str() + "'");
    paths.npy_inputs.emplace_back(name.str(), path.str());
  }
}

void Run::prepare() {
  parse_policy(options.policy);
  if (!options.target.empty()) find_target(options.target);
  GivenTensors given = open_tensors(paths);
  bound = std::make_unique<BoundModel>(BoundModel::read(options, given.input_extents()));
  std::shared_ptr<const Graph> graph = bound->model.build(bound->dims);
  Binding binding = bind_tensors(*graph, given, seed, strict);
  std::shared_ptr<Device> device = make_device(options.device);
  if (device->needs_plan()) plan = bound->plan_on(options, *device);
  notes = bound->notes;
  notes.insert(notes.end(), binding.notes.begin(), binding.notes.end());
  session = std::make_unique<Session>(graph, std::move(binding), device, plan);
}

void Run::write_files() const {
  const Graph& graph = session->graph();
  if (!outputs.empty()) {
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (size_t i = 0; i < result.outputs.size(); ++i)
      tensors.emplace_back(graph.outputs()[i].name, result.outputs[i]);
    write_safetensors(outputs, tensors);
  }
  if (!state_out.empty()) {
    TensorMap state = session->state();
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const Node& node : graph.nodes())
      if (node.op() == Op::kState) {
        std::string name = node.attributes.string("name").str();
        tensors.emplace_back(name, state.at(name));
      }
    write_safetensors(state_out, tensors);
  }
}

/// With numbers where the type has the names of dims.
std::string type_text(const Tensor& tensor) {
  std::string text = name_of(tensor.dtype()).str() + "[";
  for (const Dim& dim : tensor.type().shape)
    text += (text.back() == '[' ? "" : ", ") + std::to_string(dim.extent());
  return text + "]";
}

std::string dims_text(const DimBinding& dims) {
  std::string text;
  for (const auto& [name, value] : dims)
    text += (text.empty() ? "" : " ") + name + "=" + std::to_string(value);
  return text;
}

std::string Run::text() const {
  char line[256];
  std::snprintf(line, sizeof line, "  %.3f ms\n", result.wall_us / 1e3);
  std::string text = bound->model.name() + "  " + session->device().description();
  if (options.verbose) text += "  " + dims_text(bound->dims);
  text += line;
  for (size_t i = 0; i < result.outputs.size(); ++i) {
    const Tensor& tensor = result.outputs[i];
    Summary summary = summary_of(tensor);
    text += "  " + session->graph().outputs()[i].name + "  " + type_text(tensor) + "  mean " +
            number_text(summary.mean) + "  l2 " + number_text(summary.l2);
    if (check) {
      std::snprintf(line, sizeof line, "  error %.3g (tolerance %.3g): %s", checks[i].error,
                    checks[i].tolerance, checks[i].passed() ? "passed" : "FAILED");
      text += line;
    }
    text += "\n";
  }
  return text;
}

std::string Run::json() const {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::Writer out(stream, 2);
  out.object([&] {
    const emulator::EmulatedMachine* emulated = emulator_of(session->device());
    if (plan) {
      write_plan(out, *plan, emulated ? reports_of(*plan, *emulated) : std::vector<KernelReport>());
    } else {  // a device without kernels
      out.attribute("tenon", 1);
      out.attribute("model", bound->model.name());
      out.attribute_object("dims", [&] {
        for (const auto& entry : bound->dims) out.attribute(entry.first, entry.second);
      });
      out.attribute_array("kernels", [] {});
    }
    out.attribute("device", session->device().description());
    out.attribute("wall_us", result.wall_us);
    out.attribute("notes", notes);
    if (emulated) write_findings(out, *emulated);
    out.attribute_array("outputs", [&] {
      for (size_t i = 0; i < result.outputs.size(); ++i) {
        const Tensor& tensor = result.outputs[i];
        Summary summary = summary_of(tensor);
        out.object([&] {
          out.attribute("name", session->graph().outputs()[i].name);
          out.attribute("shape", extents_of(tensor.type().shape));
          out.attribute("dtype", name_of(tensor.dtype()));
          out.attribute("mean", summary.mean);
          out.attribute("l2", summary.l2);
        });
      }
    });
    if (!check) return;
    out.attribute_array("check", [&] {
      for (size_t i = 0; i < checks.size(); ++i)
        out.object([&] {
          out.attribute("name", session->graph().outputs()[i].name);
          out.attribute("error", checks[i].error);
          out.attribute("tolerance", checks[i].tolerance);
          out.attribute("verdict", checks[i].passed() ? "passed" : "failed");
        });
    });
  });
  text += "\n";
  return text;
}

void Run::run() {
  if (locked) throw Error("--locked is not there yet", {}, "", Status::kMachineCannot);
  parse_inputs();
  prepare();
  print_notes(options, notes);
  result = session->run();
  if (check) checks = check_outputs(*session, result);
  write_files();
  write_text(options.json.empty() ? "-" : options.json, options.json.empty() ? text() : json());
  if (const auto* emulated = emulator_of(session->device())) emulator::require_no_findings(*emulated);
  for (size_t i = 0; i < checks.size(); ++i)
    if (!checks[i].passed())
      throw Error(
          "check failed: output '" + session->graph().outputs()[i].name + "' differs from the f64 evaluator",
          {}, "", Status::kCheckFailed);
}

}  // namespace

void add_run(CLI::App& program) {
  auto state = std::make_shared<Run>();
  CLI::App* command =
      program.add_subcommand("run", "run a model once, on a GPU, on the emulator or on the cpu");
  add_model_options(*command, state->options);
  command
      ->add_option("--weights", state->paths.weights,
                   "a safetensors file, its index, or a folder; may be repeated")
      ->type_name("F.safetensors|DIR")
      ->allow_extra_args(false);
  command->add_option("--input", state->npy_inputs, "one input; may be repeated")
      ->type_name("NAME=F.npy")
      ->allow_extra_args(false);
  command->add_option("--inputs", state->paths.inputs, "inputs by name")->type_name("F.safetensors");
  command->add_option("--outputs", state->outputs, "write the outputs")->type_name("F.safetensors");
  command->add_option("--state-in", state->paths.state, "states before the run (zero without)")
      ->type_name("F.safetensors");
  command->add_option("--state-out", state->state_out, "write the states after the run")
      ->type_name("F.safetensors");
  command->add_option("--seed", state->seed, "of the inputs and weights that are not given")->type_name("N");
  command->add_flag("--check", state->check, "compare each output with the f64 evaluator");
  command->add_flag("--strict", state->strict, "refuse to draw what is not given");
  command->add_flag("--locked", state->locked, "take every decision from the lock file (not there yet)");
  command->callback([state] { state->run(); });
}

}  // namespace tenon::cli
