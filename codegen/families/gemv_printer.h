// gemv_printer.h: the CUDA text of a product of few rows.
#pragma once
#include "codegen/families/gemv_configs.h"
#include "codegen/plan.h"

namespace tenon {

/// The kernel of an accepted region with the given choice, and how it is launched for this binding of the
/// dims.
EmittedKernel print_gemv(const Region& region, const ProductProblem& problem, const GemvChoice& choice,
                         const Target& target, llvm::StringRef name);

}  // namespace tenon
