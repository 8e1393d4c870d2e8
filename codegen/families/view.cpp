// view.cpp: values that are other values' bytes under another shape: no kernel.
#include "codegen/families/view.h"

namespace tenon {
namespace {

class ViewFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "view"; }

  std::string refuses(const Region& region, const Target&) const override {
    if (region.pattern != Pattern::kView) return "the elements change their order or value";
    return "";
  }

  std::vector<Candidate> candidates(const Region&, const Target&) const override {
    Candidate candidate;
    candidate.implementation = "view";
    candidate.config = "view";
    return {candidate};
  }

  EmittedKernel emit(const Region&, const Candidate&, const Target&, llvm::StringRef name) const override {
    EmittedKernel kernel;
    kernel.name = name.str();
    kernel.aliases = {0};
    return kernel;
  }
};

}  // namespace

int64_t view_offset(const Node& node) {
  if (node.op() != Op::kSlice) return 0;
  const Type& from = node.operand(0)->type();
  int64_t axis = (node.attributes.integer("axis") + from.rank()) % from.rank();
  return node.attributes.integer("start") * row_major_strides(from.shape)[axis] * size_of(from.dtype);
}

const EmittingFamily& view_family() {
  static const ViewFamily family;
  return family;
}

}  // namespace tenon
