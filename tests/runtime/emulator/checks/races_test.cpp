// The race detector told of accesses and orders by hand.
#include "runtime/emulator/checks/races.h"

#include <doctest/doctest.h>

#include <vector>

using namespace tenon::emulator;

namespace {

struct Watched {
  Agents agents{.warps = 4, .blocks = 1};
  RaceDetector races{agents, 1024};
  Race race;
  bool read(Agent agent, uint32_t address, uint32_t bytes = 4, bool async = false) {
    return races.read(agent, 0, address, bytes, async, {agent, 0}, race);
  }
  bool write(Agent agent, uint32_t address, uint32_t bytes = 4, bool async = false) {
    return races.write(agent, 0, address, bytes, async, {agent, 0}, race);
  }
};

}  // namespace

TEST_CASE("emulator races: unordered accesses of two warps") {
  Watched w;
  CHECK(w.write(0, 0, 16));
  CHECK(w.read(0, 0, 16));
  CHECK_FALSE(w.read(1, 8));
  CHECK(w.race.kind == Race::kWriteRead);
  CHECK(w.race.address == 8);
  CHECK(w.race.agent_before == 0);
  CHECK(w.race.agent_now == 1);
  CHECK_FALSE(w.write(2, 12));
  CHECK(w.race.kind == Race::kWriteWrite);
  CHECK(w.read(1, 64));
  CHECK(w.read(2, 64));
  CHECK_FALSE(w.write(1, 64));  // warp 2 read it
  CHECK(w.race.kind == Race::kReadWrite);
  CHECK(w.race.agent_before == 2);
}

TEST_CASE("emulator races: a barrier orders, and only those that were there") {
  Watched w;
  CHECK(w.write(0, 0));
  w.races.barrier({0, 1});
  CHECK(w.read(1, 0));
  CHECK_FALSE(w.read(2, 0));
  // A write after the barrier is not covered by it.
  CHECK(w.write(0, 32));
  CHECK_FALSE(w.read(1, 32));
}

TEST_CASE("emulator races: many readers are all waited for") {
  Watched w;
  CHECK(w.write(0, 0));
  w.races.barrier({0, 1, 2, 3});
  for (Agent reader : {0, 1, 2, 3}) CHECK(w.read(reader, 0));
  w.races.barrier({0, 1, 2});
  CHECK_FALSE(w.write(0, 0));  // warp 3 may still read
  CHECK(w.race.agent_before == 3);
  w.races.barrier({0, 1, 2, 3});
  for (Agent reader : {0, 1, 2, 3}) CHECK(w.read(reader, 0));
  w.races.barrier({0, 1, 2, 3});
  CHECK(w.write(0, 0));
}

TEST_CASE("emulator races: bytes of one word that different warps write are no race") {
  Watched w;
  CHECK(w.write(0, 0, 2));
  CHECK(w.write(1, 2, 2));
  CHECK_FALSE(w.write(0, 3, 1));
}

TEST_CASE("emulator races: a copy engine is ordered by commit and wait") {
  Watched w;
  const Agent engine = w.agents.copies(0, 0);
  w.races.issue(engine, 0);
  CHECK(w.write(engine, 0, 16));
  VectorClock group = w.races.release(engine);
  w.races.issue(engine, 0);
  CHECK(w.write(engine, 16, 16));
  CHECK_FALSE(w.read(0, 0));
  w.races.acquire(0, group);
  CHECK(w.read(0, 0));
  CHECK_FALSE(w.read(0, 16));  // of the next group
}

TEST_CASE("emulator races: the async proxy sees generic writes after a fence") {
  Watched w;
  const Agent tensor = w.agents.loads(0, 0);
  CHECK(w.write(1, 0));
  w.races.barrier({0, 1});
  w.races.issue(tensor, 0);
  CHECK_FALSE(w.read(tensor, 0, 4, true));
  CHECK(w.race.kind == Race::kMissingProxyFence);

  CHECK(w.write(1, 64));
  w.races.fence_proxy(1);
  CHECK(w.write(1, 68));  // after the fence
  w.races.barrier({0, 1});
  w.races.issue(tensor, 0);
  CHECK(w.read(tensor, 64, 4, true));
  CHECK_FALSE(w.read(tensor, 68, 4, true));
  CHECK(w.race.kind == Race::kMissingProxyFence);
}

TEST_CASE("emulator races: atomics are ordered among themselves alone") {
  Watched w;
  CHECK(w.races.atomic(0, 0, 0, 4, {}, w.race));
  CHECK(w.races.atomic(1, 0, 0, 4, {}, w.race));
  CHECK_FALSE(w.read(2, 0));
  w.races.barrier({0, 1, 2, 3});
  CHECK(w.read(2, 0));
  CHECK_FALSE(w.races.atomic(1, 0, 0, 4, {}, w.race));
}

TEST_CASE("emulator races: new blocks start after the old ones") {
  Watched w;
  CHECK(w.write(0, 0));
  CHECK(w.read(3, 128));
  w.races.reset();
  CHECK(w.read(1, 0));
  CHECK(w.write(2, 128, 4, true));
  CHECK_FALSE(w.read(0, 128));
}

TEST_CASE("emulator races: each of more readers than a short row holds is remembered") {
  for (Agent late = 1; late < 8; ++late) {
    Agents agents{.warps = 8, .blocks = 1};
    RaceDetector races{agents, 1024};
    Race race;
    std::vector<Agent> others = {0};
    for (Agent reader = 1; reader < 8; ++reader) {
      CHECK(races.read(reader, 0, 0, 16, false, {reader, 0}, race));
      if (reader != late) others.push_back(reader);
    }
    races.barrier(others);
    CHECK_FALSE(races.write(0, 0, 4, 4, false, {0, 0}, race));
    CHECK(race.agent_before == late);
    // That write starts anew; the next one is after it and all later reads.
    races.barrier({0, 1, 2, 3, 4, 5, 6, 7});
    CHECK(races.read(3, 0, 4, 4, false, {3, 0}, race));
    races.barrier({0, 3});
    CHECK(races.write(0, 0, 4, 4, false, {0, 0}, race));
  }
}

TEST_CASE("emulator races: strong reads race with plain writes alone") {
  Watched w;
  auto strong_read = [&](Agent agent) {
    return w.races.read(agent, 0, 0, 4, false, {agent, 0}, w.race, true);
  };
  CHECK(w.races.atomic(0, 0, 0, 4, {0, 0}, w.race));
  CHECK(strong_read(1));
  CHECK(w.races.atomic(2, 0, 0, 4, {2, 0}, w.race));
  CHECK(strong_read(1));
  CHECK(strong_read(3));
  CHECK_FALSE(w.write(0, 0));
}

TEST_CASE("emulator races: parts of a granule have histories of their own once they are told apart") {
  Watched w;
  CHECK(w.write(0, 0, 64));
  w.races.barrier({0, 1, 2, 3});
  for (Agent reader : {0, 1, 2, 3}) CHECK(w.read(reader, 16, 16));
  CHECK(w.read(1, 20));  // after the whole was read by four
  w.races.barrier({0, 1, 2});
  CHECK_FALSE(w.write(0, 20));  // warp 3 read the whole
  CHECK(w.race.agent_before == 3);
  CHECK(w.race.address == 20);

  // Each warp's word of one granule; a whole access meets all of them.
  for (Agent warp : {0, 1, 2, 3}) CHECK(w.write(warp, 128 + 4 * warp));
  w.races.barrier({0, 1, 2});
  for (Agent warp : {0, 1, 2}) CHECK(w.read(0, 128 + 4 * warp));
  CHECK_FALSE(w.read(0, 128, 16));
  CHECK(w.race.agent_before == 3);
  CHECK(w.race.address == 140);
  w.races.barrier({0, 1, 2, 3});
  CHECK(w.write(1, 128, 16));
  CHECK_FALSE(w.read(0, 128));
  CHECK(w.race.agent_before == 1);
}

TEST_CASE("emulator races: lanes that run one by one need bar.warp.sync between them") {
  RaceDetector races({.warps = 1, .blocks = 1, .lanes_apart = true}, 1024);
  Race race;
  const auto read = [&](int lane, int op, uint32_t at) {
    return races.read(0, 0, at, 4, false, {op, lane}, race);
  };
  const auto write = [&](int lane, int op, uint32_t at) {
    return races.write(0, 0, at, 4, false, {op, lane}, race);
  };
  CHECK(write(0, 1, 0));
  CHECK(read(0, 2, 0));
  CHECK_FALSE(read(1, 2, 0));
  CHECK(race.kind == Race::kWriteRead);
  races.join_lanes(0);
  CHECK(read(1, 3, 0));
  CHECK(read(2, 3, 0));
  CHECK_FALSE(write(2, 4, 0));  // lane 1 may still read
  CHECK(race.kind == Race::kReadWrite);
  CHECK(write(0, 5, 64));
  CHECK(write(1, 5, 64));  // one instruction, and memory.cpp compares the values
  write(1, 6, 64);
  CHECK_FALSE(write(0, 7, 64));
  CHECK(race.kind == Race::kWriteWrite);
}

TEST_CASE("emulator races: copies into shared memory and out of it are waited for apart") {
  Watched w;
  const Agent loads = w.agents.loads(0, 0), others = w.agents.loads(0, 1), stores = w.agents.stores(0, 0);
  w.races.issue(stores, 0);
  CHECK(w.read(stores, 0, 16, true));
  const VectorClock group = w.races.release(stores);
  w.races.issue(others, 0);
  CHECK(w.write(others, 32, 16, true));
  w.races.issue(loads, 0);
  CHECK(w.write(loads, 64, 16, true));
  w.races.acquire(0, w.races.release(loads));
  CHECK(w.read(0, 64));
  CHECK_FALSE(w.read(0, 32));  // another mbarrier's
  CHECK_FALSE(w.write(0, 0));  // the copy out may still read
  CHECK(w.race.agent_before == stores);
  w.races.acquire(0, group);
  CHECK(w.write(0, 4));
}
