// attention_decode.cpp: over how many blocks the keys of few queries are shared, and what that costs.
#include "codegen/families/attention_decode.h"

#include <algorithm>
#include <cmath>

#include "codegen/families/attention_printer.h"
#include "passes/quantity.h"

namespace tenon {
namespace {

constexpr double kArrivalUs = 0.7;  // from the request of K and V to their arrival, memory busy
constexpr double kStepUs = 0.15;    // of one block's work on a step that is there
constexpr double kMeetingUs =
    1.0;  // to leave a share, draw a ticket and read the first of what the others left
constexpr double kJoinUs = 0.04;  // to read and add one more share

/// How the keys of a full cache fall to blocks, as templates/attention_problem.cuh shares them out.
struct Shares {
  int64_t keys = 0, steps = 0;  // of one block
  int64_t active = 0, blocks = 0;

  Shares(const AttentionSite& site, const AttentionConfig& config) {
    const int64_t last = site.queries.extent() - 1;
    const int64_t visible = std::max<int64_t>(site.end_key(last) - site.first_key(0), 1);
    keys =
        share_of_keys(static_cast<int>(std::min<int64_t>(visible, INT32_MAX)), config.splits, config.share());
    steps = (std::min(keys, visible) + config.block_n() - 1) / config.block_n();
    active = (visible + keys - 1) / keys;
    blocks = active * tiles(site, config);
  }
  static int64_t tiles(const AttentionSite& site, const AttentionConfig& config) {
    return site.heads / config.pack() * config.parts_v() * site.batch.extent();
  }
};

int64_t resident_blocks(const AttentionConfig& config, const Card& card) {
  return std::max<int64_t>(1, std::min<int64_t>({card.shared_bytes_per_sm / (config.shared_bytes() + 1024),
                                                 card.threads_per_sm / config.threads(),
                                                 card.registers_per_sm / (128 * config.threads())}));
}

/// Numbers of blocks a tile of rows worth a look: what puts about one, two and four blocks on every SM, as long as
/// there are keys for each. None where the tiles alone fill the card.
std::vector<int> split_counts(const AttentionSite& site, const AttentionConfig& config, const Card& card) {
  const int64_t tiles = std::max<int64_t>(Shares::tiles(site, config), 1);
  const int64_t most = (site.keys.extent() + config.full_share - 1) / config.full_share;
  std::vector<int> counts;
  for (int per_sm : {1, 2, 4}) {
    const int64_t count = std::min(per_sm * static_cast<int64_t>(card.sms) / tiles, most);
    if (count > 1 && !llvm::is_contained(counts, static_cast<int>(count)))
      counts.push_back(static_cast<int>(count));
  }
  return counts;
}

void fill_estimate(Estimate& estimate, const AttentionSite& site, const AttentionConfig& config,
                   const Card& card) {
  const Shares shares(site, config);
  const int64_t resident = resident_blocks(config, card);
  const double blocks = static_cast<double>(shares.blocks);
  const double on_sm = std::ceil(blocks / card.sms),
               waves = std::ceil(blocks / static_cast<double>(card.sms * resident));
  const double steps = static_cast<double>(shares.steps);
  const int ahead = config.tensor_cores ? config.tile.stages - 1 : 1;  // steps on their way at a time
  const double step_bytes =
      static_cast<double>(config.block_n() * config.key_columns() * size_of(site.dtype));
  const double in_flight = step_bytes * std::min<double>(ahead, steps) * std::min<double>(on_sm, resident);
  const double bytes = static_cast<double>(estimate.bytes_read + estimate.bytes_written);
  const double dram = bytes / (card.dram_gb_s * card.dram_efficiency) * 1e-3;
  const double latency = waves * kArrivalUs * (1 + (steps - 1) / ahead);
  const double work = on_sm * steps * kStepUs;
  const double active = static_cast<double>(shares.active);
  const double chunks =
      static_cast<double>(config.partial_floats(site)) / config.splits / 4 / config.threads();
  const double joining = shares.active > 1 ? kMeetingUs + kJoinUs * active * std::max(chunks, 1.0) : 0;
  estimate.us = card.launch_us + std::max({dram, latency, work}) + joining;
  estimate.terms = {{"launch", card.launch_us, "one kernel"},
                    {"DRAM", dram,
                     format("%.2f MB at %.0f GB/s", bytes * 1e-6, card.dram_gb_s * card.dram_efficiency) +
                         (site.offset ? "; the offset is known at run time: a full cache counted" : "")},
                    {"latency", latency,
                     format("%.0f steps a block, %.0f KiB on their way to an SM", steps, in_flight / 1024)},
                    {"work", work, format("%.0f blocks on %d SMs", blocks, card.sms)},
                    {"joining", joining, format("%.0f shares of %.0f keys", active, double(shares.keys))}};
  estimate.basis = card.basis;
  estimate.uncertainty = card.uncertainty;
}

class AttentionDecodeFamily : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "attention_decode"; }

  std::string refuses(const Region& region, const Target& target) const override {
    if (region.pattern != Pattern::kAttention) return "no attention region";
    AttentionSite site;
    std::string why = read_attention(region, site);
    if (why.empty()) why = attention_refusal(site);
    if (!why.empty()) return why;
    const std::vector<AttentionConfig> configs = attention_decode_configs(site);
    if (configs.empty()) return site.queries.text() + " queries: at most 16 are worth sharing out their keys";
    if (llvm::all_of(configs,
                     [&](const AttentionConfig& c) { return split_counts(site, c, target.card).empty(); }))
      return "heads and batch fill the card, or the keys are few: they are not shared out";
    return "";
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    AttentionSite site;
    read_attention(region, site);
    std::vector<Candidate> candidates;
    for (AttentionConfig& config : attention_decode_configs(site))
      for (int splits : split_counts(site, config, target.card)) {
        config.splits = splits;
        Candidate candidate;
        candidate.implementation = "generated";
        candidate.config = config.text();
        candidate.why_not = why_not(site, config, target.card);
        count_work(region, candidate.estimate);
        fill_estimate(candidate.estimate, site, config, target.card);
        candidate.details = config;
        candidates.push_back(std::move(candidate));
      }
    return candidates;
  }

  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override {
    AttentionSite site;
    read_attention(region, site);
    return print_attention(region, site, std::any_cast<const AttentionConfig&>(candidate.details),
                           candidate.config, target, name);
  }
};

}  // namespace

const EmittingFamily& attention_decode_family() {
  static const AttentionDecodeFamily family;
  return family;
}

}  // namespace tenon
