// experts_printer.h: the CUDA text of chosen experts' products.
#pragma once
#include <optional>

#include "codegen/families/experts_site.h"
#include "codegen/families/gemm_configs.h"
#include "codegen/plan.h"

namespace tenon {

/// One way to run a region of experts: as a stream of weights for each choice, or in tiles of an expert's
/// choices.
struct ExpertsChoice {
  ExpertsConfig stream;
  std::optional<GemmChoice> tile;  ///< instead of the stream
  int64_t blocks = 0;
  std::string text() const;  ///< "stream 8x8" or "tiles 64x128x64/3"
};

EmittedKernel print_experts(const Region& region, const ExpertsSite& site, const ExpertsChoice& choice,
                            const Target& target, llvm::StringRef name);

}  // namespace tenon
