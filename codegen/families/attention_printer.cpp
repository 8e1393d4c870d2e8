// attention_printer.cpp: a config, operands by strides, and one call of the template.
#include "codegen/families/attention_printer.h"

#include "codegen/entry.h"
#include "codegen/expression_printer.h"
#include "codegen/kernel_parameters.h"
#include "codegen/text.h"

namespace tenon {
namespace {

std::string flag(bool value) { return value ? "true" : "false"; }

/// What the tiles of both kernels begin with.
template <class Tile>
std::string dims_text(const Tile& tile) {
  std::string text = ".head_dim = " + std::to_string(tile.head_dim);
  if (tile.head_dim_v != tile.head_dim) text += ", .head_dim_v = " + std::to_string(tile.head_dim_v);
  if (tile.parts_v != 1) text += ", .parts_v = " + std::to_string(tile.parts_v);
  return text;
}

/// Which keys a query sees, and what becomes of their scores.
template <class Tile>
std::string features_text(const Tile& tile) {
  std::string text = ".causal = " + flag(tile.causal);
  if (tile.window) text += ", .window = true";
  if (tile.softcap) text += ", .softcap = true";
  return text;
}

std::string tile_text(const AttentionTile& tile) {
  std::string text =
      "static constexpr AttentionTile kTile{" + dims_text(tile) +
      ", .block_m = " + std::to_string(tile.block_m) + ", .block_n = " + std::to_string(tile.block_n) +
      ", .warps_m = " + std::to_string(tile.warps_m) + ", .warps_n = " + std::to_string(tile.warps_n) +
      ", .stages = " + std::to_string(tile.stages) + ", .pack = " + std::to_string(tile.pack) +
      ", .min_blocks = " + std::to_string(tile.min_blocks) + ", " + features_text(tile);
  if (tile.q_in_registers) text += ", .q_in_registers = true";
  if (tile.scale_first) text += ", .scale_first = true";
  if (!tile.aligned) text += ", .aligned = false";
  return text + "};";
}

std::string tile_text(const AttentionSimtTile& tile) {
  return "static constexpr AttentionSimtTile kTile{" + dims_text(tile) +
         ", .block_n = " + std::to_string(tile.block_n) +
         ", .rows_per_thread = " + std::to_string(tile.rows_per_thread) +
         ", .warps = " + std::to_string(tile.warps) + ", .pack = " + std::to_string(tile.pack) + ", " +
         features_text(tile) + (tile.aligned ? "" : ", .aligned = false") + "};";
}

/// "AttentionProblem<bf16, AttentionMask<bool>>": the types of what there is.
std::string problem_type(const AttentionSite& site) {
  const std::string element = storage_type(site.dtype).str();
  std::string type = "AttentionProblem<" + element + ", ";
  type += !site.mask ? "NoMask" : "AttentionMask<" + (site.additive_mask ? element : "bool") + ">";
  auto numbers = [](const std::optional<StridedView>& view) {
    return view ? ", HeadNumbers<" + storage_type(view->base->type().dtype).str() + ">" : ", NoHeadNumbers";
  };
  if (site.alibi || site.sinks) type += numbers(site.alibi);
  if (site.sinks) type += numbers(site.sinks);
  return type + ">";
}

/// The strings that initialise the problem, asking for the kernel's parameters in the order of their mention.
class ProblemPrinter {
 public:
  ProblemPrinter(const AttentionSite& site, Names& names, KernelParameters& parameters)
      : site_(site), names_(names), parameters_(parameters) {}

  std::vector<std::string> lines() {
    std::vector<std::string> lines;
    lines.push_back(".q = " + operand(site_.q, 3) + ",  // batch, head, token");
    lines.push_back(".k = " + operand(site_.k, 3) + ",");
    lines.push_back(".v = " + operand(site_.v, 3) + ",");
    const std::string name = names_.base(site_.out.base);
    const std::string out = parameters_.result(0, name, site_.dtype);
    lines.push_back(".out = " + strided(out, site_.out, 3) + ",");
    lines.push_back(site_.mask ? ".mask = " + operand(*site_.mask, 4) + ",  // batch, head, query, key"
                               : ".mask = {},");
    lines.push_back(".queries = int(" + parameters_.number(site_.queries) + "),");
    lines.push_back(".keys = int(" + parameters_.number(site_.keys) + "),");
    lines.push_back(".group = " + std::to_string(site_.group()) + ",");
    lines.push_back(".scale = " + literal(site_.scale, DType::kF32) + ",");
    const size_t feature = lines.size();
    lines.push_back(".offset = " + offset());
    if (site_.window > 0) lines.push_back(".window = " + std::to_string(site_.window));
    if (site_.softcap > 0) lines.push_back(".softcap = " + literal(site_.softcap, DType::kF32));
    if (site_.alibi) lines.push_back(".alibi = " + operand(*site_.alibi, 1));
    if (site_.sinks) lines.push_back(".sinks = " + operand(*site_.sinks, 1));
    for (size_t i = feature; i + 1 < lines.size(); ++i) lines[i] += ",";
    lines.back() += "});";
    return lines;
  }

 private:
  std::string pointer(const Value* base) { return parameters_.operand(base, names_.base(base)); }
  std::string operand(const StridedView& view, int axes) { return strided(pointer(view.base), view, axes); }
  /// "{q + 64, 1024, 64, 128}"
  std::string strided(std::string pointer, const StridedView& view, int axes) {
    if (view.offset.dynamic() || view.offset.extent() != 0)
      pointer += " + " + parameters_.number(view.offset);
    for (int axis = 0; axis < axes; ++axis) pointer += ", " + parameters_.number(view.strides[axis]);
    return "{" + pointer + "}";
  }
  /// "position[0 + blockIdx.z * 1]"
  std::string offset() {
    if (!site_.positioned()) return "0";
    if (!site_.offset) return std::to_string(site_.fixed_offset);
    const std::string base = pointer(site_.offset->base);
    std::string index = parameters_.number(site_.offset->offset);
    if (!site_.offset->strides.empty())
      index += " + blockIdx.z * " + parameters_.number(site_.offset->strides[0]);
    return base + "[" + index + "]";
  }

  const AttentionSite& site_;
  Names& names_;
  KernelParameters& parameters_;
};

}  // namespace

EmittedKernel print_attention(const Region& region, const AttentionSite& site, const AttentionConfig& config,
                              llvm::StringRef config_text, const Target& target, llvm::StringRef name) {
  Names names(*region.body);
  names.reserve(name);
  for (llvm::StringRef taken :
       {"kTile", "Index", "NoMask", "AttentionMask", "AttentionProblem", "HeadNumbers", "NoHeadNumbers"})
    names.reserve(taken);
  KernelParameters parameters(names, true);
  const std::vector<std::string> lines = ProblemPrinter(site, names, parameters).lines();
  const std::string header =
      config.tensor_cores ? "templates/attention_sm80.cuh" : "templates/attention_simt.cuh";

  Text text(name.str() + ".cu");
  print_head(text, name, region, "attention", target, config_text);
  text.line("#include \"" + header + "\"");
  text.blank();
  text.line("namespace tenon {");
  text.blank();
  text.line("using Index = i64;  // of dynamic extents and strides");
  text.line(config.tensor_cores ? tile_text(config.tile) : tile_text(config.simt));
  text.blank();
  open_entry(text, target,
             llvm::Twine("kTile.threads(), ") + (config.tensor_cores ? "kTile.min_blocks" : "1"), name,
             parameters.signature());
  text.from(site.node->location);
  text.line((config.tensor_cores ? "attention_sm80" : "attention_simt") + llvm::Twine("<kTile>(") +
            problem_type(site) + "{");
  for (const std::string& line : lines) text.line("    " + line);
  text.close();
  text.blank();
  text.line("}  // namespace tenon");

  EmittedKernel kernel;
  kernel.name = name.str();
  kernel.source = text.str();
  kernel.arguments = parameters.arguments;
  kernel.packed = parameters.packed;
  kernel.grid[0] = static_cast<int>(config.row_tiles(site));
  kernel.grid[1] = site.heads / config.pack() * config.parts_v();
  kernel.grid[2] = static_cast<int>(site.batch.extent());
  kernel.block[0] = config.threads();
  kernel.shared_bytes = config.shared_bytes();
  kernel.aliases = {-1};
  kernel.includes = {header};
  return kernel;
}

}  // namespace tenon
