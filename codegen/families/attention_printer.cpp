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
  if (tile.share) text += ", .share = " + std::to_string(tile.share);
  return text + "};";
}

std::string tile_text(const AttentionSimtTile& tile) {
  return "static constexpr AttentionSimtTile kTile{" + dims_text(tile) +
         ", .block_n = " + std::to_string(tile.block_n) +
         ", .rows_per_thread = " + std::to_string(tile.rows_per_thread) +
         ", .warps = " + std::to_string(tile.warps) + ", .pack = " + std::to_string(tile.pack) + ", " +
         features_text(tile) + (tile.aligned ? "" : ", .aligned = false") +
         (tile.share ? ", .share = " + std::to_string(tile.share) + "};" : "};");
}

/// "AttentionProblem<bf16, AttentionMask<bool>>": the types of what there is.
std::string problem_type(const AttentionSite& site) {
  const std::string element = storage_type(site.dtype).str();
  std::string type = "AttentionProblem<" + element + ", ";
  type += !site.mask ? "NoMask" : "AttentionMask<" + (site.additive_mask ? element : "bool") + ">";
  auto numbers = [](const std::optional<StridedView>& view) {
    return view ? ", HeadNumbers<" + storage_type(view->base->type().dtype).str() + ">" : ", NoHeadNumbers";
  };
  if (site.alibi || site.sinks || site.k_pages) type += numbers(site.alibi);
  if (site.sinks || site.k_pages) type += numbers(site.sinks);
  if (site.k_pages)
    type += ", PagedOperand<const " + element + ", " + std::to_string(site.k_pages->page) + ", " +
            storage_type(site.k_pages->table.base->type().dtype).str() + ">";
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
    lines.push_back(".k = " + keys(site_.k, site_.k_pages) +
                    (site_.k_pages ? ",  // page, head, token; the table" : ","));
    lines.push_back(".v = " + keys(site_.v, site_.v_pages) + ",");
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
    return lines;
  }

 private:
  std::string pointer(const Value* base) { return parameters_.operand(base, names_.base(base)); }
  std::string operand(const StridedView& view, int axes) { return strided(pointer(view.base), view, axes); }
  /// "{k_cache, 4096, 1024, 64}", or "{{k_pool, 4096, 1024, 64}, {pages, 32, 1}, 100, 32}"
  std::string keys(const StridedView& view, const std::optional<PageTable>& pages) {
    if (!pages) return operand(view, 3);
    const std::string pool = operand(view, 3), table = operand(pages->table, 2);
    return "{" + pool + ", " + table + ", int(" + parameters_.number(pages->pool) + "), int(" +
           parameters_.number(pages->count) + ")}";
  }
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
  for (llvm::StringRef taken : {"kTile", "Index", "NoMask", "AttentionMask", "AttentionProblem",
                                "HeadNumbers", "NoHeadNumbers", "PagedOperand", "SplitWorkspace"})
    names.reserve(taken);
  KernelParameters parameters(names, true);
  std::vector<std::string> lines = ProblemPrinter(site, names, parameters).lines();
  const bool split = config.splits > 1;
  const std::string header = split                 ? "templates/attention_decode.cuh"
                             : config.tensor_cores ? "templates/attention_sm80.cuh"
                                                   : "templates/attention_simt.cuh";
  std::string partials, tickets;
  if (split) {
    partials = parameters.scratch(KernelArgument::kWorkspace, "partials", DType::kF32);
    tickets = parameters.scratch(KernelArgument::kCounters, "tickets", DType::kI32);
  }

  Text text(name.str() + ".cu");
  print_head(text, name, region, split ? "attention_decode" : "attention", target, config_text);
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
  const std::string kernel_name = config.tensor_cores ? "sm80" : "simt";
  text.line((split ? "attention_decode_" : "attention_") + kernel_name + "<kTile>(" + problem_type(site) +
            "{");
  lines.back() += split ? "}, SplitWorkspace{" + partials + ", " + tickets + "});" : "});";
  for (const std::string& line : lines) text.line("    " + line);
  text.close();
  text.blank();
  text.line("}  // namespace tenon");

  EmittedKernel kernel;
  kernel.name = name.str();
  kernel.source = text.str();
  kernel.arguments = parameters.arguments;
  kernel.packed = parameters.packed;
  kernel.grid[0] = split ? config.splits : static_cast<int>(config.row_tiles(site));
  kernel.grid[1] = site.heads / config.pack() * config.parts_v();
  kernel.grid[2] = static_cast<int>(site.batch.extent());
  kernel.block[0] = config.threads();
  kernel.shared_bytes = config.shared_bytes();
  if (split) {
    const int64_t tiles = int64_t{kernel.grid[1]} * kernel.grid[2];
    kernel.workspace_bytes = tiles * config.partial_floats(site) * int64_t{sizeof(float)};
    kernel.counter_bytes = tiles * int64_t{sizeof(int)};
  }
  kernel.aliases = {-1};
  kernel.includes = {header};
  return kernel;
}

}  // namespace tenon
