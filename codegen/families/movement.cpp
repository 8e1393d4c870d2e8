// movement.cpp: cache writes (the new rows alone move, into the cache's own storage), scatter, and concat
// without arithmetic.
#include "codegen/families/movement.h"

#include "codegen/element_walk.h"

namespace tenon {
namespace {

class MovementFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "movement"; }

  std::string refuses(const Region& region, const Target&) const override {
    if (region.pattern != Pattern::kMovement) return "no movement region";
    return plan_element_walk(region).program.refusal;
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    return element_candidates(region, plan_element_walk(region), target);
  }

  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override {
    return emit_element_walk(*this, region, candidate, target, name);
  }
};

}  // namespace

const EmittingFamily& movement_family() {
  static const MovementFamily family;
  return family;
}

}  // namespace tenon
