// float_form.cpp: see float_form.h.
#include "runtime/emulator/instructions/float_form.h"

#include "llvm/ADT/Twine.h"

namespace tenon::emulator {

std::optional<Rounding> accept_rounding(Decoder& d) {
  if (d.accept("rn")) return Rounding::kNearest;
  if (d.accept("rz")) return Rounding::kZero;
  if (d.accept("rm")) return Rounding::kDown;
  if (d.accept("rp")) return Rounding::kUp;
  return std::nullopt;
}

void fail_type(const Decoder& d, ptx::Type type) {
  d.fail((llvm::Twine("'") + d.instruction().text + "' is no instruction: ." + ptx::name(type) +
          " does not go with this opcode and these modifiers")
             .str());
}

}  // namespace tenon::emulator
