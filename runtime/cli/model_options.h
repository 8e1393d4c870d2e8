// model_options.h: the flags that every command on a MODEL shares, and the model, dims, target and plan that
// they mean.
#pragma once
#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <vector>

#include "codegen/lower.h"
#include "ir/model.h"
#include "runtime/device.h"

namespace tenon::emulator {
class EmulatedMachine;
}

namespace tenon::cli {

/// As given on the command line.
struct ModelOptions {
  std::string model;
  std::vector<std::string> dims;  ///< NAME=VALUE
  std::string policy = "auto";
  std::string target;  ///< "" stands for the GPU at hand, else for kDefaultTarget
  std::string device = "auto";
  std::string json;  ///< "" none, "-" standard output, else a file
  bool quiet = false;
  bool verbose = false;
};

constexpr char kDefaultTarget[] = "h200";

/// Adds MODEL, --dim, --policy, --target, --device, --json, -q and -v to a command.
void add_model_options(CLI::App& command, ModelOptions& options);

/// --dim as a binding; throws Error for text that is no NAME=INTEGER or a name given twice.
DimBinding parse_dims(const std::vector<std::string>& dims);
Policy parse_policy(llvm::StringRef name);  ///< throws Error for an unknown policy

/// A model with its dims bound and, on demand, its plan.
struct BoundModel {
  Model model;
  DimBinding dims;
  std::vector<std::string>
      notes;  ///< what the user should know: dims that were defaulted, the target that was assumed
  const Graph* instead = nullptr;  ///< what plans are made of; null: the model's graph

  /// A graph of its own to plan.
  std::unique_ptr<Graph> graph() const { return instead ? instead->clone() : model.build(dims); }
  /// `inputs` as Model::bind takes them.
  static BoundModel read(const ModelOptions& options, const std::map<std::string, Extents>& inputs = {});
  std::shared_ptr<Plan> plan(const ModelOptions& options, bool library_at_hand = true,
                             StageObserver observer = {}, const Card* at_hand = nullptr);
  /// The plan that a device runs: for the GPU at hand unless --target says otherwise.
  std::shared_ptr<Plan> plan_on(const ModelOptions& options, const Device& device,
                                StageObserver observer = {});
  /// The plan to look at, not to run: for --target, or for the GPU that --device names.
  std::shared_ptr<Plan> plan_to_show(const ModelOptions& options, StageObserver observer = {});
};

/// The machine behind an emulator device; null for any other device.
const emulator::EmulatedMachine* emulator_of(const Device& device);

/// Prints `notes` to standard error unless quiet.
void print_notes(const ModelOptions& options, const std::vector<std::string>& notes);

/// Writes text to a path (output_file.h) or, for "-", to standard output. Throws Error.
void write_text(const std::string& path, const std::string& text);

}  // namespace tenon::cli
