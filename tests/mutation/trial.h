// trial.h: a kernel of the corpus and its mutants at work: what a run leaves behind, and by what a mutant is told from the
// kernel that it was made of.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/emulator/device/loaded_module.h"
#include "tests/mutation/corpus.h"
#include "tests/mutation/mutants.h"

namespace tenon::mutation {

/// What one run left behind.
struct Outcome {
  std::vector<emulator::Finding> findings;
  std::vector<std::vector<std::byte>> buffers;
  uint64_t instructions = 0;  ///< warp instructions
  std::string text() const;   ///< of all findings
};

/// A kernel loaded from one PTX text; runs start from the same memory. Throws Error where the text has a fault.
class Bench {
 public:
  Bench(const Case& kernel, const std::string& ptx);
  Outcome run(const emulator::Options& options);

 private:
  std::vector<std::byte> parameters(const std::vector<uint64_t>& addresses) const;

  const Case& case_;
  emulator::GlobalMemory memory_;
  emulator::LoadedModule module_;
  emulator::LaunchRequest request_;
};

/// How a mutant was detected, the most telling way first.
enum class Sign { kRace, kProxyFence, kRegisters, kProtocol, kOther, kHang, kValues, kNone };
constexpr int kSigns = static_cast<int>(Sign::kNone) + 1;
const char* name(Sign sign);

struct Verdict {
  Sign sign = Sign::kNone;
  bool silent = false;  ///< found by a check in a run that ended, with the right values
  std::string text;     ///< of the findings of the run that detected it
};

/// A kernel and what it does unmutated, in every setting: orders of warps, late copies, one lane at a time.
class Trial {
 public:
  /// Throws Error where the kernel itself has findings or its values depend on the setting.
  Trial(const Case& kernel, std::string ptx);
  std::vector<Mutant> mutants() const;
  /// Runs the mutant in each setting until one detects it. Throws Error where its PTX has a fault.
  Verdict judge(const Mutant& mutant) const;
  const Case& kernel() const { return case_; }

 private:
  const Case& case_;
  std::string ptx_;
  std::vector<Outcome> expected_;  // by setting
};

}  // namespace tenon::mutation
