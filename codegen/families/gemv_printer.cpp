// gemv_printer.cpp: a product of few rows as product_printer.h wants it.
#include "codegen/families/gemv_printer.h"

#include "codegen/families/product_printer.h"

namespace tenon {
namespace {

/// The fields that differ from the defaults, as designated initialisers.
std::string config_text(const GemvConfig& c) {
  const GemvConfig usual;
  std::string text = ".rows = " + std::to_string(c.rows) + ", .columns = " + std::to_string(c.columns) +
                     ", .groups = " + std::to_string(c.groups) + ", .lanes = " + std::to_string(c.lanes) +
                     ", .depth = " + std::to_string(c.depth) + ", .rounds = " + std::to_string(c.rounds);
  const auto number = [&](const char* name, int value, int standard) {
    if (value != standard) text += std::string(", .") + name + " = " + std::to_string(value);
  };
  const auto flag = [&](const char* name, bool value) {
    if (value) text += std::string(", .") + name + " = true";
  };
  number("slices", c.slices, usual.slices);
  number("products", c.products, usual.products);
  number("element_bytes", c.element_bytes, usual.element_bytes);
  flag("tensor_cores", c.tensor_cores);
  number("group", c.group, usual.group);
  if (c.a_contiguous != usual.a_contiguous) text += ", .a_contiguous = Contiguous::outer";
  if (c.b_contiguous != usual.b_contiguous) text += ", .b_contiguous = Contiguous::outer";
  number("a_copy", c.a_copy, usual.a_copy);
  number("b_copy", c.b_copy, usual.b_copy);
  flag("exact_k", c.exact_k);
  flag("exact_n", c.exact_n);
  flag("exact_columns", c.exact_columns);
  number("partner", c.partner, usual.partner);
  flag("lets_in_late", c.lets_in_late);
  number("head", c.head, usual.head);
  if (c.row_sums != RowSums::none)
    text += std::string(", .row_sums = RowSums::") + (c.row_sums == RowSums::squares ? "squares" : "moments");
  number("vector", c.vector, usual.vector);
  return text;
}

}  // namespace

EmittedKernel print_gemv(const Region& region, const ProductProblem& problem, const GemvChoice& choice,
                         const Target& target, llvm::StringRef name) {
  const GemvConfig& config = choice.config;
  return print_product(
      region, problem,
      {.family = "gemv",
       .config_name = config_name(config),
       .header = "templates/gemv.cuh",
       .config_type = "GemvConfig",
       .config = config_text(config),
       .sums_type = "GemvSums",
       .function = "gemv",
       .batch_function = "gemv_batch",
       .head_elements = config.depth,
       .exact_head = true,
       .right_elements = config.b_contiguous == Contiguous::k ? config.depth : config.columns,
       .right_groups = config.group > 0,
       .vector = config.vector,
       .exact_n = config.exact_n,
       .tiles = choice.tiles,
       .slices = config.slices,
       .threads = config.threads(),
       .shared_bytes = config.shared_bytes(),
       .partial_floats = config.partial_floats(),
       .lets_in = !config.lets_in_late,
       .waits = true,
       // Else ptxas may spill to make room for a second such block.
       .blocks_per_sm = config.threads() >= 512 ? 1 : 0},
      target, name);
}

}  // namespace tenon
