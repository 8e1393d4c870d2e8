// code.h: what decoding leaves behind of one function, while its registers are still those of the text.
#pragma once
#include <cstdint>
#include <vector>

#include "runtime/emulator/ptx/syntax.h"

namespace tenon::emulator {

/// An op reads or writes a register. The word is patched when registers have slots.
struct Mention {
  int32_t op = 0;         ///< counted in the function
  int32_t word = -1;      ///< index in Program::words; -1: the op's guard
  int32_t register_ = 0;  ///< index in FunctionCode::units
  bool read = false;
  bool written = false;
  bool certain = false;  ///< written for every active lane: no guard
  bool negated = false;  ///< a predicate's negation is meant
};

/// A branch: Op::target is patched when all labels have their ops.
struct Branch {
  int32_t op = 0;
  int32_t label = 0;  ///< index in the function's body
};

struct CallSite {
  int32_t op = 0;
  int32_t function = 0;  ///< index in Module::functions
};

/// A register that stays in flight after `op`, a wgmma.mma_async.
struct InFlight {
  int32_t op = 0, register_ = 0;
};

/// One function's ops are program.ops[first_op ..]; op numbers here count from there.
struct FunctionCode {
  const ptx::Function* function = nullptr;
  int index = 0;  ///< in Module::functions
  int first_op = 0, op_count = 0;
  std::vector<int8_t> units;  ///< by register: 0 a predicate, 1 or 2 units; the function's own, then scratch
  std::vector<Mention> mentions;    ///< ordered by op; of one op, reads before writes
  std::vector<int32_t> op_of_body;  ///< by index in the body, and one more for its end: the first op
  std::vector<Branch> branches;     ///< ordered by op
  std::vector<int32_t> ends;        ///< ops after which the path ends, ordered
  std::vector<CallSite> calls;
  std::vector<InFlight> in_flight;  ///< ordered by op
  std::vector<int32_t> fences;      ///< wgmma.fence, ordered
  std::vector<int32_t> full_waits;  ///< wgmma.wait_group 0, ordered
};

}  // namespace tenon::emulator
