// meter.h: what a launch did, counted exactly: per op, and from that per launch and per source line.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

class GlobalMemory;

/// Counters of one op. The run loop counts issues and lanes; access.h counts the rest.
struct OpMeter {
  uint64_t issues = 0;        ///< warp instructions
  uint64_t lanes = 0;         ///< thread instructions
  uint64_t read = 0;          ///< bytes of global memory asked for; an atomic that returns reads and writes
  uint64_t written = 0;       ///< bytes given to global memory
  uint64_t sectors_read = 0;  ///< 32-byte sectors moved for `read`, each counted once a warp access
  uint64_t sectors_written = 0;
  uint64_t shared = 0;            ///< bytes read from or written to shared memory
  uint64_t shared_passes = 0;     ///< passes that the banks need
  uint64_t shared_conflicts = 0;  ///< of them, beyond the least for the access' width
  OpMeter& operator+=(const OpMeter& other);
};

/// Of a whole launch. Bytes: "requested" is what threads asked for, "unique" the 32-byte sectors touched at all (what an
/// infinite cache would read from and write to memory).
struct Meter {
  std::shared_ptr<const Program> program;
  std::vector<OpMeter> ops;
  uint64_t unique_bytes_read = 0, unique_bytes_written = 0;
  uint64_t l2_bytes_read = 0, l2_bytes_written = 0;  ///< of the modelled L2; 0 where it was not asked for
  uint64_t barrier_waits = 0;
  int64_t shared_bytes_per_block = 0;
  uint64_t blocks = 0, threads = 0;

  struct Totals {
    uint64_t warp_instructions = 0, thread_instructions = 0,
             by_class[kOpClasses] = {};  ///< warp instructions
    uint64_t global_bytes_read = 0, global_bytes_written = 0, sectors_read = 0, sectors_written = 0;
    uint64_t shared_bytes = 0, shared_passes = 0, shared_conflicts = 0;
    uint64_t async_bytes = 0;           ///< of global_bytes_read and _written, by copy engines
    uint64_t atomics = 0;               ///< thread instructions
    uint64_t flops = 0, mma_flops = 0;  ///< of ordinary instructions, of tensor cores
    double active_lanes = 0;            ///< mean of active lanes / 32
  };
  Totals totals() const;
  /// Takes what the launch left in the memory's sectors and its model of L2; called when it ends.
  void count_memory(GlobalMemory& memory);
};

/// "load_global": for tables and JSON.
const char* name(OpClass kind);

}  // namespace tenon::emulator
