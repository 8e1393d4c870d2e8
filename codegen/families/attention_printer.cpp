// attention_printer.cpp: a config, operands by strides, and one call of the template.
#include "codegen/families/attention_printer.h"

#include "codegen/expression_printer.h"
#include "codegen/names.h"
#include "codegen/text.h"
#include "llvm/ADT/StringMap.h"

namespace tenon {
namespace {

/// The kernel's parameters as they are asked for: a pointer for each tensor, a number for each dynamic dim.
class Parameters {
 public:
  Parameters(const Graph& body, llvm::StringRef kernel) : names_(body) {
    names_.fresh(kernel);
    for (llvm::StringRef taken : {"kTile", "NoMask", "AttentionMask", "AttentionProblem"})
      names_.fresh(taken);
  }

  /// "q + 2048", reading what the view is of.
  std::string pointer(const StridedView& view) { return shifted(tensor(view.base, "const "), view.offset); }
  std::string result(const StridedView& view) { return shifted(tensor(view.base, ""), view.offset); }
  /// A fixed number as itself, a dynamic one as a parameter that bears its expression's name.
  std::string number(const Dim& dim) {
    if (!dim.dynamic()) return std::to_string(dim.extent());
    auto [entry, is_new] = numbers_.try_emplace(dim.symbol());
    if (is_new) {
      entry->second = names_.fresh(dim.symbol());
      numeric_.push_back({"i64 " + entry->second, {KernelArgument::kInt64, 0, dim.extent()}});
      if (entry->second != dim.symbol()) notes_.push_back(entry->second + " is " + dim.symbol().str());
    }
    return entry->second;
  }
  std::string tensor(const Value* value, llvm::StringRef constness) {
    std::string& name = tensors_[value];
    if (!name.empty()) return name;
    name = names_(value);
    const Node& node = *value->node();
    KernelArgument argument{KernelArgument::kResult, 0, 0};
    if (node.op() == Op::kParameter) {
      argument = {KernelArgument::kOperand, static_cast<int>(node.attributes.integer("index")), 0};
    } else if (!constness.empty()) {
      argument = {KernelArgument::kPacked, static_cast<int>(packed.size()), 0};
      packed.push_back(value);
    }
    pointers_.push_back({(constness + storage_type(value->type().dtype) + "* " + name).str(), argument});
    return name;
  }

  std::string declarations() const {
    std::string text;
    for (const auto* list : {&pointers_, &numeric_})
      for (const auto& [declaration, argument] : *list) text += (text.empty() ? "" : ", ") + declaration;
    return text;
  }
  std::vector<KernelArgument> arguments() const {
    std::vector<KernelArgument> all;
    for (const auto* list : {&pointers_, &numeric_})
      for (const auto& [declaration, argument] : *list) all.push_back(argument);
    return all;
  }
  const std::vector<std::string>& notes() const { return notes_; }
  std::vector<const Value*> packed;

 private:
  std::string shifted(const std::string& name, const Dim& by) {
    return by.dynamic() || by.extent() != 0 ? name + " + " + number(by) : name;
  }

  Names names_;
  llvm::DenseMap<const Value*, std::string> tensors_;
  llvm::StringMap<std::string> numbers_;
  std::vector<std::pair<std::string, KernelArgument>> pointers_, numeric_;
  std::vector<std::string> notes_;
};

std::string flag(bool value) { return value ? "true" : "false"; }

std::string tile_text(const AttentionTile& tile) {
  std::string text =
      "static constexpr AttentionTile kTile{.head_dim = " + std::to_string(tile.head_dim) +
      ", .block_m = " + std::to_string(tile.block_m) + ", .block_n = " + std::to_string(tile.block_n) +
      ", .warps_m = " + std::to_string(tile.warps_m) + ", .warps_n = " + std::to_string(tile.warps_n) +
      ", .stages = " + std::to_string(tile.stages) + ", .pack = " + std::to_string(tile.pack) +
      ", .min_blocks = " + std::to_string(tile.min_blocks) + ", .causal = " + flag(tile.causal);
  if (tile.q_in_registers) text += ", .q_in_registers = true";
  if (tile.scale_first) text += ", .scale_first = true";
  if (!tile.aligned) text += ", .aligned = false";
  return text + "};";
}

std::string tile_text(const AttentionSimtTile& tile) {
  return "static constexpr AttentionSimtTile kTile{.head_dim = " + std::to_string(tile.head_dim) +
         ", .block_n = " + std::to_string(tile.block_n) +
         ", .rows_per_thread = " + std::to_string(tile.rows_per_thread) +
         ", .warps = " + std::to_string(tile.warps) + ", .pack = " + std::to_string(tile.pack) +
         ", .causal = " + flag(tile.causal) + (tile.aligned ? "" : ", .aligned = false") + "};";
}

std::string strides(Parameters& parameters, const StridedView& view, int count) {
  std::string text;
  for (int axis = 0; axis < count; ++axis) text += ", " + parameters.number(view.strides[axis]);
  return text;
}

/// "position[blockIdx.z]": where a causal mask's offset comes from.
std::string offset_text(const AttentionSite& site, Parameters& parameters) {
  if (!site.causal || !site.offset) return std::to_string(site.causal ? site.fixed_offset : 0);
  std::string index = parameters.number(site.offset->offset);
  if (!site.offset->strides.empty()) index += " + blockIdx.z * " + parameters.number(site.offset->strides[0]);
  return parameters.tensor(site.offset->base, "const ") + "[" + index + "]";
}

/// The lines of the problem's designated initialisers. Asks for the parameters in the order in which the
/// kernel declares them.
std::vector<std::string> problem_lines(const AttentionSite& site, Parameters& parameters) {
  auto operand = [&](const std::string& pointer, const StridedView& view, int axes) {
    return "{" + pointer + strides(parameters, view, axes) + "}";
  };
  std::vector<std::string> lines;
  lines.push_back(".q = " + operand(parameters.pointer(site.q), site.q, 3) + ",  // batch, head, token");
  lines.push_back(".k = " + operand(parameters.pointer(site.k), site.k, 3) + ",");
  lines.push_back(".v = " + operand(parameters.pointer(site.v), site.v, 3) + ",");
  const std::string mask = site.mask ? operand(parameters.pointer(*site.mask), *site.mask, 4) : "{}";
  const std::string offset = offset_text(site, parameters);
  lines.push_back(".out = " + operand(parameters.result(site.out), site.out, 3) + ",");
  lines.push_back(".mask = " + mask + (site.mask ? ",  // batch, head, query, key" : ","));
  lines.push_back(".queries = int(" + parameters.number(site.queries) + "),");
  lines.push_back(".keys = int(" + parameters.number(site.keys) + "),");
  lines.push_back(".group = " + std::to_string(site.group()) + ",");
  lines.push_back(".scale = " + literal(site.scale, DType::kF32) + ",");
  lines.push_back(".offset = " + offset + "});");
  return lines;
}

}  // namespace

EmittedKernel print_attention(const Region& region, const AttentionSite& site, const AttentionConfig& config,
                              llvm::StringRef config_text, const Target& target, llvm::StringRef name) {
  Parameters parameters(*region.body, name);
  const std::vector<std::string> lines = problem_lines(site, parameters);
  const std::string element = storage_type(site.dtype).str();
  const std::string mask =
      !site.mask ? "NoMask" : "AttentionMask<" + (site.additive_mask ? element : "bool") + ">";
  const std::string header =
      config.tensor_cores ? "templates/attention_sm80.cuh" : "templates/attention_simt.cuh";

  Text text(name.str() + ".cu");
  print_head(text, name, region, "attention", target, config_text);
  for (const std::string& note : parameters.notes()) text.line("// " + note);
  text.line("#include \"" + header + "\"");
  text.blank();
  text.line("namespace tenon {");
  text.blank();
  text.line(config.tensor_cores ? tile_text(config.tile) : tile_text(config.simt));
  text.blank();
  text.open("extern \"C\" __global__ void __launch_bounds__(kTile.threads(), " +
            llvm::Twine(config.tensor_cores ? "kTile.min_blocks" : "1") + ") " + name + "(" +
            parameters.declarations() + ")");
  text.from(site.node->location);
  text.line((config.tensor_cores ? "attention_sm80" : "attention_simt") +
            llvm::Twine("<kTile>(AttentionProblem<") + element + ", " + mask + ">{");
  for (const std::string& line : lines) text.line("    " + line);
  text.own();
  text.close();
  text.blank();
  text.line("}  // namespace tenon");

  EmittedKernel kernel;
  kernel.name = name.str();
  kernel.source = text.str();
  kernel.arguments = parameters.arguments();
  kernel.packed = parameters.packed;
  kernel.grid[0] = static_cast<int>(config.row_tiles(site));
  kernel.grid[1] = site.heads / config.pack();
  kernel.grid[2] = static_cast<int>(site.batch.extent());
  kernel.block[0] = config.threads();
  kernel.shared_bytes = config.shared_bytes();
  kernel.aliases = {-1};
  kernel.includes = {header};
  return kernel;
}

}  // namespace tenon
