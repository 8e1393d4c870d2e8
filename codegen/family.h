// family.h: a kernel family that can also write its kernels.
#pragma once
#include "codegen/plan.h"

namespace tenon {

/// A family with an emitter. `emit` takes no decision: it prints what region and candidate say.
class EmittingFamily : public KernelFamily {
 public:
  /// `name` is the kernel's name: a C identifier derived from the site.
  virtual EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                             llvm::StringRef name) const = 0;
};

/// Every family, in the order in which explain lists them.
llvm::ArrayRef<const EmittingFamily*> families();

}  // namespace tenon
