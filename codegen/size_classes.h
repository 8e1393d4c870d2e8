// size_classes.h: a dynamic dim's range cut where the best plan changes: plans as a step function of the extent.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "codegen/plan.h"

namespace tenon {

/// Extents first..last, inclusive, that run the same kernels with the same configs at the same sites.
struct SizeClass {
  int64_t first = 0, last = 0;
  std::shared_ptr<const Plan> plan;          ///< at `first`
  std::shared_ptr<const Plan> plan_at_last;  ///< the same choices; its costs
};

/// Cuts first..last (1 <= first <= last) into classes, smallest extents first. Plans are made at the powers of two and
/// halfway between them; where two neighbours differ, halving finds the extents at which the choice changes. A class that
/// begins and ends between two neighbours of equal plans stays unseen.
std::vector<SizeClass> size_classes(int64_t first, int64_t last,
                                    const std::function<std::shared_ptr<const Plan>(int64_t)>& plan_at);

/// The classes as a step function: what runs in the first, then at each crossover the sites that change, to what, why.
/// `site` restricts it to sites that match (policy patterns).
std::string tell_size_classes(const std::string& dim, llvm::ArrayRef<SizeClass> classes,
                              llvm::StringRef site = "");

/// What sites of `after` run that sites of `before` do not: kernels of `after`, in its order.
std::vector<const Kernel*> changed_kernels(const Plan& before, const Plan& after);

}  // namespace tenon
