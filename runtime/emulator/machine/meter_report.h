// meter_report.h: a launch's counters by source line: as rows, as a table, as JSON.
#pragma once
#include <string>
#include <vector>

#include "ir/json.h"
#include "runtime/emulator/machine/meter.h"

namespace tenon::emulator {

/// What the ops of one source line did together.
struct LineMeter {
  std::string
      place;  ///< "gemm_copy.cuh:31 (copy_tile)", the innermost place; "ptx line 12" where the text names none
  int first_op = 0;  ///< the first of its ops
  OpMeter counts;
  uint64_t flops = 0, mma_flops = 0;
};

/// Lines whose ops were executed, in the order of the program.
std::vector<LineMeter> by_line(const Meter& meter);
/// A row a line: warp instructions, lanes at work, global bytes and sectors, shared passes and conflicts, flops.
std::string line_table(const Meter& meter);
/// "lines": an array of objects with the same, into an open object.
void write_lines(json::Writer& out, const Meter& meter);

}  // namespace tenon::emulator
