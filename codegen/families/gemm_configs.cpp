// gemm_configs.cpp: the menu of tiles and its legality on a card.
#include "codegen/families/gemm_configs.h"

#include <algorithm>

namespace tenon {
namespace {

struct Tile {
  int block_m, block_n, block_k, part_m, part_n;
};

// Large tiles reuse operands most; small ones fill a card when there are few rows. A warp's part of 64 x 64
// or 64 x 32 keeps shared memory reads below what tensor cores wait for.
constexpr Tile kTensorTiles[] = {{128, 256, 32, 64, 64}, {256, 128, 32, 64, 64}, {128, 128, 64, 64, 32},
                                 {128, 128, 32, 64, 32}, {128, 64, 64, 32, 32},  {64, 256, 32, 32, 64},
                                 {64, 128, 64, 32, 32},  {64, 64, 64, 32, 32},   {32, 128, 64, 32, 32},
                                 {32, 64, 64, 16, 32},   {16, 128, 64, 16, 32},  {16, 64, 128, 16, 16}};
constexpr Tile kSimtTiles[] = {
    {128, 128, 16, 8, 8}, {64, 128, 16, 8, 8}, {64, 64, 16, 4, 8}, {32, 64, 16, 4, 4}, {16, 64, 32, 4, 4}};
constexpr int kSlices[] = {1, 2, 3, 4, 6, 8, 12, 16};
constexpr int64_t kReservedShared = 1024;  // bytes of each block, by the driver

/// Stages and passes for a card: three or four stages, as many as leave room for the other blocks that an SM should hold to hide what
/// one of them waits for.
void fit_to_card(GemmConfig& config, const ProductProblem& problem, const Card& card) {
  const int64_t k_tiles = (problem.k.extent() + config.block_k - 1) / config.block_k;
  const int sums = config.products * config.part_m * config.part_n / config.lanes();
  const int blocks = sums > 64 || config.threads() > 256 ? 1 : config.threads() > 128 ? 2 : 3;
  const auto stages_in = [&](int64_t room) { return (room - config.row_sum_bytes()) / config.stage_bytes(); };
  int64_t stages = std::clamp<int64_t>(stages_in(card.shared_bytes_per_sm / blocks - kReservedShared), 3, 4);
  stages = std::min({stages, stages_in(card.shared_bytes_per_block), k_tiles});
  config.stages = static_cast<int>(std::max<int64_t>(stages, 2));
  const int most_passes = config.lanes() == 32 ? config.part_m / 16 : config.part_m / 4;
  while (config.passes * 2 <= most_passes && config.staged_bytes() > config.stages * config.stage_bytes())
    config.passes *= 2;
}

/// Blocks that an SM can hold at once by shared memory, and by registers with room for what such a kernel is known to use: given too
/// little room the compiler spills, given too much it wastes blocks.
int blocks_per_sm(const GemmConfig& config, const ProductProblem& problem, const Card& card) {
  constexpr int kFragmentsAndAddresses = 64;
  const auto rounds = [&](int lines) {  // chunks that a thread holds on their way through registers
    const int chunks = lines * config.block_k * config.element_bytes / 16;
    return (chunks + config.threads() - 1) / config.threads();
  };
  int registers = config.products * config.part_m * config.part_n / 32 + kFragmentsAndAddresses;
  if (config.slices > 1) registers += 8;
  if (config.row_sums != RowSums::none) registers += config.part_m / 16 * 6;
  if (problem.has_head()) registers += 16 * rounds(config.block_m);
  if (!problem.has_head() && config.a_copy < 4) registers += 12 * rounds(config.block_m);
  if (config.b_copy < 4) registers += 12 * rounds(config.products * config.block_n);
  const int64_t by_registers = card.registers_per_sm / (int64_t{config.threads()} * registers);
  const int64_t by_shared = card.shared_bytes_per_sm / (config.shared_bytes() + kReservedShared);
  return static_cast<int>(std::max<int64_t>(1, std::min(by_registers, by_shared)));
}

GemmConfig config_of(const Tile& tile, const ProductProblem& problem, bool tensor_cores, const Card& card) {
  const auto contiguous = [](bool along_k) { return along_k ? Contiguous::k : Contiguous::outer; };
  GemmConfig config{.block_m = tile.block_m,
                    .block_n = tile.block_n,
                    .block_k = tile.block_k,
                    .part_m = tile.part_m,
                    .part_n = tile.part_n,
                    .element_bytes = static_cast<int>(size_of(problem.dtype))};
  if (tensor_cores && config.element_bytes == 4) config.block_k /= 2;
  config.products = static_cast<int>(problem.products.size());
  config.a_contiguous = contiguous(problem.a.along_k);
  config.b_contiguous = contiguous(problem.b[0].along_k);
  config.a_copy = problem.a.copy_bytes;
  for (const ProductOperand& b : problem.b)  // integers are widened in registers
    config.b_copy = b.dequantise ? 2 : std::min(config.b_copy, b.copy_bytes);
  config.exact_k = problem.k.extent() % config.block_k == 0;
  config.vector = problem.vector;
  config.exact_n = problem.n.extent() % config.vector == 0;
  config.head = problem.norm_head;
  if (problem.moments)
    config.row_sums = problem.moments->attributes.flag("rms") ? RowSums::squares : RowSums::moments;
  fit_to_card(config, problem, card);
  return config;
}

std::string why_illegal(const GemmChoice& choice, const ProductProblem& problem, const Card& card) {
  const GemmConfig& config = choice.config;
  if (choice.tiles >= int64_t{1} << 31)
    return "its " + std::to_string(choice.tiles) + " tiles are more than a grid holds";
  if (config.shared_bytes() > card.shared_bytes_per_block)
    return "needs " + std::to_string(config.shared_bytes() / 1024) +
           " KiB of shared memory, the card gives a block " +
           std::to_string(card.shared_bytes_per_block / 1024);
  if (config.products * config.part_m * config.part_n / config.lanes() > 128)
    return "its sums need more than 128 registers a thread";
  if (config.block_n % problem.head_dim != 0)
    return "its " + std::to_string(config.block_n) + " columns cut heads of " +
           std::to_string(problem.head_dim);
  return "";
}

Candidate candidate_of(const GemmChoice& choice, const ProductProblem& problem, const Region& region,
                       const Target& target) {
  Candidate candidate;
  candidate.implementation = "generated";
  candidate.config = config_name(choice.config);
  candidate.why_not = why_illegal(choice, problem, target.card);
  candidate.estimate = estimate_gemm(problem, choice, region, target);
  candidate.details = choice;
  return candidate;
}

}  // namespace

std::string config_name(const GemmConfig& config) {
  std::string name = std::to_string(config.block_m) + "x" + std::to_string(config.block_n) + "x" +
                     std::to_string(config.block_k) + "/" + std::to_string(config.stages);
  return config.slices > 1 ? name + " split " + std::to_string(config.slices) : name;
}

std::vector<Candidate> gemm_candidates(const ProductProblem& problem, const Region& region,
                                       const Target& target) {
  const bool tensor_cores =
      problem.dtype != DType::kF32 || target.tf32 || problem.products[0]->attributes.flag("tf32");
  const llvm::ArrayRef<Tile> menu =
      tensor_cores ? llvm::ArrayRef<Tile>(kTensorTiles) : llvm::ArrayRef<Tile>(kSimtTiles);
  int64_t batch = 1;
  for (const Dim& extent : problem.batch) batch *= extent.extent();
  std::vector<Candidate> candidates;
  for (const Tile& tile : menu) {
    GemmChoice choice{config_of(tile, problem, tensor_cores, target.card), tensor_cores};
    const int64_t m_tiles = (problem.m.extent() + tile.block_m - 1) / tile.block_m,
                  n_tiles = (problem.n.extent() + tile.block_n - 1) / tile.block_n;
    choice.tiles = m_tiles * n_tiles * batch;
    if (tile.block_m >= 64 && 2 * problem.m.extent() <= tile.block_m)
      continue;  // most of the tile would be padding
    const int64_t k_tiles = problem.k.extent() / choice.config.block_k;
    Candidate best;
    for (int slices : kSlices) {
      if (slices > 1 && (choice.tiles * slices > 2 * target.card.sms || k_tiles < 4 * slices)) break;
      choice.config.slices = slices;
      if (tensor_cores) choice.blocks_per_sm = blocks_per_sm(choice.config, problem, target.card);
      Candidate candidate = candidate_of(choice, problem, region, target);
      if (slices == 1 || candidate.estimate.us < best.estimate.us) best = std::move(candidate);
    }
    candidates.push_back(std::move(best));
  }
  return candidates;
}

}  // namespace tenon
