// elementwise.cpp: elementwise ops, with operands read through index maps (broadcast, permute, slice, concat,
// pad, gather, iota) and rope.
#include "codegen/families/elementwise.h"

#include "codegen/element_walk.h"

namespace tenon {
namespace {

class ElementwiseFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "elementwise"; }

  std::string refuses(const Region& region, const Target&) const override {
    if (region.pattern != Pattern::kElementwise) return "no elementwise region";
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

const EmittingFamily& elementwise_family() {
  static const ElementwiseFamily family;
  return family;
}

}  // namespace tenon
