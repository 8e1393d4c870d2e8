// memory_plan.cpp: best fit in the order of time; a search at the peak; the heaviest first.
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

/// The pieces that take room, in the order of time.
std::vector<size_t> by_start(const std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order;
  for (size_t i = 0; i < lifetimes.size(); ++i)
    if (lifetimes[i].bytes > 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].first < lifetimes[b].first; });
  return order;
}

MemoryPlan best_fit_in_time(const std::vector<Lifetime>& lifetimes) {
  MemoryPlan plan;
  plan.offsets.assign(lifetimes.size(), 0);
  Arena arena;
  int64_t alive = 0;
  std::multimap<int, size_t> ends;  // last step → piece
  for (size_t i : by_start(lifetimes)) {
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

/// Looks for an arena of `limit` bytes: a level for each piece in the order of time, with the pieces alive at its
/// first step and the places that are left for it.
struct Search {
  struct Alive {
    int64_t offset, end;
    int last;
  };
  struct Option {
    int64_t offset, gap;
    size_t rank;  // among the pieces alive
  };
  struct Level {
    std::vector<Alive> alive;  // by offset
    std::vector<Option> options;
    size_t next = 0;
  };

  const std::vector<Lifetime>& lifetimes;
  const int64_t limit;
  const std::vector<size_t> order = by_start(lifetimes);
  std::vector<int64_t> offsets = std::vector<int64_t>(lifetimes.size(), 0);

  /// Either end of every gap that holds the piece, the smallest gap first.
  Level open(size_t piece, const std::vector<Alive>& before) const {
    const int64_t bytes = aligned(lifetimes[piece].bytes);
    Level level;
    for (const Alive& other : before)
      if (other.last >= lifetimes[piece].first) level.alive.push_back(other);
    int64_t from = 0;
    for (size_t rank = 0; rank <= level.alive.size(); ++rank) {
      const bool last = rank == level.alive.size();
      const int64_t gap = (last ? limit : level.alive[rank].offset) - from;
      if (gap >= bytes) level.options.push_back({from, gap, rank});
      if (gap > bytes) level.options.push_back({from + gap - bytes, gap, rank});
      if (!last) from = level.alive[rank].end;
    }
    std::stable_sort(level.options.begin(), level.options.end(),
                     [](const Option& a, const Option& b) { return a.gap < b.gap; });
    return level;
  }

  /// False where `choices` were not enough, or no such choices lead there.
  bool run(size_t choices) {
    std::vector<Level> levels{open(order[0], {})};
    for (size_t made = 0; made < choices && !levels.empty(); ++made) {
      Level& level = levels.back();
      if (level.next == level.options.size()) {
        levels.pop_back();
        continue;
      }
      const Option& option = level.options[level.next++];
      const size_t piece = order[levels.size() - 1];
      offsets[piece] = option.offset;
      if (levels.size() == order.size()) return true;
      std::vector<Alive> alive = level.alive;
      alive.insert(alive.begin() + option.rank,
                   {option.offset, option.offset + aligned(lifetimes[piece].bytes), lifetimes[piece].last});
      levels.push_back(open(order[levels.size()], alive));
    }
    return false;
  }
};

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
constexpr size_t kChoicesAPiece = 8;     // the search takes back about one in two where it ends well

}  // namespace

MemoryPlan plan_memory(const std::vector<Lifetime>& lifetimes) {
  MemoryPlan plan = best_fit_in_time(lifetimes);
  if (plan.bytes == plan.peak || lifetimes.size() > kMostForSearch) return plan;
  if (Search search{lifetimes, plan.peak}; search.run(kChoicesAPiece * lifetimes.size()))
    return {std::move(search.offsets), plan.peak, plan.peak};
  for (Weight weight : {size_of, area_of, span_of}) {
    MemoryPlan other = heaviest_first(lifetimes, weight);
    other.peak = plan.peak;
    if (other.bytes < plan.bytes) plan = std::move(other);
    if (plan.bytes == plan.peak) break;
  }
  return plan;
}

}  // namespace tenon
