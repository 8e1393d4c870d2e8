// sample.cpp: the op `sample`: a block a row, passes over the row where it lies in L2.
#include "codegen/families/sample.h"

#include <algorithm>
#include <cmath>

#include "codegen/expression_printer.h"
#include "codegen/kernel_frame.h"
#include "passes/quantity.h"

namespace tenon {
namespace {

constexpr int kThreads = 1024;
constexpr double kPasses = 11;  // the largest, four for each of two cuts, the sum, the draw

const Node* sample_of(const Region& region) {
  for (const Node& node : region.body->nodes())
    if (node.op() == Op::kSample) return &node;
  return nullptr;
}

class SampleFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "sample"; }

  std::string refuses(const Region& region, const Target&) const override {
    const Node* node = sample_of(region);
    if (!node) return "no sample in the region";
    for (const Node& other : region.body->nodes())
      if (&other != node && other.op() != Op::kParameter) return "sample runs alone";
    if (node->operand(0)->type().shape[1].extent() > INT32_MAX) return "rows beyond 2^31 elements";
    return "";
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    const Card& card = target.card;
    const Type& logits = sample_of(region)->operand(0)->type();
    Candidate c;
    c.implementation = "generated";
    c.config = "block";
    count_work(region, c.estimate);
    const double bytes = static_cast<double>(c.estimate.bytes_read + c.estimate.bytes_written);
    const double dram = bytes / (card.dram_gb_s * card.dram_efficiency * 1e3);
    // Each SM draws its share of L2's rate; rows go to SMs one by one.
    const double row = static_cast<double>(logits.shape[1].extent() * size_of(logits.dtype));
    const double rounds = std::ceil(static_cast<double>(logits.shape[0].extent()) / card.sms);
    const double l2 = rounds * kPasses * row / (card.l2_gb_s / card.sms * 1e3);
    c.estimate.terms = {
        {"launch", card.launch_us, "a kernel boundary"},
        {"DRAM", dram, tell_bytes(bytes)},
        {"L2", l2, tell_count(static_cast<int64_t>(kPasses), "pass", "passes") + " of one SM"}};
    c.estimate.us = card.launch_us + std::max(dram, l2);
    c.estimate.basis = card.basis;
    return {c};
  }

  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override {
    const Node& node = *sample_of(region);
    Names names(*region.body);
    KernelParameters parameters(names, false);
    const auto operand = [&](int i, llvm::StringRef wish) {
      return parameters.operand(node.operand(i), wish);
    };
    const std::string logits = operand(0, "logits"), position = operand(1, "position"),
                      settings = operand(2, "settings"), limits = operand(3, "limits");
    const std::string result = parameters.result(0, "token", DType::kI64);
    const std::string length = parameters.number(node.operand(0)->type().shape[1]);
    const std::string step = node.operand(1)->type().rank() ? "1" : "0";

    EmittedKernel kernel;
    kernel.includes = {"templates/sample.cuh"};
    const KernelTitle title{name, region, "sample", target, candidate.config};
    Text text(name.str() + ".cu");
    open_file(text, title, kernel, false);
    close_file(text, title, parameters, std::to_string(kThreads),
               "sample_rows<" + std::to_string(kThreads) + ">(" + logits + ", " + position + ", " + step +
                   ", " + settings + ", " + limits + ", " + result + ", " + length + ");",
               kernel);
    kernel.grid[0] = static_cast<int>(node.type().shape[0].extent());
    kernel.block[0] = kThreads;
    return kernel;
  }
};

}  // namespace

const EmittingFamily& sample_family() {
  static const SampleFamily family;
  return family;
}

}  // namespace tenon
