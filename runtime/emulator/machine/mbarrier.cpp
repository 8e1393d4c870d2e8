// mbarrier.cpp: see mbarrier.h.
#include "runtime/emulator/machine/mbarrier.h"

namespace tenon::emulator {

const char* Mbarrier::init(int64_t count) {
  if (count < 1 || count > kMostArrivals) return "its count must be 1 to 1048575";
  phase = 0;
  expected = pending = static_cast<int32_t>(count);
  transactions = 0;
  return nullptr;
}

const char* Mbarrier::arrive(int64_t count, bool drop) {
  if (count < 1 || count > kMostArrivals) return "the arrivals must be 1 to 1048575";
  if (count > pending) return "more arrivals than the phase expects";
  pending -= static_cast<int32_t>(count);
  if (drop) expected -= static_cast<int32_t>(count);
  end_phase_when_done();
  return nullptr;
}

const char* Mbarrier::expect_arrivals(int64_t count) {
  if (pending + count > kMostArrivals) return "more than 1048575 arrivals pending";
  pending += static_cast<int32_t>(count);
  return nullptr;
}

const char* Mbarrier::expect_bytes(int64_t bytes) {
  if (bytes < 0 || bytes > kMostBytes || transactions + bytes > kMostBytes)
    return "more than 1048575 bytes outstanding";
  transactions += bytes;
  end_phase_when_done();
  return nullptr;
}

const char* Mbarrier::complete_bytes(int64_t bytes) {
  if (bytes < 0 || bytes > kMostBytes || transactions - bytes < -kMostBytes)
    return "more than 1048575 bytes came before they were expected";
  transactions -= bytes;
  end_phase_when_done();
  return nullptr;
}

// Releases of earlier phases stay in `arrivals`: a wait sees all that led to the value it reads.
void Mbarrier::end_phase_when_done() {
  if (pending != 0 || transactions != 0) return;
  ++phase;
  pending = expected;
  RaceDetector::join(completed, arrivals);
}

std::string Mbarrier::text() const {
  return "phase " + std::to_string(phase) + ": " + std::to_string(pending) + " of " +
         std::to_string(expected) + " arrivals pending, " + std::to_string(transactions) +
         " bytes outstanding";
}

}  // namespace tenon::emulator
