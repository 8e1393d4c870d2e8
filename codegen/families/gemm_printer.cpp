// gemm_printer.cpp: a tiled product as product_printer.h wants it.
#include "codegen/families/gemm_printer.h"

#include "codegen/families/product_printer.h"

namespace tenon {

std::string config_text(const GemmConfig& c) {
  const GemmConfig usual;
  std::string text = ".block_m = " + std::to_string(c.block_m) + ", .block_n = " + std::to_string(c.block_n) +
                     ", .block_k = " + std::to_string(c.block_k) + ", .part_m = " + std::to_string(c.part_m) +
                     ", .part_n = " + std::to_string(c.part_n);
  const auto number = [&](const char* name, int value, int standard) {
    if (value != standard) text += std::string(", .") + name + " = " + std::to_string(value);
  };
  const auto flag = [&](const char* name, bool value) {
    if (value) text += std::string(", .") + name + " = true";
  };
  number("element_bytes", c.element_bytes, usual.element_bytes);
  text += ", .stages = " + std::to_string(c.stages);
  number("slices", c.slices, usual.slices);
  number("group_m", c.group_m, usual.group_m);
  number("products", c.products, usual.products);
  if (c.a_contiguous != usual.a_contiguous) text += ", .a_contiguous = Contiguous::outer";
  if (c.b_contiguous != usual.b_contiguous) text += ", .b_contiguous = Contiguous::outer";
  number("a_copy", c.a_copy, usual.a_copy);
  number("b_copy", c.b_copy, usual.b_copy);
  flag("exact_k", c.exact_k);
  flag("exact_n", c.exact_n);
  number("head", c.head, usual.head);
  if (c.row_sums != RowSums::none)
    text += std::string(", .row_sums = RowSums::") + (c.row_sums == RowSums::squares ? "squares" : "moments");
  number("vector", c.vector, usual.vector);
  number("passes", c.passes, usual.passes);
  return text;
}

EmittedKernel print_gemm(const Region& region, const ProductProblem& problem, const GemmChoice& choice,
                         const Target& target, llvm::StringRef name) {
  const GemmConfig& config = choice.config;
  const std::string function = choice.tensor_cores ? "gemm_sm80" : "gemm_simt";
  return print_product(region, problem,
                       {.family = "gemm",
                        .config_name = "tile " + config_name(config),
                        .header = "templates/" + function + ".cuh",
                        .config_type = "GemmConfig",
                        .config = config_text(config),
                        .sums_type = "GemmSums",
                        .function = function,
                        .batch_function = "gemm_batch",
                        .head_elements = 16 / config.element_bytes,
                        .exact_head = config.exact_k,
                        .right_elements = 16 / config.element_bytes,
                        .vector = config.vector,
                        .exact_n = config.exact_n,
                        .tiles = choice.tiles,
                        .slices = config.slices,
                        .threads = config.threads(),
                        .shared_bytes = config.shared_bytes(),
                        .partial_floats = config.partial_floats(),
                        .blocks_per_sm = choice.blocks_per_sm},
                       target, name);
}

}  // namespace tenon
