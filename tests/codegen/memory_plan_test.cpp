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
  MemoryPlan plan =
      plan_memory({{1024, 0, 0}, {256, 0, 5}, {512, 0, 0}, {256, 0, 5}, {512, 1, 5}, {2048, 2, 5}});
  CHECK(plan.offsets == std::vector<int64_t>{0, 1024, 1280, 1792, 1280, 2048});
  CHECK(plan.bytes == 4096);
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
