// row_order.cpp: the text and cost of cumsum and topk.
#include "codegen/row_order.h"

#include <algorithm>

#include "codegen/expression_printer.h"
#include "codegen/kernel_frame.h"
#include "passes/quantity.h"

namespace tenon {
namespace {

constexpr int kThreads = 256;

struct Layout {
  Dim rows = 1, length, inner = 1;
};

Layout layout_of(const Node& node) {
  const Type& x = node.operand(0)->type();
  const auto axis = static_cast<size_t>((node.attributes.integer("axis", -1) + x.rank()) % x.rank());
  Layout layout;
  layout.length = x.shape[axis];
  for (size_t i = 0; i < x.shape.size(); ++i) {
    if (i > axis) layout.inner = layout.inner * x.shape[i];
    if (i != axis) layout.rows = layout.rows * x.shape[i];
  }
  return layout;
}

}  // namespace

const Node* ordered_node(const Region& region) {
  for (const Node& node : region.body->nodes())
    if (node.op() == Op::kCumsum || node.op() == Op::kTopk) return &node;
  return nullptr;
}

std::string refuses_ordered(const Region& region) {
  const Node& node = *ordered_node(region);
  const bool alone = llvm::all_of(region.body->nodes(), [&](const Node& other) {
    return &other == &node || other.op() == Op::kParameter;
  });
  return alone ? "" : (name_of(node.op()) + " runs alone").str();
}

Candidate ordered_candidate(const Region& region, const Target& target) {
  const Node& node = *ordered_node(region);
  Candidate c;
  c.implementation = "generated";
  c.config = node.op() == Op::kTopk ? "block" : "warp";
  count_work(region, c.estimate);
  const double passes =
      node.op() == Op::kTopk ? std::max<double>(1, static_cast<double>(node.attributes.integer("k"))) : 1;
  const double bytes = static_cast<double>(c.estimate.bytes_read + c.estimate.bytes_written);
  const double dram = bytes / (target.card.dram_gb_s * target.card.dram_efficiency * 1e3);
  const double l2 = static_cast<double>(c.estimate.bytes_read) * (passes - 1) / (target.card.l2_gb_s * 1e3);
  c.estimate.terms = {{"launch", target.card.launch_us, "a kernel boundary"},
                      {"DRAM", dram, tell_bytes(bytes)},
                      {"L2", l2, tell_count(static_cast<int64_t>(passes), "pass", "passes")}};
  c.estimate.us = target.card.launch_us + dram + l2;
  c.estimate.basis = target.card.basis;
  return c;
}

EmittedKernel emit_ordered(const Region& region, const Candidate& candidate, const Target& target,
                           llvm::StringRef name) {
  const Node& node = *ordered_node(region);
  const bool topk = node.op() == Op::kTopk;
  const Layout layout = layout_of(node);
  const bool wide = node.operand(0)->type().elements() > INT32_MAX / 2;
  Names names(*region.body);
  KernelParameters parameters(names, wide);
  const std::string x = parameters.operand(node.operand(0), names.base(node.operand(0)));
  std::vector<std::string> results{("static_cast<" + storage_type(node.type().dtype) + "*>(nullptr)").str()};
  if (topk) results.push_back("static_cast<i64*>(nullptr)");
  for (size_t i = 0; i < region.body->outputs().size(); ++i) {
    const Value* value = region.body->outputs()[i].value;
    results[static_cast<size_t>(value->index())] =
        parameters.result(static_cast<int>(i), names.base(value) + "_out", value->type().dtype);
  }
  const std::string rows = parameters.number(layout.rows), length = parameters.number(layout.length),
                    inner = parameters.number(layout.inner);

  EmittedKernel kernel;
  kernel.includes = {"templates/row_order.cuh"};
  const KernelTitle title{name, region, "row", target, candidate.config};
  Text text(name.str() + ".cu");
  open_file(text, title, kernel, wide);
  const std::string layout_text =
      "RowLayout<Index>{.rows = " + rows + ", .length = " + length + ", .inner = " + inner + "}";
  const std::string call =
      topk ? "topk_rows<" + std::to_string(kThreads) + ">(" + x + ", " + results[0] + ", " + results[1] +
                 ", Index(" + std::to_string(node.attributes.integer("k")) + "), " + layout_text + ");"
           : "cumsum_rows(" + x + ", " + results[0] + ", " + layout_text + ");";
  close_file(text, title, parameters, std::to_string(kThreads), call, kernel);
  const int64_t blocks = topk ? layout.rows.extent() : (layout.rows.extent() * 32 + kThreads - 1) / kThreads;
  kernel.grid[0] = static_cast<int>(std::max<int64_t>(1, blocks));
  kernel.block[0] = kThreads;
  return kernel;
}

}  // namespace tenon
