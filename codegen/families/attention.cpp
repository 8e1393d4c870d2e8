// attention.cpp: what attention costs, and the family's face to the selection.
#include "codegen/families/attention.h"

#include <algorithm>

#include "codegen/families/attention_printer.h"
#include "passes/quantity.h"

namespace tenon {
namespace {

constexpr int kWarpsToFill = 8;         // that keep an SM's tensor cores or FMA pipes busy
constexpr double kStepLatencyUs = 0.7;  // from the request of a step's K and V to their arrival
constexpr double kSharedBytesPerClock = 128;

/// How the work falls into blocks and steps of block_n keys. Of very many tiles every so manyth is looked at.
struct Division {
  int64_t blocks = 0, longest = 0;
  double steps = 0;  // of absurd lengths too many for an integer

  Division(const AttentionSite& site, const AttentionConfig& config) {
    constexpr int64_t kLookedAt = 4096;
    const int64_t tiles = config.row_tiles(site), rows = site.queries.extent() * config.pack();
    const int64_t stride = (tiles + kLookedAt - 1) / kLookedAt;
    for (int64_t tile = tiles - 1; tile >= 0; tile -= stride) {
      const int64_t last = std::min((tile + 1) * config.block_m(), rows) - 1;
      const int64_t taken =
          (site.end_key(last / config.pack()) -
           site.first_key((last - last % config.block_m()) / config.pack()) + config.block_n() - 1) /
          config.block_n();
      steps += static_cast<double>(taken) * static_cast<double>(std::min(stride, tile + 1));
      longest = std::max(longest, taken);
    }
    const int64_t heads = site.heads / config.pack() * config.parts_v() * site.batch.extent();
    blocks = tiles * heads;
    steps *= static_cast<double>(heads);
  }
};

/// The estimate of one config, term by term. Times in microseconds.
struct Costing {
  const AttentionSite& site;
  const AttentionConfig& config;
  const Card& card;
  const Division division;
  const double element = static_cast<double>(size_of(site.dtype));
  const double step_bytes = config.block_n() * config.key_columns() * element;  // of K and V

  /// Blocks that an SM holds at a time.
  int resident() const {
    const int by_shared = static_cast<int>(card.shared_bytes_per_sm / (config.shared_bytes() + 1024));
    const int by_threads = card.threads_per_sm / config.threads();
    const int by_registers =
        config.tensor_cores ? config.min_blocks() : card.registers_per_sm / (128 * config.threads());
    return std::max(1, std::min({by_shared, by_threads, by_registers}));
  }
  double arithmetic() const {
    const double flops = 2.0 * division.steps * config.block_m() * config.block_n() * config.key_columns();
    return flops / (card.product_tflops(site.dtype, false) * card.generated_efficiency) * 1e-6;
  }
  double exponentials() const {
    const int each = site.softcap > 0 ? 3 : 1;  // a cap takes an exponential and a reciprocal
    return each * division.steps * config.block_m() * config.block_n() / card.sfu_gops * 1e-3;
  }
  double shared_memory() const {
    const int readers =
        config.tensor_cores ? config.tile.warps_m : config.block_m() / config.simt.rows_per_thread / 2;
    const double bytes = division.steps * step_bytes * (readers + 1);
    return bytes / (kSharedBytesPerClock * card.sms * card.clock_ghz) * 1e-3;
  }
  double l2() const { return division.steps * step_bytes / card.l2_gb_s * 1e-3; }
  /// How much longer the SM with most work takes than the mean, and how full of warps it is.
  double imbalance() const {
    if (division.steps == 0) return 1;
    const double mean_block = division.steps / division.blocks;
    const double per_sm = division.steps / card.sms;
    const int64_t waves = (division.blocks + card.sms - 1) / card.sms;
    // Equal blocks come in waves; unequal ones, the longest first, even out to about half a block.
    const double busiest =
        site.causal ? std::max(per_sm + mean_block / 2, double(division.longest)) : waves * mean_block;
    const double warps = std::min<double>(resident(), waves) * config.threads() / 32;
    return busiest / per_sm / std::min(1.0, warps / kWarpsToFill);
  }
  double latency() const {
    return division.longest * kStepLatencyUs / (config.tensor_cores ? config.tile.stages - 1 : 1);
  }
};

void fill_estimate(Estimate& estimate, const Costing& cost) {
  const Card& card = cost.card;
  const double arithmetic = cost.arithmetic(), exponentials = cost.exponentials(),
               shared = cost.shared_memory();
  // Softmax of one warp runs beside the products of another, but not wholly.
  const double compute = std::max(arithmetic, exponentials) + 0.3 * std::min(arithmetic, exponentials);
  const double on_chip = std::max(compute, shared), imbalance = cost.imbalance();
  const double bytes = double(estimate.bytes_read + estimate.bytes_written);
  const double dram = bytes / (card.dram_gb_s * card.dram_efficiency) * 1e-3;
  const double floor = std::max({cost.l2(), dram, cost.latency()});
  const double busy = std::max(on_chip * imbalance, floor);
  estimate.us = card.launch_us + busy;
  estimate.terms = {
      {"launch", card.launch_us, "one kernel"},
      {"arithmetic", arithmetic,
       format("%.1f GFLOP with the tiles' margins at %.0f TFLOP/s",
              arithmetic * card.product_tflops(cost.site.dtype, false) * card.generated_efficiency * 1e-3,
              card.product_tflops(cost.site.dtype, false) * card.generated_efficiency) +
           ((cost.site.causal || cost.site.window > 0) && cost.site.offset
                ? "; the offset is known at run time: a full cache counted"
                : "")},
      {"exponentials", exponentials,
       format("%.1f M at %.0f G/s", exponentials * card.sfu_gops * 1e-3, card.sfu_gops)},
      {"shared memory", shared,
       format("%.0f B a clock and SM at %.2f GHz", kSharedBytesPerClock, card.clock_ghz)},
      {"L2", cost.l2(),
       format("%.1f MB of K and V at %.0f GB/s", cost.l2() * card.l2_gb_s * 1e-3, card.l2_gb_s)},
      {"DRAM", dram, format("%.1f MB at %.0f GB/s", bytes * 1e-6, card.dram_gb_s * card.dram_efficiency)},
      {"latency", cost.latency(),
       format("%.0f steps of %.1f us, one after the other", double(cost.division.longest), kStepLatencyUs)},
      {"waves", on_chip * (imbalance - 1),
       format("%.0f blocks on %d SMs", double(cost.division.blocks), card.sms)}};
  estimate.basis = card.basis;
  estimate.uncertainty = card.uncertainty;
}

class AttentionFamily : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "attention"; }

  std::string refuses(const Region& region, const Target&) const override {
    if (region.pattern != Pattern::kAttention) return "no attention region";
    AttentionSite site;
    std::string why = read_attention(region, site);
    return why.empty() ? attention_refusal(site) : why;
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    AttentionSite site;
    read_attention(region, site);
    std::vector<Candidate> candidates;
    for (const AttentionConfig& config : attention_configs(site)) {
      Candidate candidate;
      candidate.implementation = "generated";
      candidate.config = config.text();
      candidate.why_not = why_not(site, config, target.card);
      count_work(region, candidate.estimate);
      fill_estimate(candidate.estimate, {site, config, target.card, Division(site, config)});
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

const EmittingFamily& attention_family() {
  static const AttentionFamily family;
  return family;
}

}  // namespace tenon
