// model_options.cpp: shared flags of the commands on a model.
#include "runtime/cli/model_options.h"

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>

#include "ir/diagnostics.h"
#include "runtime/emulator/device/emulator_device.h"
#include "runtime/output_file.h"

namespace tenon::cli {

void add_model_options(CLI::App& command, ModelOptions& options) {
  command.add_option("MODEL", options.model, "the model file (TOML)")->required();
  command.add_option("--dim", options.dims, "bind a dim: NAME=VALUE")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  command
      .add_option("--policy", options.policy,
                  "auto: the cost model decides; fused: generated kernels wherever legal; library: products "
                  "by cuBLASLt")
      ->type_name("auto|fused|library");
  command.add_option("--target", options.target,
                     "a card (h200, a100, ...) or an architecture (sm_80, sm_90a, ...)");
  command.add_option("--device", options.device, "auto, cpu, cuda[:N], emulator[:ARCH]");
  command.add_option("--json", options.json, "one JSON document to a file, or to standard output")
      ->expected(0, 1)
      ->default_str("-")
      ->type_name("[F|-]");
  command.add_flag("-q,--quiet", options.quiet, "no notes");
  command.add_flag("-v,--verbose", options.verbose, "more detail");
}

DimBinding parse_dims(const std::vector<std::string>& dims) {
  DimBinding binding;
  for (llvm::StringRef text : dims) {
    auto [name, value] = text.split('=');
    int64_t number = 0;
    if (name.empty() || value.getAsInteger(10, number))
      throw Error("--dim takes NAME=INTEGER, not '" + text.str() + "'");
    if (!binding.emplace(name.str(), number).second) throw Error("--dim gives " + name.str() + " twice");
  }
  return binding;
}

Policy parse_policy(llvm::StringRef name) {
  if (name == "auto") return Policy::kAuto;
  if (name == "fused") return Policy::kFused;
  if (name == "library") return Policy::kLibrary;
  throw Error("no policy '" + name.str() + "'", {}, "auto, fused or library");
}

BoundModel BoundModel::read(const ModelOptions& options, const std::map<std::string, Extents>& inputs) {
  Model model = Model::read(options.model);
  std::vector<std::string> defaulted, notes;
  DimBinding dims = model.bind(parse_dims(options.dims), inputs, &defaulted);
  for (const std::string& name : defaulted)
    notes.push_back(name + " is not bound: " + name + " = " + std::to_string(dims.at(name)) + " (--dim " +
                    name + "=VALUE)");
  return {std::move(model), std::move(dims), std::move(notes), nullptr};
}

namespace {

// The sites of `with` whose implementation differs from that of `without`, in words.
std::string sites_that_differ(const Plan& without, const Plan& with) {
  std::map<std::string, std::string> implementations;
  for (const Kernel& kernel : without.kernels) implementations[kernel.site] = kernel.implementation;
  std::string sites;
  for (const Kernel& kernel : with.kernels)
    if (auto found = implementations.find(kernel.site);
        found == implementations.end() || found->second != kernel.implementation)
      sites += (sites.empty() ? "" : ", ") + kernel.site;
  return sites;
}

}  // namespace

std::shared_ptr<Plan> BoundModel::plan(const ModelOptions& options, bool library_at_hand,
                                       StageObserver observer, const Card* at_hand) {
  LowerOptions lowering;
  lowering.target_name = !options.target.empty() ? options.target : at_hand ? at_hand->name : kDefaultTarget;
  lowering.target.card = options.target.empty() && at_hand ? *at_hand : find_target(lowering.target_name);
  lowering.target.tf32 = model.tf32();
  lowering.select.policy = parse_policy(options.policy);
  lowering.select.site_policy = model.policy();
  if (options.target.empty() && !at_hand) notes.push_back("no --target: " + lowering.target.card.title);
  std::shared_ptr<Plan> with_library;
  if (!library_at_hand && lowering.select.policy == Policy::kAuto) {
    with_library = lower(graph(), lowering);
    lowering.select.policy = Policy::kFused;
  }
  lowering.target.library = library_at_hand;
  lowering.on_stage = std::move(observer);
  auto plan = lower(graph(), lowering);
  plan->model = model.name();
  plan->dims = dims;
  if (with_library) {
    std::string sites = sites_that_differ(*plan, *with_library);
    notes.push_back(
        "cuBLASLt cannot run here: policy auto acts as fused" +
        (sites.empty() ? ", which changes no site" : "; with it these sites would differ: " + sites));
  }
  return plan;
}

std::shared_ptr<Plan> BoundModel::plan_on(const ModelOptions& options, const Device& device,
                                          StageObserver observer) {
  const auto* gpu = dynamic_cast<const cuda::CudaDevice*>(&device);
  if (!gpu) return plan(options, true, std::move(observer));
  const bool emulated = emulator_of(device) != nullptr;
  if (!gpu->gpu()->has_library() && parse_policy(options.policy) == Policy::kLibrary)
    throw cuda::machine_error("--policy library needs cuBLASLt",
                              emulated ? "the emulator runs generated kernels alone: --policy fused"
                                       : "`tenon doctor` says where it was looked for");
  const Card card = gpu->card();
  if (emulated && !options.target.empty() && find_target(options.target).arch != card.arch)
    throw Error("the target " + options.target + " is not what " + device.description() + " runs", {},
                "--device emulator:" + find_target(options.target).arch);
  return plan(options, gpu->gpu()->has_library(), std::move(observer), &card);
}

std::shared_ptr<Plan> BoundModel::plan_to_show(const ModelOptions& options, StageObserver observer) {
  if (options.device == "auto") return plan(options, true, std::move(observer));
  return plan_on(options, *make_device(options.device), std::move(observer));
}

const emulator::EmulatedMachine* emulator_of(const Device& device) {
  const auto* emulated = dynamic_cast<const emulator::EmulatorDevice*>(&device);
  return emulated ? &emulated->machine() : nullptr;
}

void print_notes(const ModelOptions& options, const std::vector<std::string>& notes) {
  if (options.quiet) return;
  for (const std::string& note : notes) std::fprintf(stderr, "note: %s\n", note.c_str());
}

void write_text(const std::string& path, const std::string& text) {
  if (path == "-") {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
      throw Error(std::string("cannot write to standard output: ") + std::strerror(errno), {}, "",
                  Status::kMachineCannot);
    return;
  }
  write_output(path, [&](llvm::raw_ostream& out) { out << text; });
}

}  // namespace tenon::cli
