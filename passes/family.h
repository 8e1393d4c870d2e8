// family.h: what a kernel family tells the selection: which regions it takes, with which configs, at what
// predicted cost.
#pragma once
#include <any>
#include <string>
#include <vector>

#include "passes/card.h"
#include "passes/region.h"

namespace tenon {

/// One term of an estimate, microseconds, with what it stands for: {"DRAM", 12.4, "52 MB at 4080 GB/s"}.
struct CostTerm {
  std::string name;  ///< launch, arithmetic, shared memory, L2, DRAM, waves, epilogue
  double us = 0;
  std::string what;
};

/// A predicted cost of one launch. Terms overlap as the family says; `us` is the total.
struct Estimate {
  double us = 0;
  std::vector<CostTerm> terms;
  Basis basis = Basis::kDatasheet;
  double uncertainty = 0;  ///< log-standard error of `us`; 0 where the estimate only counts bytes
  int64_t bytes_read = 0;  ///< compulsory global reads (each operand element once)
  int64_t bytes_written = 0;
  int64_t flops = 0;
};

/// One way to run a region.
struct Candidate {
  const class KernelFamily* family = nullptr;  ///< set by the selection
  std::string implementation;                  ///< "generated", "cublaslt" or "view"
  std::string config;   ///< "128x256x32/4", "bias_gelu epilogue": pins and explain use it
  std::string why_not;  ///< illegal on this card because ...; "" when legal
  Estimate estimate;
  std::any details;  ///< the family's own plain struct
};

/// For what, and under which rules, kernels are chosen.
struct Target {
  Card card;
  bool library = true;  ///< cuBLASLt may be used where the plan will run
  bool tf32 = false;    ///< the model lets f32 products use TF32
};

/// A family of kernels. Stateless; one object of each lives in codegen/families.
class KernelFamily {
 public:
  virtual ~KernelFamily() = default;
  virtual llvm::StringRef name()
      const = 0;  ///< "gemm", "attention", "row", "elementwise", "movement", "view"
  /// "" when the family takes the region, otherwise the reason in words, naming the op that is in the way.
  virtual std::string refuses(const Region& region, const Target& target) const = 0;
  /// Every sensible config, the illegal ones with why_not; estimates filled. Only for accepted regions.
  virtual std::vector<Candidate> candidates(const Region& region, const Target& target) const = 0;
};

/// Compulsory traffic and arithmetic of a region: every parameter that the kernel reads once, every output
/// once (of a cache write the new rows alone, of a gather the rows read), packed values once.
void count_work(const Region& region, Estimate& estimate);

}  // namespace tenon
