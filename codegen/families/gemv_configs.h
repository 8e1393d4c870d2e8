// gemv_configs.h: the ways to share a product of few rows among threads, which of them a card can run, and
// what each is predicted to cost.
#pragma once
#include <string>
#include <vector>

#include "codegen/families/product.h"
#include "passes/family.h"
#include "templates/config.cuh"

namespace tenon {

constexpr int kMostGemvRows = 16;  ///< beyond them a tile of A is worth its place in shared memory

/// What the gemv family decides of a region.
struct GemvChoice {
  GemvConfig config;
  int64_t tiles = 0;  ///< of C, over the whole batch
};

/// "1x8/128x2", "mma 8x16/16x4 split 2": rows x columns of a block / lanes of a group x rounds under way.
std::string config_name(const GemvConfig& config);

/// The best config of each kind: multiply-adds with 1, 2, 4, 8 columns a thread, and tensor cores. Configs that
/// cannot run say why_not.
std::vector<Candidate> gemv_candidates(const ProductProblem& problem, const Region& region,
                                       const Target& target);

/// The cost of one choice: the slowest of DRAM, L2, L1 and arithmetic over the part of the card that the grid
/// fills, what a block's loads under way cannot keep busy, and what nothing hides.
Estimate estimate_gemv(const ProductProblem& problem, const GemvChoice& choice, const Region& region,
                       const Target& target);

/// Registers of a thread, roughly: sums, lines under way (of elements of so many bits), rows and addresses.
int gemv_registers(const GemvConfig& config, int weight_bits);

}  // namespace tenon
