// memory_plan.h: where values live: one arena, shared by lifetimes.
#pragma once
#include <cstdint>
#include <vector>

namespace tenon {

/// A piece of the arena that is needed from step `first` to step `last`, inclusive.
struct Lifetime {
  int64_t bytes = 0;
  int first = 0;
  int last = 0;
};

struct MemoryPlan {
  std::vector<int64_t> offsets;  ///< one for each lifetime, multiples of kArenaAlignment
  int64_t bytes = 0;             ///< of the whole arena
  int64_t peak = 0;              ///< most bytes alive at one step, each piece rounded up: no arena is smaller
};

constexpr int64_t kArenaAlignment = 256;

/// Offsets such that pieces whose lifetimes overlap do not overlap in memory. In the order of time, each piece takes
/// the smallest gap that holds it (best fit), else the arena grows. Where that leaves the arena above the peak, the
/// same order is searched for an arena of the peak: each piece at either end of a gap, the last choice taken back where
/// the next piece finds none, within a few choices a piece (backtracking as in Maas et al. 2022, "TelaMalloc"). Where
/// that ends without one, the pieces are placed largest first, each in the lowest gap that is free throughout its life
/// (Pisarchyk and Lee 2020, "Efficient Memory Management for Deep Neural Net Inference", greedy by size), or those first
/// that take most room over time, or that live longest, and the smallest arena is taken.
MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes);

}  // namespace tenon
