// flow.h: the control-flow graph of one function's ops.
#pragma once
#include <vector>

#include "llvm/ADT/SmallVector.h"
#include "runtime/emulator/program/code.h"

namespace tenon::emulator {

/// Ops [begin, end): entered at the first, left at the last.
struct FlowBlock {
  int begin = 0, end = 0;
  llvm::SmallVector<int, 2> successors, predecessors;
};

struct Flow {
  std::vector<FlowBlock> blocks;  ///< in the order of the text; the function is entered at the first
  std::vector<int> block_of;      ///< by op
};

Flow flow(const FunctionCode& code);

}  // namespace tenon::emulator
