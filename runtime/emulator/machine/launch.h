// launch.h: one launch of a kernel: what is asked, what comes back. The machine's front door.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/emulator/checks/findings.h"
#include "runtime/emulator/machine/global_memory.h"
#include "runtime/emulator/machine/meter.h"
#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

/// How tensor cores and approximate instructions compute.
enum class Numerics : uint8_t {
  kReference,  ///< products summed in double and rounded once to f32; approximations correctly rounded
  kHardware,  ///< sums aligned and truncated as tensor cores do; approximations off by up to their documented bounds,
              ///< by a hash of the input
};

/// What is watched and how the machine is driven. Bounds, alignment, barriers and deadlocks are always watched.
struct Options {
  Numerics numerics = Numerics::kReference;
  bool uninitialised = true;  ///< reads of bytes and registers that nothing wrote
  bool shared_races = true;   ///< unordered accesses to shared memory, proxy fences, wgmma's register rules
  bool global_races = false;  ///< unordered accesses of blocks to global memory
  bool model_l2 =
      false;  ///< replay sectors through an L2 of the device's size; blocks then run in one host thread
  bool lazy_copies = false;  ///< cp.async delivers when it is waited for, not when it is issued
  bool one_lane =
      false;  ///< lanes of a warp run one by one between collectives: shows code that relies on lockstep
  uint64_t seed = 0;        ///< not 0: warps run in a random order with random quanta
  int multiprocessors = 4;  ///< of the emulated device: what a persistent kernel sizes its grid by
  int64_t l2_bytes = 50 << 20;
  std::function<void(llvm::StringRef)> print;  ///< what kernels print, whole calls; to stdout where empty
  int host_threads = 0;                        ///< for independent blocks; 0: one a core
  uint64_t instruction_budget =
      20'000'000'000ull;  ///< warp instructions of a launch; beyond it the launch stops with a finding
};

/// From TENON_EMULATOR_SEED, TENON_EMULATOR_NUMERICS=hardware, TENON_EMULATOR_CHECKS=..., TENON_EMULATOR_ONE_LANE.
/// Throws Error for values that mean nothing. README.md lists them.
Options options_from_environment();
/// "uninitialised,-shared_races", "all", "-all": switches checks on and off, from left to right. Throws Error, which begins
/// with `source`, for a name that is no check.
void set_checks(Options& options, llvm::StringRef list, llvm::StringRef source);

struct LaunchRequest {
  std::shared_ptr<const Program> program;
  int grid[3] = {1, 1, 1}, block[3] = {1, 1, 1}, cluster[3] = {1, 1, 1};
  int64_t dynamic_shared_bytes = 0;
  bool cooperative = false;           ///< all blocks are resident together
  std::vector<std::byte> parameters;  ///< Program::parameter_bytes, laid out by Program::parameters
};

struct LaunchResult {
  Meter meter;
  std::vector<Finding> findings;
  bool completed = true;  ///< false: stopped by a trap, a deadlock or the budget; memory is as it was then
  double host_us = 0;
};

/// Runs to the end or to what stops it. Throws Error for a request that no device would take (block too large for the
/// kernel, shared memory beyond the architecture's limit, a grid that is no multiple of the cluster); whatever the kernel
/// itself does wrong is a finding.
LaunchResult run(const LaunchRequest& request, GlobalMemory& memory, const Options& options);

}  // namespace tenon::emulator
