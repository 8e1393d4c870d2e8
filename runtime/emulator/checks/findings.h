// findings.h: what the checks found wrong with a kernel, each with all that a person needs to go there.
#pragma once
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "llvm/ADT/StringRef.h"
#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

enum class FindingKind : uint8_t {
  kOutOfBounds,
  kMisaligned,
  kReadOnly,
  kUseAfterFree,
  kUninitialised,
  kSharedRace,
  kGlobalRace,
  kProxyFence,
  kRegisterHazard,
  kDivergentCollective,
  kBarrier,
  kMbarrier,
  kDescriptor,
  kUnsupported,
  kDeadlock,
  kLeak,
  kTrap,
  kBudget,
};
/// "out of bounds", "shared-memory race", ... and the stable word for JSON and suppression: "out_of_bounds".
llvm::StringRef title(FindingKind kind);
llvm::StringRef name(FindingKind kind);

struct Finding {
  FindingKind kind = FindingKind::kOutOfBounds;
  std::string kernel;
  std::string message;  ///< "read of 16 bytes, 16 bytes past the end of `x` (4096 bytes)"
  int block[3] = {0, 0, 0};
  int warp = -1, lane = -1;  ///< -1: no single one
  int thread[3] = {-1, -1, -1};
  int op = -1;  ///< index in the program; -1: none
  int ptx_line = 0;
  std::string ptx;  ///< the line's text
  /// Innermost first: "gemm_copy.cuh:31 (copy_tile)", then where it was inlined; ends in the kernel's or model's line.
  std::vector<std::string> source;
  std::vector<std::string> notes;  ///< the other access of a race, who waits for what
  std::string equation;            ///< of the model, where the launcher knows it
  uint64_t count = 1;              ///< how often: only the first of (op, kind) are kept in full

  /// Several lines, ready to print.
  std::string text() const;
};

/// "file:line (function)" and its callers, innermost first.
std::vector<std::string> source_chain(const ptx::Module& module, int place);

/// Collects findings of one launch; safe from many host threads. Keeps the first of each (op, kind) and counts the rest.
class Findings {
 public:
  void add(Finding finding);
  bool empty() const;
  /// Ordered by block, op and kind, so that host threads do not show.
  std::vector<Finding> take();

 private:
  mutable std::mutex mutex_;
  std::map<std::pair<int, FindingKind>, Finding> first_;
};

}  // namespace tenon::emulator
