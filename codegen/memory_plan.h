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
};

constexpr int64_t kArenaAlignment = 256;

/// Offsets such that pieces whose lifetimes overlap do not overlap in memory. In the order of time, each
/// piece takes the smallest gap that holds it (best fit), else the arena grows.
MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes);

}  // namespace tenon
