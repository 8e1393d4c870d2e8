// mbarrier.h: the state of an mbarrier: kept beside shared memory, since its 8 bytes there are opaque to kernels
// (PTX ISA 9.0, 9.7.13.15).
#pragma once
#include <cstdint>
#include <string>

#include "runtime/emulator/checks/races.h"

namespace tenon::emulator {

/// Phases follow each other: one ends when no arrival and no byte is wanted any more, and the next begins with all arrivals
/// wanted. What changes the state returns null, or says in words what is wrong; then the state is as it was.
struct Mbarrier {
  static constexpr int32_t kMostArrivals = (1 << 20) - 1;
  static constexpr int64_t kMostBytes = (1 << 20) - 1;  ///< of `transactions`, either sign

  uint32_t phase = 0;    ///< of the phase that runs; its lowest bit is the parity
  int32_t expected = 0;  ///< arrivals of each phase
  int32_t pending = 0;   ///< arrivals that the running phase still wants
  int64_t transactions =
      0;  ///< bytes that the running phase still wants; negative: came before they were expected
  uint64_t fences = 0;    ///< Block::async_fences when it was initialised
  VectorClock arrivals;   ///< what arrivals and copies released so far
  VectorClock completed;  ///< of it, what had come when the last phase ended: a successful wait acquires it

  /// What 8 bytes of shared memory hold while they are a live mbarrier at `offset`: a kernel's own store shows.
  static uint64_t mark(uint32_t offset) { return 0xb4aa'1e0b'71d9'0000ull ^ offset; }

  [[nodiscard]] const char* init(int64_t count);
  /// `drop`: the arriving threads leave for good, later phases want so many fewer.
  [[nodiscard]] const char* arrive(int64_t count, bool drop = false);
  [[nodiscard]] const char* expect_bytes(int64_t bytes);
  [[nodiscard]] const char* complete_bytes(int64_t bytes);
  /// cp.async.mbarrier.arrive without .noinc: an arrival that no count foresaw, both wanted and made.
  [[nodiscard]] const char* expect_arrivals(int64_t count);

  /// Phase `parity` is over: it is not the one that runs.
  bool passed_parity(uint32_t parity) const { return (phase & 1) != (parity & 1); }

  /// The opaque state that an arrival returns: the running phase, and its pending arrivals before the arrival.
  uint64_t token() const { return static_cast<uint64_t>(phase) << 32 | static_cast<uint32_t>(pending); }
  static uint32_t token_phase(uint64_t token) { return static_cast<uint32_t>(token >> 32); }
  static uint32_t token_pending(uint64_t token) { return static_cast<uint32_t>(token) & kMostArrivals; }

  /// "phase 1: 2 of 3 arrivals pending, 16384 bytes outstanding"
  std::string text() const;

 private:
  void end_phase_when_done();
};

}  // namespace tenon::emulator
