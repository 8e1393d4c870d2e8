// memory_plan.cpp: best fit in the order of time, or the heaviest first.
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

MemoryPlan best_fit_in_time(const std::vector<Lifetime>& lifetimes) {
  MemoryPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> by_start(lifetimes.size());
  std::iota(by_start.begin(), by_start.end(), 0);
  std::stable_sort(by_start.begin(), by_start.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].first < lifetimes[b].first; });
  Arena arena;
  int64_t alive = 0;
  std::multimap<int, size_t> ends;  // last step → piece
  for (size_t i : by_start) {
    if (lifetimes[i].bytes == 0) continue;
    while (!ends.empty() && ends.begin()->first < lifetimes[i].first) {
      size_t over = ends.begin()->second;
      alive -= aligned(lifetimes[over].bytes);
      arena.release(plan.offsets[over], aligned(lifetimes[over].bytes));
      ends.erase(ends.begin());
    }
    plan.offsets[i] = arena.take(aligned(lifetimes[i].bytes));
    alive += aligned(lifetimes[i].bytes);
    plan.peak = std::max(plan.peak, alive);
    ends.emplace(lifetimes[i].last, i);
  }
  plan.bytes = arena.end;
  return plan;
}

/// The lowest offset at which `bytes` fit between pieces that are `taken`: offset → end, in order of offsets.
int64_t lowest_gap(const std::multimap<int64_t, int64_t>& taken, int64_t bytes) {
  int64_t free = 0;
  for (const auto& [offset, end] : taken) {
    if (offset - free >= bytes) break;
    free = std::max(free, end);
  }
  return free;
}

/// The heavier the earlier a piece is placed.
using Weight = double (*)(const Lifetime&);
double size_of(const Lifetime& piece) { return static_cast<double>(piece.bytes); }
double area_of(const Lifetime& piece) { return size_of(piece) * (piece.last - piece.first + 1); }
double span_of(const Lifetime& piece) { return piece.last - piece.first; }

MemoryPlan heaviest_first(const std::vector<Lifetime>& lifetimes, Weight weight) {
  MemoryPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  std::vector<size_t> order(lifetimes.size()), placed;
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return weight(lifetimes[a]) > weight(lifetimes[b]); });
  for (size_t i : order) {
    const Lifetime& piece = lifetimes[i];
    if (piece.bytes == 0) continue;
    std::multimap<int64_t, int64_t> taken;
    for (size_t other : placed)
      if (lifetimes[other].first <= piece.last && piece.first <= lifetimes[other].last)
        taken.emplace(plan.offsets[other], plan.offsets[other] + aligned(lifetimes[other].bytes));
    plan.offsets[i] = lowest_gap(taken, aligned(piece.bytes));
    plan.bytes = std::max(plan.bytes, plan.offsets[i] + aligned(piece.bytes));
    placed.push_back(i);
  }
  return plan;
}

constexpr size_t kMostForSearch = 4096;  // placing the largest first looks at every pair

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes) {
  MemoryPlan plan = best_fit_in_time(lifetimes);
  if (plan.bytes == plan.peak || lifetimes.size() > kMostForSearch) return plan;
  const int64_t peak = plan.peak;
  for (Weight weight : {size_of, area_of, span_of}) {
    MemoryPlan other = heaviest_first(lifetimes, weight);
    if (other.bytes < plan.bytes) plan = std::move(other);
  }
  plan.peak = peak;
  return plan;
}

}  // namespace tenon
