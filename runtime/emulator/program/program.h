// program.h: a kernel ready to run: dense ops, constants, register file layout, and where its variables are.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"
#include "runtime/emulator/program/op.h"
#include "runtime/emulator/ptx/syntax.h"

namespace tenon::emulator {

/// A parameter of a kernel in its parameter space.
struct Parameter {
  std::string name;
  int64_t offset = 0, bytes = 0;
  ptx::Type type = ptx::Type::kB8;
  bool opaque = false;  ///< a struct or a tensor map
};

/// A .shared variable, by its place in a block's shared memory. Dynamic shared memory has no size of its own: 0.
struct SharedVariable {
  std::string name;  ///< as people know it, its function left out: "turned"
  int64_t offset = 0, bytes = 0;
};

/// A wgmma.mma_async that may see an older value of a register: `write` gave an accumulator or an A operand its value, and
/// on some path no wgmma.fence stands between. Both are indices into Program::ops.
struct UnfencedWrite {
  int32_t wgmma = 0, write = 0;
};

/// One kernel (with the functions that it calls, inlined by address into the same op array). Immutable; shared by
/// launches and host threads.
struct Program {
  std::shared_ptr<const ptx::Module> module;
  std::string name;
  std::vector<Op> ops;              ///< the entry's first; every path ends in an exit
  std::vector<int32_t> words;       ///< what Op::words point into
  std::vector<uint32_t> constants;  ///< the pool, in units of 32 words; aligned by the machine's copy
  std::vector<std::shared_ptr<void>> forms;  ///< what Op::form points to
  int register_units = 0;                    ///< of 128 bytes, a warp
  int predicates = 0;
  int registers_live = 0;  ///< most 32-bit registers live at once: an early hint of register pressure
  std::vector<Parameter> parameters;
  int64_t parameter_bytes = 0;
  std::vector<SharedVariable> shared_variables;  ///< by falling alignment, dynamic memory last
  int64_t static_shared_bytes = 0;               ///< of all .shared variables with a size
  uint32_t dynamic_shared_offset =
      0;                       ///< where dynamic shared memory starts: no better aligned than declared
  int64_t local_bytes = 0;     ///< a thread's .local variables and call parameters
  int max_threads = 0;         ///< of a block: .maxntid or .reqntid; 0: any
  bool exact_threads = false;  ///< .reqntid
  int cluster[3] = {0, 0, 0};  ///< .reqnctapercluster; zeros: none
  std::vector<UnfencedWrite> unfenced_writes;  ///< ordered by wgmma, at most one each
  bool uses_global_atomics = false;            ///< blocks may talk to each other: they run in one host thread
  int arch = 0;                                ///< 80, 90, 120 of .target

  /// The write that `wgmma` may miss; null where all is fenced.
  const UnfencedWrite* unfenced_write(const Op& wgmma) const;
  /// "byte 4 of `turned`", whatever lies at that offset of shared memory; "" for nothing.
  std::string name_of_shared(int64_t offset) const;
  /// The op's PTX text without leading blanks.
  llvm::StringRef text(const Op& op) const;
};

/// Where a module's .global and .const variables were put: address by index into ptx::Module::variables. The
/// addresses are in GlobalMemory.
using VariableAddresses = std::vector<uint64_t>;

/// Windows of the generic address space. Global memory lies below them.
constexpr uint64_t kSharedWindow = 0x7ffe'0000'0000'0000ull;
constexpr uint64_t kLocalWindow = 0x7ffd'0000'0000'0000ull;
constexpr uint64_t kParamWindow = 0x7ffc'0000'0000'0000ull;
constexpr uint64_t kWindowBytes = 1ull << 32;
/// In the shared window (and in 32-bit shared addresses): where a block's own variables begin. Not zero, so that null
/// is no variable's address.
constexpr uint32_t kSharedBase = 0x400;
/// The address of another block of the cluster: (rank + 1) << kClusterRankShift | offset.
constexpr int kClusterRankShift = 24;

/// Decodes kernel `entry` of a module. Throws Error, with the PTX line, for an unknown opcode, type or modifier, for
/// operands that do not fit, for recursion and for an absent entry.
std::shared_ptr<const Program> decode(std::shared_ptr<const ptx::Module> module, llvm::StringRef entry,
                                      const VariableAddresses& variables);

}  // namespace tenon::emulator
