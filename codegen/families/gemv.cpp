// gemv.cpp: the family of products of few rows: weights streamed once past multiply-adds or tensor cores.
#include "codegen/families/gemv.h"

#include "codegen/families/gemm_configs.h"
#include "codegen/families/gemv_configs.h"
#include "codegen/families/gemv_printer.h"

namespace tenon {
namespace {

class GemvFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "gemv"; }

  std::string refuses(const Region& region, const Target&) const override {
    ProductProblem problem;
    if (std::string reason = analyse_product(region, problem); !reason.empty()) return reason;
    if (problem.m.extent() > kMostGemvRows)
      return "matmul of " + std::to_string(problem.m.extent()) + " rows: at most " +
             std::to_string(kMostGemvRows) + " are streamed past";
    return "";
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    ProductProblem problem;
    analyse_product(region, problem);
    return gemv_candidates(problem, region, target);
  }

  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override {
    ProductProblem problem;
    analyse_product(region, problem);
    return print_gemv(region, problem, std::any_cast<const GemvChoice&>(candidate.details), target, name);
  }
};

}  // namespace

const EmittingFamily& gemv_family() {
  static const GemvFamily family;
  return family;
}

}  // namespace tenon
