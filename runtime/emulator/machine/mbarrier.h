// mbarrier.h: the state of an mbarrier: kept beside shared memory, since its 8 bytes there are opaque to kernels
// (PTX ISA 9.0, 9.7.13.15).
#pragma once
#include <cstdint>

#include "runtime/emulator/checks/races.h"

namespace tenon::emulator {

struct Mbarrier {
  uint32_t phase = 0;        ///< of the phase that runs; its lowest bit is the parity
  int32_t expected = 0;      ///< arrivals of each phase
  int32_t pending = 0;       ///< arrivals that the running phase still wants
  int64_t transactions = 0;  ///< bytes that the running phase still wants
  VectorClock arrivals;      ///< of the running phase: what its arrivals and copies release
  VectorClock completed;     ///< of the phase before: what a successful wait acquires
};

}  // namespace tenon::emulator
