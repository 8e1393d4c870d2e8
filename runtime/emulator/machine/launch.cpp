// launch.cpp: a request judged against what devices take, and its blocks given to host threads.
#include "runtime/emulator/machine/launch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>

#include "ir/diagnostics.h"
#include "runtime/emulator/machine/scheduler.h"

namespace tenon::emulator {
namespace {

/// What devices of an architecture take (CUDA C++ programming guide, "compute capabilities").
struct Limits {
  int64_t shared_kib_per_block, shared_kib, threads, blocks;  // all but the first: of a multiprocessor
};
Limits limits(int arch) {
  switch (arch) {
    case 70: return {96, 96, 2048, 32};
    case 75: return {64, 64, 1024, 16};
    case 80: return {163, 164, 2048, 32};
    case 86: return {99, 100, 1536, 16};
    case 87: return {163, 164, 1536, 16};
    case 89: return {99, 100, 1536, 24};
    case 120:
    case 121: return {99, 100, 1536, 24};
    default: return {227, 228, 2048, 32};
  }
}
constexpr int64_t kReservedShared = 1024;  // of each block, from sm_80 on
constexpr int64_t kMostHostBytes = int64_t{8} << 30;

std::string text(const int (&values)[3]) {
  return std::to_string(values[0]) + "x" + std::to_string(values[1]) + "x" + std::to_string(values[2]);
}
int64_t product(const int (&values)[3]) { return int64_t{values[0]} * values[1] * values[2]; }

[[noreturn]] void refuse(const Program& program, const std::string& message, std::string hint = {}) {
  throw Error("kernel " + program.name + " cannot be launched: " + message, {}, std::move(hint));
}

void check_shape(const Program& program, const char* what, const int (&values)[3], const int64_t (&most)[3]) {
  for (int i = 0; i < 3; ++i)
    if (values[i] < 1 || values[i] > most[i])
      refuse(program, std::string("a ") + what + " of " + text(values) + ": its " + "xyz"[i] +
                          " must be 1 to " + std::to_string(most[i]));
}

void check_threads(const LaunchRequest& request) {
  const Program& program = *request.program;
  const int64_t threads = product(request.block);
  if (threads > 1024) refuse(program, "a block of " + std::to_string(threads) + " threads; the most is 1024");
  if (program.max_threads > 0 && threads > program.max_threads)
    refuse(program,
           "a block of " + std::to_string(threads) + " threads; the kernel was compiled for at most " +
               std::to_string(program.max_threads),
           "__launch_bounds__ sets that number");
  if (program.exact_threads && threads != program.max_threads)
    refuse(program, "a block of " + std::to_string(threads) + " threads; the kernel demands " +
                        std::to_string(program.max_threads));
}

void check_cluster(const LaunchRequest& request) {
  const Program& program = *request.program;
  const int64_t blocks = product(request.cluster);
  if (program.cluster[0] && !std::equal(request.cluster, request.cluster + 3, program.cluster))
    refuse(program,
           "a cluster of " + text(request.cluster) + "; the kernel demands " + text(program.cluster));
  if (blocks > 1 && program.arch < 90)
    refuse(program, "clusters begin with sm_90; the kernel is for sm_" + std::to_string(program.arch));
  if (blocks > 16)
    refuse(program, "a cluster of " + std::to_string(blocks) + " blocks; the most is 16 (8 portably)");
  for (int i = 0; i < 3; ++i)
    if (request.grid[i] % request.cluster[i])
      refuse(program, "a grid of " + text(request.grid) + " is no multiple of its clusters of " +
                          text(request.cluster));
}

void check_resident(const LaunchRequest& request, const Options& options, int64_t shared_bytes) {
  const Program& program = *request.program;
  const Limits most = limits(program.arch);
  const int64_t warps = (product(request.block) + kLanes - 1) / kLanes;
  const int64_t by_shared = most.shared_kib * 1024 / (shared_bytes + kReservedShared);
  const int64_t each =
      std::max<int64_t>(1, std::min({most.blocks, most.threads / (warps * kLanes), by_shared}));
  if (product(request.grid) > each * options.multiprocessors)
    refuse(program, "a cooperative grid of " + std::to_string(product(request.grid)) + " blocks; " +
                        std::to_string(options.multiprocessors) + " multiprocessors hold " +
                        std::to_string(each * options.multiprocessors) + " of them");
}

/// What the blocks of one residency take of the host's memory at most, the race detector's shadow aside.
void check_host_memory(const LaunchRequest& request) {
  const Program& program = *request.program;
  const int64_t warps = (product(request.block) + kLanes - 1) / kLanes;
  const int64_t registers = int64_t{program.register_units} * Warp::kUnitBytes;
  const int64_t local = 2 * kLanes * program.local_bytes;
  const int64_t blocks = request.cooperative ? product(request.grid) : product(request.cluster);
  const int64_t most = kMostHostBytes / (warps * (registers + local) + (1 << 10));
  if (blocks > most)
    refuse(program, std::to_string(blocks) +
                        " blocks together have registers and local memory of more than " +
                        std::to_string(kMostHostBytes >> 30) + " GiB");
}

void check(const LaunchRequest& request, const Options& options) {
  const Program& program = *request.program;
  check_shape(program, "grid", request.grid, {INT32_MAX, 65535, 65535});
  check_shape(program, "block", request.block, {1024, 1024, 64});
  check_shape(program, "cluster", request.cluster, {16, 16, 16});
  check_threads(request);
  check_cluster(request);
  if (request.dynamic_shared_bytes < 0)
    refuse(program, "a negative number of bytes of dynamic shared memory");
  const int64_t shared = program.static_shared_bytes + request.dynamic_shared_bytes;
  const int64_t most = limits(program.arch).shared_kib_per_block * 1024;
  if (shared > most)
    refuse(program, std::to_string(shared) + " bytes of shared memory; sm_" + std::to_string(program.arch) +
                        " gives a block at most " + std::to_string(most));
  // ptxas lets the targets of one architecture alone (sm_90a) declare all that a block has.
  if (program.static_shared_bytes > 48 * 1024 && !llvm::StringRef(program.module->target).endswith("a"))
    refuse(program,
           std::to_string(program.static_shared_bytes) + " bytes of static shared memory; the most is 49152",
           "take dynamic shared memory");
  if (static_cast<int64_t>(request.parameters.size()) != program.parameter_bytes)
    refuse(program, "its parameters are " + std::to_string(program.parameter_bytes) + " bytes, " +
                        std::to_string(request.parameters.size()) + " were given");
  if (request.cooperative) check_resident(request, options, shared);
  check_host_memory(request);
}

/// Blocks may be run side by side when nothing can show their order.
int host_threads(const Launch& launch, int64_t residencies) {
  const Options& options = launch.options;
  if (launch.program.uses_global_atomics || launch.request.cooperative || options.seed || options.one_lane ||
      options.model_l2 || options.global_races)
    return 1;
  const int wanted = options.host_threads > 0 ? options.host_threads : std::thread::hardware_concurrency();
  return static_cast<int>(std::clamp<int64_t>(wanted, 1, residencies));
}

/// Residencies, taken one after the other by host threads; each adds to the meter what it counted.
class Work {
 public:
  Work(Launch& launch, int64_t residencies, Meter& meter)
      : launch_(launch), residencies_(residencies), meter_(meter) {}

  /// The first exception ends the launch and is thrown again when all threads have ended.
  void run(int threads) {
    std::vector<std::thread> helpers;
    try {
      for (int i = 1; i < threads; ++i) helpers.emplace_back([this] { share(); });
    } catch (const std::system_error&) {  // the host gives no more threads: those that are there do it
    }
    share();
    for (std::thread& helper : helpers) helper.join();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void share() {
    try {
      Scheduler scheduler(launch_);
      for (int64_t i; !launch_.stopped && (i = next_++) < residencies_;) scheduler.run(i);
      std::lock_guard lock(mutex_);
      for (size_t i = 0; i < meter_.ops.size(); ++i) meter_.ops[i] += scheduler.meters()[i];
      meter_.barrier_waits += scheduler.barrier_waits();
    } catch (...) {
      launch_.stopped = true;
      std::lock_guard lock(mutex_);
      if (!failure_) failure_ = std::current_exception();
    }
  }

  Launch& launch_;
  const int64_t residencies_;
  std::atomic<int64_t> next_{0};
  std::mutex mutex_;  // of what follows
  Meter& meter_;
  std::exception_ptr failure_;
};

}  // namespace

Launch::Launch(const LaunchRequest& request, const Options& options, GlobalMemory& memory)
    : request(request), program(*request.program), options(options), memory(memory) {
  const size_t bytes = program.constants.size() * sizeof(uint32_t);
  constants.resize(bytes + Warp::kUnitBytes);
  const auto misaligned = reinterpret_cast<uintptr_t>(constants.data()) % Warp::kUnitBytes;
  std::byte* aligned = constants.data() + (misaligned ? Warp::kUnitBytes - misaligned : 0);
  if (bytes) std::memcpy(aligned, program.constants.data(), bytes);
  pool = aligned;
  if (options.global_races) global_races = std::make_unique<GlobalRaces>();
}

int64_t Launch::shared_bytes() const {
  if (request.dynamic_shared_bytes == 0) return program.static_shared_bytes;
  return program.dynamic_shared_offset + request.dynamic_shared_bytes;
}

LaunchResult run(const LaunchRequest& asked, GlobalMemory& memory, const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  LaunchRequest request = asked;
  if (product(request.cluster) == 1 && request.program->cluster[0])
    std::copy_n(request.program->cluster, 3, request.cluster);
  check(request, options);
  memory.clear_sectors();
  memory.model_l2(options.model_l2 ? options.l2_bytes : 0);
  Launch launch(request, options, memory);
  const int64_t blocks = product(request.grid);
  const int64_t residencies = request.cooperative ? 1 : blocks / launch.cluster();
  LaunchResult result;
  Meter& meter = result.meter;
  meter.program = request.program;
  meter.ops.resize(request.program->ops.size());
  meter.shared_bytes_per_block = launch.shared_bytes();
  meter.blocks = static_cast<uint64_t>(blocks);
  meter.threads = meter.blocks * static_cast<uint64_t>(launch.threads());
  Work(launch, residencies, meter).run(host_threads(launch, residencies));
  meter.count_memory(memory);
  result.findings = launch.findings.take();
  result.completed = !launch.stopped;
  result.host_us =
      std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace tenon::emulator
