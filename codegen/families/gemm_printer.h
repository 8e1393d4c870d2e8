// gemm_printer.h: the CUDA text of a tiled product.
#pragma once
#include "codegen/families/gemm_configs.h"
#include "codegen/plan.h"

namespace tenon {

/// The fields that differ from the defaults, as designated initialisers.
std::string config_text(const GemmConfig& config);

/// The kernel of an accepted region with the given choice, and how it is launched for this binding of the
/// dims.
EmittedKernel print_gemm(const Region& region, const ProductProblem& problem, const GemmChoice& choice,
                         const Target& target, llvm::StringRef name);

}  // namespace tenon
