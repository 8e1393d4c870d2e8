// warp_test.cpp: lanes that go apart and come together again.
#include <doctest/doctest.h>

#include "tests/runtime/emulator/machine/body_kernel.h"

namespace tenon::emulator {
namespace {

uint64_t issues_at(const LaunchResult& result, int line) {
  uint64_t issues = 0;
  const auto& ops = result.meter.program->ops;
  for (size_t i = 0; i < ops.size(); ++i)
    if (ops[i].line == line) issues += result.meter.ops[i].issues;
  return issues;
}

TEST_CASE("emulator: machine: both sides of a branch run, and the lanes meet behind it") {
  BodyKernel kernel(
      "and.b32 %r1, %r0, 1;\n"
      "setp.eq.u32 %p0, %r1, 0;\n"
      "@%p0 bra EVEN;\n"
      "add.u32 %r2, %r0, 1000;\n"
      "bra JOIN;\n"
      "EVEN:\n"
      "add.u32 %r2, %r0, 2000;\n"
      "JOIN:\n"
      "st.global.u32 [%rd1], %r2;");
  kernel.threads(48);
  const LaunchResult result = kernel.run();
  CHECK(text(result) == "");
  const std::vector<uint32_t> out = kernel.out();
  for (uint32_t i = 0; i < 48; ++i) CHECK(out[i] == i + (i % 2 ? 1000 : 2000));
  CHECK(out[48] == 0);
  CHECK(issues_at(result, BodyKernel::kFirstLine + 3) == 2);  // once a warp
  CHECK(issues_at(result, BodyKernel::kFirstLine + 8) == 2);  // together again
}

TEST_CASE("emulator: machine: a loop with another count in each lane ends with all lanes together") {
  BodyKernel kernel(
      "mov.u32 %r1, 0;\n"
      "LOOP:\n"
      "add.u32 %r1, %r1, 1;\n"
      "setp.le.u32 %p0, %r1, %r0;\n"
      "@%p0 bra LOOP;\n"
      "st.global.u32 [%rd1], %r1;");
  kernel.threads(32);
  const LaunchResult result = kernel.run();
  CHECK(text(result) == "");
  for (uint32_t i = 0; i < 32; ++i) CHECK(kernel.out()[i] == i + 1);
  CHECK(issues_at(result, BodyKernel::kFirstLine + 2) == 32);
  CHECK(issues_at(result, BodyKernel::kFirstLine + 5) == 1);
  uint64_t lanes = 0;
  const auto& ops = result.meter.program->ops;
  for (size_t i = 0; i < ops.size(); ++i)
    if (ops[i].line == BodyKernel::kFirstLine + 2) lanes += result.meter.ops[i].lanes;
  CHECK(lanes == 32 * 33 / 2);
}

TEST_CASE("emulator: machine: lanes that exit early leave the others to go on") {
  BodyKernel kernel(
      "setp.ge.u32 %p0, %r0, 5;\n"
      "@%p0 exit;\n"
      "add.u32 %r1, %r0, 1;\n"
      "st.global.u32 [%rd1], %r1;");
  kernel.threads(64);
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 64; ++i) CHECK(kernel.out()[i] == (i < 5 ? i + 1 : 0));
}

// Lane 0 releases the others only after they have begun to wait: on a machine that ran one side of a branch to its end first,
// this would never end.
TEST_CASE("emulator: machine: a lane may wait for another lane of its warp") {
  BodyKernel kernel(
      "mov.u32 %r2, s;\n"
      "st.shared.u32 [%r2], %r31;\n"
      "bar.warp.sync 0xffffffff;\n"
      "setp.eq.u32 %p0, %r0, 0;\n"
      "@%p0 bra RELEASE;\n"
      "SPIN:\n"
      "ld.volatile.shared.u32 %r3, [%r2];\n"
      "setp.eq.u32 %p1, %r3, 0;\n"
      "@%p1 bra SPIN;\n"
      "bra DONE;\n"
      "RELEASE:\n"
      "mov.u32 %r3, 7;\n"
      "st.volatile.shared.u32 [%r2], %r3;\n"
      "DONE:\n"
      "bar.warp.sync 0xffffffff;\n"
      "st.global.u32 [%rd1], %r3;");
  kernel.threads(32);
  SUBCASE("32 lanes") {}
  SUBCASE("one lane") { kernel.options.one_lane = true; }
  SUBCASE("random turns") { kernel.options.seed = 7; }
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 32; ++i) CHECK(kernel.out()[i] == 7);
}

// A lock of compare-and-swap that each lane takes in turn, the holder ahead of those that spin.
TEST_CASE("emulator: machine: lanes of one warp take a lock one after the other") {
  BodyKernel kernel(
      "setp.eq.u32 %p2, %r0, 0;\n"
      "mov.u32 %r2, s;\n"
      "@%p2 st.shared.u32 [%r2], 0;\n"
      "@%p2 st.shared.u32 [%r2+4], 0;\n"
      "bar.sync 0;\n"
      "SPIN:\n"
      "atom.shared.cas.b32 %r3, [%r2], 0, 1;\n"
      "setp.ne.u32 %p1, %r3, 0;\n"
      "@%p1 bra SPIN;\n"
      "ld.volatile.shared.u32 %r4, [%r2+4];\n"
      "add.u32 %r4, %r4, 1;\n"
      "st.volatile.shared.u32 [%r2+4], %r4;\n"
      "atom.shared.exch.b32 %r3, [%r2], 0;\n"
      "bar.sync 0;\n"
      "ld.shared.u32 %r5, [%r2+4];\n"
      "st.global.u32 [%rd1], %r5;");
  kernel.threads(64);
  kernel.options.shared_races =
      false;  // the counter's order is the lock's, which the detector does not follow
  SUBCASE("32 lanes") {}
  SUBCASE("one lane") { kernel.options.one_lane = true; }
  SUBCASE("random turns") { kernel.options.seed = 3; }
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 64; ++i) CHECK(kernel.out()[i] == 64);
}

TEST_CASE("emulator: machine: collectives gather lanes that came apart, and say where the others are") {
  const std::string shuffle = "shfl.sync.bfly.b32 %r2, %r0, 1, 31, 0xffffffff;\n";
  SUBCASE("they meet before it") {
    BodyKernel kernel("setp.lt.u32 %p0, %r0, 7;\n@%p0 bra ON;\nadd.u32 %r3, %r0, 1;\nON:\n" + shuffle +
                      "st.global.u32 [%rd1], %r2;");
    kernel.threads(32);
    CHECK(text(kernel.run()) == "");
    for (uint32_t i = 0; i < 32; ++i) CHECK(kernel.out()[i] == (i ^ 1));
  }
  SUBCASE("each half waits at its own") {
    BodyKernel kernel("setp.lt.u32 %p0, %r0, 16;\n@%p0 bra LOW;\n" + shuffle + "bra ON;\nLOW:\n" + shuffle +
                      "ON:\nst.global.u32 [%rd1], %r2;");
    kernel.threads(32);
    CHECK(text(kernel.run()) ==
          "divergent_collective: it is executed by lanes 0x0000ffff but wants lanes 0xffffffff | "
          "lanes 0xffff0000 at PTX line 19: shfl.sync.bfly.b32 %r2, %r0, 1, 31, 0xffffffff;\n");
  }
}

TEST_CASE("emulator: machine: one lane at a time shows code that relies on lockstep") {
  // Each lane reads its neighbour's word; the neighbour must have written it.
  const std::string write =
      "shl.b32 %r2, %r0, 2;\nmov.u32 %r3, s;\nadd.u32 %r2, %r2, %r3;\nst.shared.u32 [%r2], %r0;\n";
  const std::string read =
      "xor.b32 %r4, %r0, 1;\nshl.b32 %r4, %r4, 2;\nadd.u32 %r4, %r4, %r3;\nld.volatile.shared.u32 %r5, "
      "[%r4];\n"
      "st.global.u32 [%rd1], %r5;";
  std::string found;
  const auto right = [&found](const std::string& body, bool one_lane) {
    BodyKernel kernel(body);
    kernel.threads(32);
    kernel.options.one_lane = one_lane;
    kernel.options.uninitialised = false;
    found = text(kernel.run());
    int count = 0;
    for (uint32_t i = 0; i < 32; ++i) count += kernel.out()[i] == (i ^ 1);
    return count;
  };
  CHECK(right(write + read, false) == 32);
  CHECK(found == "");
  CHECK(right(write + read, true) == 16);
  CHECK(found.find("shared_race: warp 0 reads byte 0 of shared memory, unordered with the write by warp 0") !=
        std::string::npos);
  CHECK(right(write + "bar.warp.sync 0xffffffff;\n" + read, true) == 32);
  CHECK(found == "");
}

}  // namespace
}  // namespace tenon::emulator
