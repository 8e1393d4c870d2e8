// entry.cpp: how an entry begins.
#include "codegen/entry.h"

namespace tenon {

bool overlaps_launches(const Target& target) {
  int generation = 0;
  llvm::StringRef arch = target.card.arch;
  return arch.consume_front("sm_") && !arch.consumeInteger(10, generation) && generation >= 90;
}

bool gains_from_overlap(const EmittedKernel& kernel, const Estimate& estimate, const Target& target) {
  constexpr double kShort = 3;  // times its boundary: attention of one token among them
  if (kernel.source.empty() || !overlaps_launches(target)) return false;
  return kernel.loads_first || estimate.us <= kShort * target.card.launch_us;
}

void open_entry(Text& text, const Target& target, const llvm::Twine& bounds, llvm::StringRef name,
                const std::string& signature, bool wait, bool let_in) {
  text.open("extern \"C\" __global__ __launch_bounds__(" + bounds + ") void " + name + "(" + signature + ")");
  if (!overlaps_launches(target)) return;
  if (let_in) text.line("ptx::launch_dependents();");
  if (wait) text.line("ptx::wait_for_predecessors();");
}

}  // namespace tenon
