// experts.cpp: what products with chosen matrices cost, and the family's face to the selection.
#include "codegen/families/experts.h"

#include <algorithm>

#include "codegen/families/experts_printer.h"
#include "passes/quantity.h"

namespace tenon {
namespace {

constexpr int64_t kMostExperts = 1024;  // whose choices a block counts in shared memory
constexpr int64_t kMaxGrid = (int64_t{1} << 31) - 1;
constexpr int64_t kStreamedAnyway = 32;    // choices, below which tiles would be empty for the most part
constexpr int64_t kStreamedPerExpert = 4;  // choices of one expert, each of which reads its weights
constexpr double kFillUs = 1.5;            // the first element's way from DRAM, and the last store's back
constexpr double kBlocksToSaturate = 0.5;  // of the SMs, for the full rate of DRAM
constexpr double kClocksPerLook = 60;      // of a warp at 32 ids, in the passes that find a tile's choices

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// The largest power of two that divides `n`, at most `most`.
int power_in(int64_t n, int most) {
  int power = 1;
  while (power < most && n % (2 * power) == 0) power *= 2;
  return power;
}

/// Experts that are chosen at most.
int64_t chosen(const ExpertsSite& site) { return std::min(site.experts, site.all_choices().extent()); }

struct Offer {
  const ExpertsSite& site;
  const Region& region;
  const Target& target;
  const Card& card = target.card;

  Candidate stream() const {
    ExpertsChoice choice;
    choice.stream.products = static_cast<int>(site.products.size());
    choice.stream.width = power_in(site.depth, static_cast<int>(16 / size_of(site.dtype)));
    choice.stream.loads = site.products.size() == 1 ? 4 : 2;
    const int64_t rows = site.sum ? site.rows.extent() : site.all_choices().extent();
    choice.blocks = rows * ceil_div(site.columns, choice.stream.warps);
    Candidate candidate = candidate_of(choice);
    const int64_t choices = site.all_choices().extent();
    if (choices > std::max(kStreamedAnyway, kStreamedPerExpert * site.experts))
      candidate.why_not = tell_count(choices, "choice", "choices") + " would read the weights of " +
                          tell_count(site.experts, "expert", "experts") + " over and over";
    else if (choice.blocks > kMaxGrid)
      candidate.why_not = "more blocks than a grid holds";
    fill_stream(candidate.estimate, choice);
    return candidate;
  }

  void fill_stream(Estimate& estimate, const ExpertsChoice& choice) const {
    count_work(region, estimate);
    const double matrix = double(site.products.size()) * double(site.columns) * double(site.depth) *
                          double(size_of(site.dtype));
    const double l2_bytes = double(site.all_choices().extent()) * matrix;
    const double bytes = double(estimate.bytes_read + estimate.bytes_written);
    const double rate = card.dram_gb_s * card.dram_efficiency *
                        std::min(1.0, double(choice.blocks) / (kBlocksToSaturate * card.sms));
    const double dram = choice.blocks > 0 ? bytes / (rate * 1e3) : 0, l2 = l2_bytes / (card.l2_gb_s * 1e3);
    estimate.terms = {{"launch", card.launch_us, "a kernel boundary"},
                      {"DRAM", dram, megabytes_at(bytes, rate)},
                      {"L2", l2, megabytes_at(l2_bytes, card.l2_gb_s) + ", weights once for each choice"},
                      {"fill", kFillUs, "the first element in, the last store out"}};
    estimate.us = card.launch_us + kFillUs + std::max(dram, l2);
    estimate.basis = card.basis;
    estimate.uncertainty = card.uncertainty;
  }

  /// The tiles of a product of an expert's mean share of the choices.
  std::vector<Candidate> tiles() const {
    ProductProblem problem;
    const int64_t choices = site.all_choices().extent(), groups = std::max<int64_t>(1, chosen(site));
    problem.products = site.products;
    problem.tail = site.tail;
    problem.dtype = site.dtype;
    problem.m = ceil_div(choices, groups), problem.n = site.columns, problem.k = site.depth;
    problem.batch = {groups};
    problem.rows = {problem.m};
    problem.a.copy_bytes = 2;  // through registers
    problem.b.resize(site.products.size());
    for (ProductOperand& b : problem.b) b.copy_bytes = power_in(site.depth * size_of(site.dtype), 16);
    problem.vector = power_in(site.columns, 8);
    std::vector<Candidate> candidates;
    for (const Candidate& product : gemm_candidates(problem, region, target)) {
      ExpertsChoice choice;
      choice.tile = std::any_cast<const GemmChoice&>(product.details);
      GemmConfig& config = choice.tile->config;
      config.slices = 1;
      choice.blocks = (choices / config.block_m + chosen(site)) * ceil_div(site.columns, config.block_n);
      choice.tile->tiles = choice.blocks;
      Candidate candidate = candidate_of(choice);
      candidate.why_not = illegal(choice, product.why_not);
      candidate.estimate = estimate_gemm(problem, *choice.tile, region, target);
      add_routing(candidate.estimate, choice);
      candidates.push_back(std::move(candidate));
    }
    return candidates;
  }

  std::string illegal(const ExpertsChoice& choice, const std::string& why_no_product) const {
    if (!why_no_product.empty()) return why_no_product;
    if (site.experts > kMostExperts) return "more than 1024 experts";
    const GemmConfig& config = choice.tile->config;
    if (config.shared_bytes() + 4 * (site.experts + config.block_m) + 256 > card.shared_bytes_per_block)
      return "its tiles and the counts of choices are more than a block's shared memory";
    return choice.blocks > kMaxGrid ? "more blocks than a grid holds" : "";
  }

  void add_routing(Estimate& estimate, const ExpertsChoice& choice) const {
    const GemmChoice& tile = *choice.tile;
    const double looks = 3.0 * double(ceil_div(site.all_choices().extent(), tile.config.threads()));
    const int64_t at_once = int64_t{card.sms} * std::max(1, tile.blocks_per_sm);
    const double us =
        looks * kClocksPerLook / (card.clock_ghz * 1e3) * double(ceil_div(choice.blocks, at_once));
    estimate.terms.push_back(
        {"routing", us,
         "each block finds its choices among " + tell_count(site.all_choices().extent(), "id", "ids")});
    estimate.us += us;
  }

  static Candidate candidate_of(const ExpertsChoice& choice) {
    Candidate candidate;
    candidate.implementation = "generated";
    candidate.config = choice.text();
    candidate.details = choice;
    return candidate;
  }
};

class ExpertsFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "experts"; }

  std::string refuses(const Region& region, const Target&) const override {
    if (region.pattern != Pattern::kExperts) return "no experts region";
    ExpertsSite site;
    std::string why = read_experts(region, site);
    if (why.empty() && site.all_choices().extent() > INT32_MAX) why = "more than 2^31 choices";
    return why;
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    ExpertsSite site;
    read_experts(region, site);
    const Offer offer{site, region, target};
    std::vector<Candidate> all{offer.stream()};
    if (!site.sum)  // a tile holds choices of one expert, not those of a row
      for (Candidate& candidate : offer.tiles()) all.push_back(std::move(candidate));
    return all;
  }

  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override {
    ExpertsSite site;
    read_experts(region, site);
    return print_experts(region, site, std::any_cast<const ExpertsChoice&>(candidate.details), target, name);
  }
};

}  // namespace

const EmittingFamily& experts_family() {
  static const ExpertsFamily family;
  return family;
}

}  // namespace tenon
