// barrier_test.cpp: barriers of blocks, warps and clusters, used well and misused.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/machine/body_kernel.h"

namespace tenon::emulator {
namespace {

// out[tid] = what thread (tid + 32) % threads stored before the barrier.
std::string exchange(const std::string& barrier, int threads) {
  return "shl.b32 %r1, %r0, 2;\nmov.u32 %r2, s;\nadd.u32 %r1, %r1, %r2;\nst.shared.u32 [%r1], %r0;\n" +
         barrier + "\nadd.u32 %r3, %r0, 32;\nrem.u32 %r3, %r3, " + std::to_string(threads) +
         ";\nshl.b32 %r3, %r3, 2;\nadd.u32 %r3, %r3, %r2;\nld.shared.u32 %r4, [%r3];\nst.global.u32 [%rd1], "
         "%r4;";
}

TEST_CASE("emulator: barrier: every form orders what comes before it") {
  for (const char* barrier :
       {"bar.sync 0;", "bar.sync 15, 128;", "bar.cta.sync 1;", "barrier.sync 2;",
        "barrier.cta.sync.aligned 3, 128;", "mov.u32 %r9, 4; mov.u32 %r10, 128; barrier.sync %r9, %r10;",
        "bar.red.popc.u32 %r9, 0, %p0;", "barrier.cluster.arrive; barrier.cluster.wait;",
        "barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;"})
    for (int mode = 0; mode < 3; ++mode) {
      CAPTURE(barrier);
      CAPTURE(mode);
      BodyKernel kernel("setp.eq.u32 %p0, %r0, 0;\n" + exchange(barrier, 128));
      kernel.threads(128);
      kernel.options.one_lane = mode == 1;
      kernel.options.seed = mode == 2 ? 9 : 0;
      CHECK(text(kernel.run()) == "");
      for (uint32_t i = 0; i < 128; ++i) REQUIRE(kernel.out()[i] == (i + 32) % 128);
    }
}

TEST_CASE("emulator: barrier: without one, with another one, or relaxed, there is a race") {
  for (const char* barrier :
       {"", "bar.warp.sync 0xffffffff;", "barrier.cluster.arrive.relaxed; barrier.cluster.wait;"}) {
    CAPTURE(barrier);
    BodyKernel kernel(exchange(barrier, 64));
    kernel.threads(64);
    const LaunchResult result = kernel.run();
    REQUIRE(!result.findings.empty());
    CHECK(result.findings[0].kind == FindingKind::kSharedRace);
  }
}

TEST_CASE("emulator: barrier: subsets of warps have barriers of their own") {
  // Warps 0 and 1 exchange through barrier 1, warps 2 and 3 through barrier 2, a different number of times.
  BodyKernel kernel(
      "shr.u32 %r5, %r0, 6;\n"
      "add.u32 %r6, %r5, 1;\n"
      "mov.u32 %r7, 0;\n"
      "shl.b32 %r1, %r0, 2;\n"
      "mov.u32 %r2, s;\n"
      "add.u32 %r1, %r1, %r2;\n"
      "xor.b32 %r3, %r0, 32;\n"
      "shl.b32 %r3, %r3, 2;\n"
      "add.u32 %r3, %r3, %r2;\n"
      "mov.u32 %r8, %r0;\n"
      "LOOP:\n"
      "st.shared.u32 [%r1], %r8;\n"
      "bar.sync %r6, 64;\n"
      "ld.shared.u32 %r8, [%r3];\n"
      "add.u32 %r8, %r8, 1;\n"
      "bar.sync %r6, 64;\n"
      "add.u32 %r7, %r7, 1;\n"
      "setp.le.u32 %p0, %r7, %r6;\n"
      "@%p0 bra LOOP;\n"
      "st.global.u32 [%rd1], %r8;");
  kernel.threads(128);
  SUBCASE("in turns") {}
  SUBCASE("in random turns") { kernel.options.seed = 4; }
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 128; ++i) {
    const uint32_t rounds = i / 64 + 2;
    CHECK(kernel.out()[i] == (rounds % 2 ? i ^ 32 : i) + rounds);
  }
}

TEST_CASE("emulator: barrier: bar.red counts and joins the predicates of all threads") {
  BodyKernel kernel(
      "and.b32 %r1, %r0, 3;\n"
      "setp.eq.u32 %p0, %r1, 0;\n"
      "bar.red.popc.u32 %r2, 0, %p0;\n"
      "bar.red.popc.u32 %r3, 0, 96, !%p0;\n"
      "bar.red.or.pred %p1, 0, %p0;\n"
      "bar.red.and.pred %p2, 0, %p0;\n"
      "setp.lt.u32 %p3, %r0, 1000;\n"
      "barrier.red.and.pred %p4, 1, %p3;\n"
      "selp.u32 %r4, 1, 0, %p1;\n"
      "selp.u32 %r5, 2, 0, %p2;\n"
      "selp.u32 %r6, 4, 0, %p4;\n"
      "add.u32 %r4, %r4, %r5;\n"
      "add.u32 %r4, %r4, %r6;\n"
      "shl.b32 %r2, %r2, 16;\n"
      "shl.b32 %r3, %r3, 8;\n"
      "or.b32 %r4, %r4, %r3;\n"
      "or.b32 %r4, %r4, %r2;\n"
      "st.global.u32 [%rd1], %r4;");
  kernel.threads(96);
  SUBCASE("32 lanes") {}
  SUBCASE("one lane") { kernel.options.one_lane = true; }
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 96; ++i) CHECK(kernel.out()[i] == (24u << 16 | 72u << 8 | 5));
}

TEST_CASE("emulator: barrier: warps that have exited are not waited for") {
  BodyKernel kernel("setp.ge.u32 %p0, %r0, 64;\n@%p0 exit;\n" + exchange("bar.sync 0;", 64));
  kernel.threads(128);
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 64; ++i) CHECK(kernel.out()[i] == (i ^ 32));
}

TEST_CASE("emulator: barrier: a last warp that is not full counts as a warp") {
  BodyKernel kernel(exchange("bar.sync 0;", 40));
  kernel.threads(40);
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 40; ++i) CHECK(kernel.out()[i] == (i + 32) % 40);
}

TEST_CASE("emulator: barrier: without .aligned the lanes of a warp may come from different places") {
  const auto kernel_with = [](const char* name) {
    const std::string barrier = name;
    return BodyKernel("setp.lt.u32 %p0, %r0, 13;\n@%p0 bra LOW;\n" + barrier + " 0;\nbra ON;\nLOW:\n" +
                      barrier + " 0;\nON:\nst.global.u32 [%rd1], %r0;");
  };
  BodyKernel unaligned = kernel_with("barrier.sync");
  unaligned.threads(64);
  CHECK(text(unaligned.run()) == "");
  CHECK(unaligned.out()[5] == 5);
  CHECK(unaligned.out()[60] == 60);
  BodyKernel aligned = kernel_with("bar.sync");
  aligned.threads(32);
  CHECK(text(aligned.run()) ==
        "divergent_collective: it is executed by lanes 0x00001fff but wants lanes 0xffffffff | "
        "lanes 0xffffe000 at PTX line 19: bar.sync 0;\n");
}

std::string findings_of(const std::string& body, int threads) {
  BodyKernel kernel(body);
  kernel.threads(threads);
  return text(kernel.run());
}

TEST_CASE("emulator: barrier: misuse is said") {
  CHECK(findings_of("mov.u32 %r1, 16;\nbar.sync %r1;", 32) == "barrier: barrier 16; a block has 0 to 15\n");
  CHECK(findings_of("mov.u32 %r1, 40;\nbar.sync 0, %r1;", 64) ==
        "barrier: a barrier of 40 threads, which is no multiple of 32\n");
  CHECK(findings_of("mov.u32 %r1, 0;\nbar.arrive 0, %r1;", 64) ==
        "barrier: an arrival at a barrier of no threads\n");
  CHECK(findings_of("bar.sync 0, 128;", 64) == "barrier: a barrier of 128 threads in a block of 64\n");
  CHECK(findings_of("and.b32 %r1, %r0, 1;\nbarrier.sync %r1;", 32) ==
        "barrier: a barrier's number differs between the lanes of a warp\n");
  CHECK(
      findings_of(
          "setp.lt.u32 %p0, %r0, 32;\n@%p0 bra A;\nbar.sync 0, 96;\nbra END;\nA:\nbar.sync 0, 64;\nEND:", 96)
          .find("barrier: barrier 0 is used with 96 threads, but those that have arrived wait for 64\n") !=
      std::string::npos);
  CHECK(findings_of("setp.ge.u32 %p0, %r0, 32;\n@%p0 exit;\nbar.arrive 1, 64;\nbar.arrive 1, 64;", 64) ==
        "leak: the block ends while 32 threads of 64 have arrived at barrier 1\n"
        "barrier: a warp arrives twice in one phase of barrier 1\n");
  CHECK(findings_of("setp.lt.u32 %p0, %r0, 7;\n@%p0 bar.sync 0;", 32).substr(0, 72) ==
        "divergent_collective: it is executed by lanes 0x0000007f but wants lanes");
  CHECK(findings_of("bar.warp.sync 0x0000ffff;", 32) ==
        "divergent_collective: a lane executes bar.warp.sync whose member mask leaves it out\n");
  CHECK(findings_of("barrier.cluster.wait;", 32) ==
        "barrier: a thread waits at its cluster's barrier where it has not arrived\n");
  CHECK(findings_of("barrier.cluster.arrive;\nbarrier.cluster.arrive;\nbarrier.cluster.wait;", 32) ==
        "barrier: a thread arrives twice at its cluster's barrier with no wait between\n");
}

TEST_CASE("emulator: barrier: the blocks of a cluster meet") {
  // Each block writes into its neighbour's shared memory, and reads its own behind the barrier.
  BodyKernel kernel(
      "mov.u32 %r1, %cluster_ctarank;\n"
      "xor.b32 %r2, %r1, 1;\n"
      "mov.u32 %r3, s;\n"
      "shl.b32 %r4, %r0, 2;\n"
      "add.u32 %r3, %r3, %r4;\n"
      "mapa.shared::cluster.u32 %r5, %r3, %r2;\n"
      "mad.lo.u32 %r6, %r1, 1000, %r0;\n"
      "st.shared::cluster.u32 [%r5], %r6;\n"
      "barrier.cluster.arrive.aligned;\n"
      "barrier.cluster.wait.aligned;\n"
      "ld.shared.u32 %r7, [%r3];\n"
      "mov.u32 %r8, %ctaid.x;\n"
      "mad.lo.u32 %r9, %r8, 64, %r0;\n"
      "mul.wide.u32 %rd2, %r9, 4;\n"
      "add.u64 %rd2, %rd0, %rd2;\n"
      "st.global.u32 [%rd2], %r7;");
  kernel.threads(64);
  kernel.request.grid[0] = 4;
  kernel.request.cluster[0] = 2;
  SUBCASE("in turns") {}
  SUBCASE("in random turns") { kernel.options.seed = 21; }
  SUBCASE("one lane") { kernel.options.one_lane = true; }
  SUBCASE("cooperative") { kernel.request.cooperative = true; }
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 256; ++i) CHECK(kernel.out()[i] == (1 - i / 64 % 2) * 1000 + i % 64);
}

TEST_CASE("emulator: barrier: a cluster waits for its blocks, but not for those that have exited") {
  const auto run_pair = [](const std::string& first) {
    BodyKernel kernel(
        "mov.u32 %r1, %cluster_ctarank;\n"
        "setp.eq.u32 %p0, %r1, 0;\n"
        "shr.u32 %r2, %r0, 5;\n"
        "@%p0 bra FIRST;\n"
        "barrier.cluster.arrive;\n"
        "barrier.cluster.wait;\n"
        "bra END;\n"
        "FIRST:\n" +
        first + "\nEND:");
    kernel.threads(64);
    kernel.request.grid[0] = 2;
    kernel.request.cluster[0] = 2;
    return text(kernel.run());
  };
  CHECK(run_pair("") == "");
  CHECK(run_pair("bar.sync %r2, 64;") ==
        "deadlock: no warp can go on, and 4 wait"
        " | block (0,0,0) warp 0: PTX line 25: bar.sync %r2, 64; waits for barrier 0, where 32 of 64 threads "
        "have "
        "arrived"
        " | block (0,0,0) warp 1: PTX line 25: bar.sync %r2, 64; waits for barrier 1, where 32 of 64 threads "
        "have "
        "arrived"
        " | block (1,0,0) warps 0-1: PTX line 22: barrier.cluster.wait; waits for its cluster's barrier, "
        "where 64 "
        "of 128 threads have arrived\n");
}

TEST_CASE("emulator: barrier: setmaxnreg is checked") {
  const auto give = [](int first, int second) {
    return "setp.ge.u32 %p0, %r0, 128;\n@%p0 bra HIGH;\nsetmaxnreg.dec.sync.aligned.u32 " +
           std::to_string(first) + ";\nbra END;\nHIGH:\nsetmaxnreg.inc.sync.aligned.u32 " +
           std::to_string(second) + ";\nEND:";
  };
  CHECK(findings_of(give(40, 232), 384) == "");
  CHECK(findings_of(give(40, 240), 384) ==
        "barrier: the block's warps have been given 66560 registers; there are 65536\n");
  CHECK(findings_of("setp.ge.u32 %p0, %r0, 32;\n@%p0 bra END;\nsetmaxnreg.dec.sync.aligned.u32 40;\nEND:",
                    128) == "barrier: setmaxnreg gave the warps of a warpgroup 40 and 0 registers\n");
  CHECK(findings_of("setmaxnreg.dec.sync.aligned.u32 40;\nsetmaxnreg.dec.sync.aligned.u32 48;", 128) ==
        "barrier: setmaxnreg.dec from 40 to 48\n");
  CHECK_THROWS_AS(findings_of("setmaxnreg.dec.sync.aligned.u32 41;", 128), Error);
  CHECK_THROWS_AS(findings_of("setmaxnreg.dec.sync.aligned.u32 16;", 128), Error);
}

TEST_CASE("emulator: barrier: what only passes time") {
  CHECK(findings_of("griddepcontrol.wait;\nnanosleep.u32 100;\ngriddepcontrol.launch_dependents;", 64) == "");
  CHECK_THROWS_AS(findings_of("bar.sync 0, 32, 32;", 64), Error);
  CHECK_THROWS_AS(findings_of("bar.arrive 0;", 64), Error);
  CHECK_THROWS_AS(findings_of("barrier.cluster.arrive.acquire;", 64), Error);
}

}  // namespace
}  // namespace tenon::emulator
