// fences.h: the rule of wgmma.fence, checked on all paths of a text (PTX ISA 9.0, 9.7.15.7.1).
#pragma once
#include <vector>

#include "runtime/emulator/program/flow.h"
#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

/// The wgmma.mma_async that some other instruction's write to one of their accumulators or A registers reaches with no
/// wgmma.fence between; ops are counted in the function. Ordered by wgmma, one each: the first such write of the text.
/// A write that a wgmma has already met is not told again for those behind it.
std::vector<UnfencedWrite> unfenced_writes(const FunctionCode& code, const Flow& flow);

}  // namespace tenon::emulator
