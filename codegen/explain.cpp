// explain.cpp: decisions in words and numbers.
#include "codegen/explain.h"

#include <map>

#include "codegen/entry.h"
#include "codegen/residence.h"
#include "ir/diagnostics.h"
#include "passes/quantity.h"
#include "passes/sites.h"

namespace tenon {
namespace {

// A kernel stands for all repetitions of its site: "layer.*.mlp" and "layer.3.mlp" ask for layer.mlp.in too.
bool asked_for(llvm::StringRef pattern, llvm::StringRef site) {
  return site_matches(pattern, site) || site_matches(without_repetitions(pattern), site);
}

std::string terms(const Estimate& estimate) {
  std::string text;
  for (const CostTerm& term : estimate.terms)
    text += format("            %-14s %10s   %s\n", term.name.c_str(), tell_us(term.us).c_str(),
                   term.what.c_str());
  return text;
}

std::string place(const Kernel& kernel) {
  std::string lines;
  for (const Location& line : kernel.lines)
    lines += (lines.empty() ? line.file->name + ":" : ", ") + std::to_string(line.line);
  return lines;
}

// The candidates that lost: of each implementation the best, with its terms where it is not the winner's own.
std::string losers(const Decision& decision) {
  const Candidate& winner = decision.candidates[decision.chosen];
  std::string text;
  std::map<std::string, int> shown;
  int hidden = 0;
  for (const Candidate& candidate : decision.candidates) {
    if (&candidate == &winner) continue;
    if (++shown[candidate.implementation] > 1) {
      ++hidden;
      continue;
    }
    text += format("    lost    %s %s: ", candidate.implementation.c_str(), candidate.config.c_str()) +
            candidate.why_not + "\n";
    if (candidate.implementation != winner.implementation) text += terms(candidate.estimate);
  }
  if (hidden)
    text += "    lost    " + tell_count(hidden, "more config", "more configs") +
            ", slower or illegal (--json has them all)\n";
  return text;
}

constexpr int kMaxLostCovers = 4;  // of a site; --json has them all

std::string explain_kernel(const Plan& plan, const Kernel& kernel) {
  const Candidate& winner = kernel.decision->candidates[kernel.decision->chosen];
  std::string text = kernel.site + ": " + kernel.note + "\n";
  if (!kernel.lines.empty()) text += "    at      " + place(kernel) + "\n";
  text += format("    chosen  %s %s, %s a launch", winner.implementation.c_str(), winner.config.c_str(),
                 tell_us(winner.estimate.us).c_str());
  if (kernel.launches > 1) text += ", " + std::to_string(kernel.launches) + " launches";
  text += format("  (%s", name_of(winner.estimate.basis).str().c_str());
  if (winner.estimate.uncertainty > 0) text += format(", +-%.0f %%", 100 * winner.estimate.uncertainty);
  text += ")\n    because " + kernel.why + "\n";
  text += "    moves   " + tell_bytes(static_cast<double>(winner.estimate.bytes_read)) + " read, " +
          tell_bytes(static_cast<double>(winner.estimate.bytes_written)) + " written, " +
          tell_flops(static_cast<double>(winner.estimate.flops)) + "\n";
  text += terms(winner.estimate) + losers(*kernel.decision);
  int told = 0;
  for (const LostCover& lost : plan.selection.lost)
    if (without_repetitions(lost.site) == kernel.site && ++told <= kMaxLostCovers)
      text += "    instead " + lost.what + ": " + lost.why + "\n";
  return text + "\n";
}

// How kernels follow each other, and which must wait at the boundary.
std::string overlap_text(const Plan& plan) {
  if (!overlaps_launches(plan.target))
    return "  boundaries: " + plan.target.card.arch + " starts a kernel when the one before it is complete\n";
  int early = 0, all = 0;
  for (const Kernel& kernel : plan.kernels) {
    all += kernel.launches;
    if (kernel.emitted.overlaps) early += kernel.launches;
  }
  return "  boundaries: " + std::to_string(early) + " of " + tell_count(all, "launch", "launches") +
         " begin while the kernel before still runs: those that load weights before they wait for it, or are "
         "mostly boundary "
         "(the gain is not in the predictions)\n";
}

// What a device holds for the weights, and which it holds packed alone.
std::string weights_text(const Plan& plan) {
  const WeightMemory weights = weight_memory(plan);
  const auto tell = [](int64_t bytes) { return tell_bytes(static_cast<double>(bytes)); };
  std::string text = "  weights: " + tell(weights.held);
  if (weights.packed) text += ", of which " + tell(weights.packed) + " packed at load";
  if (!weights.dropped.empty()) {
    text += "; held packed alone, without " + tell(weights.dropped_bytes()) + " as given: ";
    for (const auto& [name, bytes] : weights.dropped)
      text += (name == weights.dropped.begin()->first ? "" : ", ") + name;
  }
  return text + "\n";
}

std::string summary(const Plan& plan) {
  int launches = 0;
  double moved = 0, us = 0;
  for (const Kernel& kernel : plan.kernels) {
    launches += kernel.launches;
    moved += static_cast<double>(kernel.launches) *
             static_cast<double>(kernel.estimate.bytes_read + kernel.estimate.bytes_written);
    us += kernel.launches * kernel.estimate.us;
  }
  std::string dims;
  for (const auto& [name, value] : plan.dims)
    dims += (dims.empty() ? "" : " ") + name + "=" + std::to_string(value);
  const Card& card = plan.target.card;
  std::string text =
      plan.model + " on " + card.title + " (" + card.arch + ")" + (dims.empty() ? "" : ", " + dims) + "\n";
  text += "  " + tell_count(launches, "launch", "launches") + " of " +
          tell_count(static_cast<int64_t>(plan.kernels.size()), "distinct kernel", "distinct kernels") +
          (plan.copies() ? " and " + tell_count(plan.copies(), "copy", "copies") : std::string()) + ", " +
          tell_bytes(moved) + ", " + tell_us(us) + " predicted\n";
  text += "  unfused: " + tell_count(plan.selection.unfused_launches, "launch", "launches") + ", " +
          tell_bytes(static_cast<double>(plan.selection.unfused_bytes)) + "\n";
  text +=
      "  rates: " + std::string(name_of(card.basis)) + " (" + card.source + "); launch " +
      format("%.1f us, DRAM %.0f GB/s x %.2f, products %.0f TFLOP/s x %.2f (library) or x %.2f (generated)\n",
             card.launch_us, card.dram_gb_s, card.dram_efficiency, card.tensor_16_tflops,
             card.library_efficiency, card.generated_efficiency);
  text += overlap_text(plan) + weights_text(plan);
  if (card.basis == Basis::kDatasheet)
    text += format(
        "  not calibrated: a generated product must beat the library by more than %.0f %%, or the library is "
        "taken\n",
        100 * card.uncertainty);
  return text + "\n";
}

// Near misses, each once for all repetitions of its site.
std::string near_misses(const Plan& plan, llvm::StringRef site) {
  std::vector<std::pair<std::string, int>> lines;
  for (const SiteNotFused& miss : plan.selection.not_fused) {
    const std::string where = without_repetitions(miss.site);
    if (!site.empty() && !asked_for(site, where)) continue;
    std::string line = where +
                       (miss.location.known() ? " (line " + std::to_string(miss.location.line) + ")" : "") +
                       ": " + miss.pattern + ": " + miss.reason;
    auto known = llvm::find_if(lines, [&](const auto& entry) { return entry.first == line; });
    if (known == lines.end())
      lines.emplace_back(std::move(line), 1);
    else
      ++known->second;
  }
  std::string text;
  for (const auto& [line, times] : lines)
    text += "  " + line + (times > 1 ? " (" + std::to_string(times) + " times)" : "") + "\n";
  return text;
}

}  // namespace

std::string explain(const Plan& plan, llvm::StringRef site) {
  std::string text = summary(plan);
  bool any = false;
  for (const Kernel& kernel : plan.kernels) {
    if (!site.empty() && !asked_for(site, kernel.site)) continue;
    text += explain_kernel(plan, kernel);
    any = true;
  }
  if (!any && !site.empty()) {
    std::vector<llvm::StringRef> sites;
    for (const Kernel& kernel : plan.kernels) sites.push_back(kernel.site);
    std::string near = nearest(site, sites), all;
    for (llvm::StringRef name : sites) all += (all.empty() ? "" : " ") + name.str();
    throw Error("no site '" + site.str() + "'", {},
                (near.empty() ? "" : "did you mean '" + near + "'? ") + "sites: " + all);
  }
  const std::string misses = near_misses(plan, site);
  if (!misses.empty()) text += "not fused:\n" + misses;
  return text;
}

std::string kernel_table(const Plan& plan, llvm::StringRef site) {
  std::string text =
      format("  %-24s %-10s %-24s %8s %12s\n", "site", "by", "config", "launches", "us a launch");
  for (const Kernel& kernel : plan.kernels) {
    if (!site.empty() && !asked_for(site, kernel.site)) continue;
    const Candidate& winner = kernel.decision->candidates[kernel.decision->chosen];
    text += format("  %-24s %-10s %-24s %8d %12s\n", kernel.site.c_str(), winner.implementation.c_str(),
                   winner.config.c_str(), kernel.launches, tell_us(winner.estimate.us).c_str());
  }
  return text;
}

}  // namespace tenon
