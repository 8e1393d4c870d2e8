// meter.cpp: sums of what ops counted.
#include "runtime/emulator/machine/meter.h"

#include "runtime/emulator/machine/global_memory.h"

namespace tenon::emulator {

OpMeter& OpMeter::operator+=(const OpMeter& other) {
  issues += other.issues;
  lanes += other.lanes;
  read += other.read;
  written += other.written;
  sectors_read += other.sectors_read;
  sectors_written += other.sectors_written;
  shared += other.shared;
  shared_passes += other.shared_passes;
  shared_conflicts += other.shared_conflicts;
  return *this;
}

Meter::Totals Meter::totals() const {
  Totals totals;
  OpMeter sum;
  for (size_t i = 0; i < ops.size(); ++i) {
    const Op& op = program->ops[i];
    const OpMeter& meter = ops[i];
    sum += meter;
    totals.by_class[static_cast<int>(op.kind)] += meter.issues;
    const auto flops = static_cast<uint64_t>(op.flops);
    if (op.kind == OpClass::kMatrix)
      totals.mma_flops += flops * meter.issues;
    else
      totals.flops += flops * meter.lanes;
    if (op.kind == OpClass::kAsyncCopy) totals.async_bytes += meter.read + meter.written;
    if (op.kind == OpClass::kAtomic) totals.atomics += meter.lanes;
  }
  totals.warp_instructions = sum.issues;
  totals.thread_instructions = sum.lanes;
  totals.global_bytes_read = sum.read;
  totals.global_bytes_written = sum.written;
  totals.sectors_read = sum.sectors_read;
  totals.sectors_written = sum.sectors_written;
  totals.shared_bytes = sum.shared;
  totals.shared_passes = sum.shared_passes;
  totals.shared_conflicts = sum.shared_conflicts;
  if (sum.issues != 0)
    totals.active_lanes = static_cast<double>(sum.lanes) / (static_cast<double>(sum.issues) * kLanes);
  return totals;
}

void Meter::count_memory(GlobalMemory& memory) {
  unique_bytes_read = memory.unique_bytes_read();
  unique_bytes_written = memory.unique_bytes_written();
  if (L2Cache* l2 = memory.l2()) {
    l2->flush();
    l2_bytes_read = l2->bytes_read();
    l2_bytes_written = l2->bytes_written();
  }
}

const char* name(OpClass kind) {
  switch (kind) {
    case OpClass::kInteger: return "integer";
    case OpClass::kFloat: return "float";
    case OpClass::kConvert: return "convert";
    case OpClass::kMove: return "move";
    case OpClass::kSpecial: return "special";
    case OpClass::kControl: return "control";
    case OpClass::kSync: return "sync";
    case OpClass::kShuffle: return "shuffle";
    case OpClass::kLoadGlobal: return "load_global";
    case OpClass::kStoreGlobal: return "store_global";
    case OpClass::kLoadShared: return "load_shared";
    case OpClass::kStoreShared: return "store_shared";
    case OpClass::kLocal: return "local";
    case OpClass::kParam: return "param";
    case OpClass::kAtomic: return "atomic";
    case OpClass::kMatrix: return "matrix";
    case OpClass::kAsyncCopy: return "async_copy";
  }
  return "";
}

}  // namespace tenon::emulator
