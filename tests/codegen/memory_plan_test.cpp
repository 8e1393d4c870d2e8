// memory_plan_test.cpp: pieces alive together never overlap; memory of the dead is used again.
#include "codegen/memory_plan.h"

#include <doctest/doctest.h>

#include <random>

using namespace tenon;

TEST_CASE("a chain of equal values needs two pieces") {
  std::vector<Lifetime> chain;
  for (int i = 0; i < 10; ++i) chain.push_back({1000, i, i + 1});
  MemoryPlan plan = plan_memory(chain);
  CHECK(plan.bytes == 2 * 1024);
}

TEST_CASE("the smallest gap that fits is taken, and the last gap grows") {
  MemoryPlan plan = plan_memory({{1024, 0, 0}, {256, 0, 5}, {512, 0, 0}, {256, 0, 5}, {512, 1, 5}});
  CHECK(plan.offsets == std::vector<int64_t>{0, 1024, 1280, 1792, 1280});
  CHECK(plan.bytes == 2048);
  plan = plan_memory({{256, 0, 5}, {512, 0, 0}, {1024, 1, 5}});
  CHECK(plan.offsets == std::vector<int64_t>{0, 256, 256});
  CHECK(plan.bytes == 1280);
}

TEST_CASE("where the order of time wastes room, the largest pieces are placed first") {
  // In time, the small piece lies at 0 and 1 KB piece after it; the 4 KB piece then finds no gap below either.
  std::vector<Lifetime> pieces = {{1024, 0, 0}, {256, 0, 3}, {4096, 1, 2}};
  MemoryPlan plan = plan_memory(pieces);
  CHECK(plan.peak == 4096 + 256);
  CHECK(plan.bytes == plan.peak);
}

TEST_CASE("random lifetimes: no overlap, alignment, at least the peak") {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> pieces;
    for (int i = 0; i < 60; ++i) {
      int first = static_cast<int>(random() % 40);
      pieces.push_back(
          {static_cast<int64_t>(random() % 5000), first, first + static_cast<int>(random() % 8)});
    }
    MemoryPlan plan = plan_memory(pieces);
    int64_t peak = 0;
    for (int step = 0; step < 48; ++step) {
      int64_t alive = 0;
      for (const Lifetime& piece : pieces)
        if (piece.first <= step && step <= piece.last)
          alive += (piece.bytes + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
      peak = std::max(peak, alive);
    }
    CHECK(plan.peak == peak);
    CHECK(static_cast<double>(plan.bytes) <= 1.25 * static_cast<double>(peak));
    for (size_t i = 0; i < pieces.size(); ++i) {
      CHECK(plan.offsets[i] % kArenaAlignment == 0);
      CHECK(plan.offsets[i] + pieces[i].bytes <= plan.bytes);
      for (size_t j = 0; j < i; ++j) {
        bool together = pieces[i].first <= pieces[j].last && pieces[j].first <= pieces[i].last;
        bool apart = plan.offsets[i] + pieces[i].bytes <= plan.offsets[j] ||
                     plan.offsets[j] + pieces[j].bytes <= plan.offsets[i];
        if (together && pieces[i].bytes && pieces[j].bytes) CHECK(apart);
      }
    }
  }
}
