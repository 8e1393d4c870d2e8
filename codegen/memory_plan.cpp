// memory_plan.cpp: best fit in the order of time.
#include "codegen/memory_plan.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace tenon {
namespace {

int64_t aligned(int64_t bytes) { return (bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment; }

/// Free gaps by offset, below the arena's end.
struct Arena {
  std::map<int64_t, int64_t> gaps;  // offset → bytes
  int64_t end = 0;

  int64_t take(int64_t bytes) {
    auto best = gaps.end();
    for (auto gap = gaps.begin(); gap != gaps.end(); ++gap)
      if (gap->second >= bytes && (best == gaps.end() || gap->second < best->second)) best = gap;
    if (best != gaps.end()) {
      auto [offset, size] = *best;
      gaps.erase(best);
      if (size > bytes) gaps[offset + bytes] = size - bytes;
      return offset;
    }
    int64_t offset = end;  // the last gap, if it reaches the end, grows instead of a new piece
    if (!gaps.empty() && gaps.rbegin()->first + gaps.rbegin()->second == end) {
      offset = gaps.rbegin()->first;
      gaps.erase(std::prev(gaps.end()));
    }
    end = offset + bytes;
    return offset;
  }

  void release(int64_t offset, int64_t bytes) {
    auto at = gaps.emplace(offset, bytes).first;
    if (auto next = std::next(at); next != gaps.end() && at->first + at->second == next->first) {
      at->second += next->second;
      gaps.erase(next);
    }
    if (at == gaps.begin()) return;
    if (auto before = std::prev(at); before->first + before->second == at->first) {
      before->second += at->second;
      gaps.erase(at);
    }
  }
};

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes) {
  MemoryPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> by_start(lifetimes.size());
  std::iota(by_start.begin(), by_start.end(), 0);
  std::stable_sort(by_start.begin(), by_start.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].first < lifetimes[b].first; });
  Arena arena;
  std::multimap<int, size_t> ends;  // last step → piece
  for (size_t i : by_start) {
    if (lifetimes[i].bytes == 0) continue;
    while (!ends.empty() && ends.begin()->first < lifetimes[i].first) {
      size_t over = ends.begin()->second;
      arena.release(plan.offsets[over], aligned(lifetimes[over].bytes));
      ends.erase(ends.begin());
    }
    plan.offsets[i] = arena.take(aligned(lifetimes[i].bytes));
    ends.emplace(lifetimes[i].last, i);
  }
  plan.bytes = arena.end;
  return plan;
}

}  // namespace tenon
