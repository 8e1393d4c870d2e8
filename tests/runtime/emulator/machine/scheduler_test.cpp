// scheduler_test.cpp: turns of warps, waits between them, deadlocks and their report, seeds, host threads, the budget.
#include <doctest/doctest.h>

#include "tests/runtime/emulator/machine/body_kernel.h"

namespace tenon::emulator {
namespace {

// %r2: a word of shared memory that begins as 0.
const std::string kWord =
    "mov.u32 %r2, s;\n"
    "setp.eq.u32 %p7, %r0, 0;\n"
    "@%p7 st.shared.u32 [%r2], 0;\n"
    "bar.sync 0;\n";

TEST_CASE("emulator: machine: warps that answer each other go on for as long as they like") {
  BodyKernel kernel(kWord +
                    "shr.u32 %r5, %r0, 5;\n"
                    "mov.u32 %r4, 0;\n"
                    "LOOP:\n"  // warp 0 turns even values into odd ones, warp 1 odd into even
                    "ld.volatile.shared.u32 %r3, [%r2];\n"
                    "and.b32 %r6, %r3, 1;\n"
                    "setp.ne.u32 %p0, %r6, %r5;\n"
                    "@%p0 bra LOOP;\n"
                    "add.u32 %r3, %r3, 1;\n"
                    "st.volatile.shared.u32 [%r2], %r3;\n"
                    "add.u32 %r4, %r4, 1;\n"
                    "setp.lt.u32 %p0, %r4, 20000;\n"
                    "@%p0 bra LOOP;\n"
                    "bar.sync 0;\n"
                    "ld.shared.u32 %r3, [%r2];\n"
                    "st.global.u32 [%rd1], %r3;");
  kernel.threads(64);
  kernel.options.shared_races = false;  // polling is a race
  SUBCASE("in turns") {}
  SUBCASE("in random turns") { kernel.options.seed = 5; }
  CHECK(text(kernel.run()) == "");
  CHECK(kernel.out()[0] == 40000);
  CHECK(kernel.out()[32] == 40000);
}

TEST_CASE("emulator: machine: a producer warp hands values to a consumer warp through named barriers") {
  BodyKernel kernel(kWord +
                    "mov.u32 %r4, 0;\n"
                    "setp.ge.u32 %p0, %r0, 32;\n"
                    "@%p0 bra CONSUMER;\n"
                    "PRODUCER:\n"
                    "bar.sync 1, 64;\n"  // empty
                    "add.u32 %r4, %r4, 1;\n"
                    "@%p7 st.shared.u32 [%r2], %r4;\n"
                    "bar.arrive 2, 64;\n"  // full
                    "setp.lt.u32 %p0, %r4, 100;\n"
                    "@%p0 bra PRODUCER;\n"
                    "bra END;\n"
                    "CONSUMER:\n"
                    "mov.u32 %r5, 0;\n"
                    "NEXT:\n"
                    "bar.arrive 1, 64;\n"
                    "bar.sync 2, 64;\n"
                    "ld.shared.u32 %r3, [%r2];\n"
                    "add.u32 %r5, %r5, %r3;\n"
                    "add.u32 %r4, %r4, 1;\n"
                    "setp.lt.u32 %p0, %r4, 100;\n"
                    "@%p0 bra NEXT;\n"
                    "st.global.u32 [%rd1], %r5;\n"
                    "END:");
  kernel.threads(64);
  SUBCASE("in turns") {}
  SUBCASE("in random turns") { kernel.options.seed = 11; }
  SUBCASE("one lane") { kernel.options.one_lane = true; }
  CHECK(text(kernel.run()) == "");
  CHECK(kernel.out()[40] == 100 * 101 / 2);
}

TEST_CASE("emulator: machine: a deadlock says who waits for what") {
  SUBCASE("a barrier that a warp does not reach") {
    BodyKernel kernel("setp.ge.u32 %p0, %r0, 96;\n@%p0 bra END;\nbar.sync 3, 128;\nEND:");
    kernel.threads(128);
    const LaunchResult result = kernel.run();
    CHECK(text(result) ==
          "deadlock: no warp can go on, and 3 wait | block (0,0,0) warps 0-2: PTX line 19: bar.sync 3, 128; "
          "waits for barrier 3, where 96 of 128 threads have arrived\n");
    CHECK(!result.completed);
    CHECK(result.findings[0].ptx_line == 19);
    CHECK(result.findings[0].warp == 0);
  }
  SUBCASE("two barriers crosswise") {
    BodyKernel kernel(
        "shr.u32 %r1, %r0, 5;\n"
        "add.u32 %r2, %r1, 1;\n"
        "bar.sync %r2, 64;");
    kernel.threads(64);
    CHECK(
        text(kernel.run()) ==
        "deadlock: no warp can go on, and 2 wait"
        " | block (0,0,0) warp 0: PTX line 19: bar.sync %r2, 64; waits for barrier 1, where 32 of 64 threads "
        "have arrived"
        " | block (0,0,0) warp 1: PTX line 19: bar.sync %r2, 64; waits for barrier 2, where 32 of 64 threads "
        "have arrived\n");
  }
  SUBCASE("a poll that nothing ends") {
    BodyKernel kernel(kWord +
                      "SPIN:\n"
                      "ld.volatile.shared.u32 %r3, [%r2];\n"
                      "setp.eq.u32 %p0, %r3, 0;\n"
                      "@%p0 bra SPIN;\n");
    kernel.threads(32);
    CHECK(text(kernel.run()) ==
          "deadlock: no warp can go on, and 1 waits | block (0,0,0) warp 0: PTX line 22: "
          "ld.volatile.shared.u32 %r3, [%r2]; waits for another value at byte 0 of shared memory\n");
  }
  SUBCASE("a poll for a block that is not resident") {
    BodyKernel kernel(
        "mov.u32 %r1, %ctaid.x;\n"
        "setp.eq.u32 %p0, %r1, 1;\n"
        "@%p0 bra RELEASE;\n"
        "SPIN:\n"
        "ld.acquire.gpu.global.u32 %r3, [%rd0];\n"
        "setp.eq.u32 %p1, %r3, 0;\n"
        "@%p1 bra SPIN;\n"
        "bra END;\n"
        "RELEASE:\n"
        "mov.u32 %r3, 1;\n"
        "st.release.gpu.global.u32 [%rd0], %r3;\n"
        "END:");
    kernel.threads(32);
    kernel.request.grid[0] = 2;
    CHECK(text(kernel.run()) ==
          "deadlock: no warp can go on, and 1 waits | block (0,0,0) warp 0: PTX line 21: "
          "ld.acquire.gpu.global.u32 %r3, [%rd0]; waits for another value at byte 0 of `out`"
          " | only 1 of 2 blocks are resident together: the launch is not cooperative\n");
    BodyKernel& together = kernel;
    together.request.cooperative = true;
    CHECK(text(together.run()) == "");
  }
}

// Where warps add what they see to a shared sum with no lock, the sum tells the order of turns.
TEST_CASE("emulator: machine: a seed gives the same turns again, another seed others") {
  const auto sum = [](uint64_t seed) {
    BodyKernel kernel(kWord +
                      "mov.u32 %r4, 0;\n"
                      "shr.u32 %r5, %r0, 5;\n"
                      "LOOP:\n"
                      "ld.shared.u32 %r3, [%r2];\n"
                      "mad.lo.u32 %r3, %r3, 31, %r5;\n"
                      "st.shared.u32 [%r2], %r3;\n"
                      "add.u32 %r4, %r4, 1;\n"
                      "setp.lt.u32 %p0, %r4, 100;\n"
                      "@%p0 bra LOOP;\n"
                      "bar.sync 0;\n"
                      "ld.shared.u32 %r3, [%r2];\n"
                      "st.global.u32 [%rd1], %r3;");
    kernel.threads(128);
    kernel.options.shared_races = false;
    kernel.options.seed = seed;
    CHECK(text(kernel.run()) == "");
    return kernel.out()[0];
  };
  CHECK(sum(1) == sum(1));
  CHECK(sum(2) == sum(2));
  CHECK(sum(1) != sum(2));
  CHECK(sum(0) == sum(0));
}

TEST_CASE("emulator: machine: host threads change neither results nor counts") {
  const auto run_with = [](int threads, std::vector<uint32_t>& out) {
    BodyKernel kernel(
        "mov.u32 %r1, %ctaid.x;\n"
        "mov.u32 %r2, %ntid.x;\n"
        "mad.lo.u32 %r3, %r1, %r2, %r0;\n"
        "mul.wide.u32 %rd2, %r3, 4;\n"
        "add.u64 %rd2, %rd0, %rd2;\n"
        "and.b32 %r4, %r3, 7;\n"
        "bar.sync 0;\n"
        "add.u32 %r5, %r3, %r4;\n"
        "st.global.u32 [%rd2], %r5;",
        256 * 64);
    kernel.threads(64);
    kernel.request.grid[0] = 256;
    kernel.options.host_threads = threads;
    LaunchResult result = kernel.run();
    out = kernel.out();
    return result;
  };
  std::vector<uint32_t> one, four;
  const LaunchResult serial = run_with(1, one), parallel = run_with(4, four);
  CHECK(text(parallel) == "");
  CHECK(one == four);
  for (uint32_t i = 0; i < one.size(); ++i) REQUIRE(one[i] == i + i % 8);
  REQUIRE(serial.meter.ops.size() == parallel.meter.ops.size());
  for (size_t i = 0; i < serial.meter.ops.size(); ++i) {
    CHECK(serial.meter.ops[i].issues == parallel.meter.ops[i].issues);
    CHECK(serial.meter.ops[i].lanes == parallel.meter.ops[i].lanes);
    CHECK(serial.meter.ops[i].sectors_written == parallel.meter.ops[i].sectors_written);
  }
  CHECK(serial.meter.barrier_waits == 256 * 2);
  CHECK(parallel.meter.barrier_waits == 256 * 2);
  CHECK(parallel.meter.blocks == 256);
  CHECK(parallel.meter.threads == 256 * 64);
}

TEST_CASE("emulator: machine: a loop without an end uses up the budget") {
  BodyKernel kernel("LOOP:\nadd.u32 %r31, %r31, 1;\nbra LOOP;");
  kernel.threads(64);
  kernel.options.instruction_budget = 100'000;
  const LaunchResult result = kernel.run();
  CHECK(text(result) ==
        "budget: the launch has run more than 100000 warp instructions: does a loop not end?\n");
  CHECK(!result.completed);
  uint64_t issues = 0;
  for (const OpMeter& op : result.meter.ops) issues += op.issues;
  CHECK(issues > 100'000);
  CHECK(issues < 120'000);
}

TEST_CASE("emulator: machine: a guard that nothing computed is a finding") {
  BodyKernel kernel("@%p3 add.u32 %r1, %r0, 1;");
  kernel.threads(32);
  CHECK(text(kernel.run()) == "uninitialised: a guard comes from memory or a register that nothing wrote\n");
  kernel.options.uninitialised = false;
  CHECK(text(kernel.run()) == "");
}

TEST_CASE("emulator: machine: a trap ends the launch") {
  BodyKernel kernel("setp.eq.u32 %p0, %r0, 40;\n@%p0 trap;\nst.global.u32 [%rd1], %r0;");
  kernel.threads(64);
  const LaunchResult result = kernel.run();
  CHECK(!result.completed);
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].kind == FindingKind::kTrap);
}

}  // namespace
}  // namespace tenon::emulator
