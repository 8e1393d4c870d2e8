// gemm_configs.h: the tiles that a product may be computed with, which of them a card can run, and what each
// is predicted to cost.
#pragma once
#include <string>
#include <vector>

#include "codegen/families/product.h"
#include "passes/family.h"
#include "templates/config.cuh"

namespace tenon {

/// What the gemm family decides of a region: a tile config, for which kernel.
struct GemmChoice {
  GemmConfig config;
  bool tensor_cores = true;  ///< gemm_sm80; else gemm_simt, exact f32
  int64_t tiles = 0;         ///< of C, over the whole batch
  int blocks_per_sm = 0;     ///< that registers must leave room for; 0: the compiler's choice
};

/// "128x256x32/4", "64x64x64/5 split 4": block_m x block_n x block_k / stages.
std::string config_name(const GemmConfig& config);

/// A sensible choice for each tile of the menu, with the number of slices that is predicted best. Tiles that
/// cannot run say why_not.
std::vector<Candidate> gemm_candidates(const ProductProblem& problem, const Region& region,
                                       const Target& target);

/// The cost of one choice: each resource that all blocks share, the wave that the last blocks leave unfilled,
/// and what nothing hides.
Estimate estimate_gemm(const ProductProblem& problem, const GemmChoice& choice, const Region& region,
                       const Target& target);

/// "12.3" and "52.4 MB at 4176 GB/s", for the terms of an estimate.
std::string decimal(double value, int places);
std::string megabytes_at(double bytes, double gb_s);

}  // namespace tenon
