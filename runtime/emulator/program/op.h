// op.h: one decoded instruction: a handler and where its operands are.
#pragma once
#include <cstdint>

#include "llvm/ADT/ArrayRef.h"

namespace tenon::emulator {

class Warp;
struct Op;

/// Bit i: lane i.
using LaneMask = uint32_t;
constexpr int kLanes = 32;
constexpr LaneMask kAllLanes = 0xffffffffu;

/// What the warp does after a handler.
enum class Outcome : uint8_t {
  kNext,   ///< the instruction is done: on to the next
  kMoved,  ///< the handler placed the warp's groups itself (branch, exit, call)
  kRetry,  ///< nothing was done: the group stays at this instruction and others run (a collective whose lanes are
           ///< still elsewhere, a wait whose condition does not hold)
  kYield,  ///< done: on to the next, but other groups and warps run first (a failed poll, nanosleep)
};

/// Executes `op` for the lanes of `active` (never empty): those of the running group whose guard holds.
using Handler = Outcome (*)(Warp& warp, const Op& op, LaneMask active);

/// Where a register's lanes are: a number of units of 128 bytes in the warp's register file, or, negative (~index),
/// in the program's pool of constants. 8-, 16- and 32-bit values take one unit, 32 lanes of 4 bytes, narrow ones
/// zero-extended; 64-bit values take two units, 32 lanes of 8 bytes.
using Slot = int32_t;
/// A predicate: 2 * its number in the warp's predicates, + 1 where its negation is meant.
using PredicateSlot = int32_t;

/// What an instruction counts as, for meters and reports.
enum class OpClass : uint8_t {
  kInteger,
  kFloat,
  kConvert,
  kMove,
  kSpecial /* ex2, rcp, tanh ... */,
  kControl,
  kSync,
  kShuffle,
  kLoadGlobal,
  kStoreGlobal,
  kLoadShared,
  kStoreShared,
  kLocal,
  kParam,
  kAtomic,
  kMatrix,
  kAsyncCopy,
};
constexpr int kOpClasses = static_cast<int>(OpClass::kAsyncCopy) + 1;

struct Op {
  Handler run = nullptr;
  /// Slots, predicate slots and plain numbers in the order in which the opcode's decoder appended them.
  const int32_t* words = nullptr;
  const void* form = nullptr;  ///< what else the decoder found out; owned by the program
  PredicateSlot guard = -1;    ///< -1: none
  int32_t target = -1;         ///< index of the op that a branch or call goes to
  int32_t line = 0;            ///< in the PTX text
  int32_t place = -1;          ///< ptx::Module::places
  int32_t flops = 0;           ///< of one active lane; of the whole instruction for kMatrix
  OpClass kind = OpClass::kInteger;
};

}  // namespace tenon::emulator
