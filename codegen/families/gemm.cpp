// gemm.cpp: the family of tiled products: tensor cores by portable instructions, or exact f32.
#include "codegen/families/gemm.h"

#include "codegen/families/gemm_configs.h"
#include "codegen/families/gemm_printer.h"

namespace tenon {
namespace {

class GemmFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "gemm"; }

  std::string refuses(const Region& region, const Target&) const override {
    ProductProblem problem;
    if (std::string reason = analyse_product(region, problem); !reason.empty()) return reason;
    return problem.moments && problem.dtype == DType::kF32
               ? "moments of f32 rows are not taken from their tiles"
               : "";
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    ProductProblem problem;
    analyse_product(region, problem);
    return gemm_candidates(problem, region, target);
  }

  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override {
    ProductProblem problem;
    analyse_product(region, problem);
    return print_gemm(region, problem, std::any_cast<const GemmChoice&>(candidate.details), target, name);
  }
};

}  // namespace

const EmittingFamily& gemm_family() {
  static const GemmFamily family;
  return family;
}

}  // namespace tenon
