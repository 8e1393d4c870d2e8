// Branches and what they do to lanes, calls with arguments and results, ends.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/instructions/lane_values.h"

namespace tenon::emulator {
namespace {

std::string refused(const std::string& text) {
  try {
    PtxKernel kernel(text);
  } catch (const Error& error) {
    return error.diagnostics()[0].message;
  }
  return "";
}

TEST_CASE("emulator: bra: each lane goes its own way, and all meet again") {
  CHECK(lane_values(
            ".reg .pred %p;\nsetp.lt.u32 %p, %t, 10;\nmov.b32 %v, 1;\n@%p bra less;\n"
            "mov.b32 %v, 2;\nbra.uni join;\nless:\nadd.u32 %v, %v, %t;\njoin:\nadd.u32 %v, %v, 100;\n") ==
        narrow([](int lane) { return lane < 10 ? 101 + lane : 102; }));
  // A loop with a trip count of each lane's own.
  CHECK(lane_values(
            ".reg .pred %p;\n.reg .b32 %i;\nmov.b32 %i, 0;\nmov.b32 %v, 0;\nagain:\nadd.u32 %v, %v, %i;\n"
            "add.u32 %i, %i, 1;\nsetp.le.u32 %p, %i, %t;\n@%p bra again;\n") ==
        narrow([](int lane) { return lane * (lane + 1) / 2; }));
}

TEST_CASE("emulator: bra: a predicate that nothing computed is a finding") {
  PtxKernel kernel(lane_kernel(".reg .pred %p;\nmov.b32 %v, 1;\n@%p bra on;\non:\n"));
  const LaunchResult result = kernel.run(kernel.output(4 * kLanes));
  REQUIRE_FALSE(result.findings.empty());
  CHECK(result.findings[0].kind == FindingKind::kUninitialised);
  CHECK(result.findings[0].ptx == "@%p bra on;");
}

TEST_CASE("emulator: brx.idx: by a list, each lane to its entry") {
  const std::string body =
      ".reg .b32 %i;\nmov.b32 %v, 0;\nlist: .branchtargets a, b, a, c;\nbrx.idx %i, list;\n"
      "a:\nadd.u32 %v, %v, 1;\nbra.uni end;\nb:\nadd.u32 %v, %v, 10;\nbra.uni end;\nc:\nadd.u32 %v, %v, "
      "100;\nend:\n";
  const auto with = [&](const std::string& index) {
    std::string text = body;
    return text.insert(text.find("mov.b32 %v, 0"), index + "\n");
  };
  const int values[] = {1, 10, 1, 100};
  CHECK(lane_values(with("and.b32 %i, %t, 3;")) == narrow([&](int lane) { return values[lane % 4]; }));
  CHECK(lane_values(with("mov.b32 %i, 1;")) == narrow([](int) { return 10; }));

  PtxKernel kernel(lane_kernel(with("and.b32 %i, %t, 7;")));
  const uint64_t out = kernel.output(4 * kLanes);
  const LaunchResult result = kernel.run(out);
  CHECK(told(result) == "out of bounds: branch to entry 4 of a list of 4 (line 16)\n");
}

TEST_CASE("emulator: exit, ret: lanes leave, the others go on") {
  for (const char* end : {"exit", "ret"}) {
    PtxKernel kernel(lane_kernel(".reg .pred %p;\nsetp.ge.u32 %p, %t, 7;\nmov.b32 %v, 5;\n@%p " +
                                 std::string(end) + ";\n"));
    const uint64_t out = kernel.input(std::vector<uint32_t>(kLanes, 9), "out");
    CHECK(told(kernel.run(out)) == "");
    CHECK(kernel.values<uint32_t>(out, kLanes) == narrow([](int lane) { return lane < 7 ? 5 : 9; }));
  }
}

const std::string kFunctions =
    // difference(a, b) = a - b, twice over the same function
    ".func (.param .b32 result) difference(.param .b32 a, .param .b32 b)\n{\n.reg .b32 %r<3>;\n"
    "ld.param.u32 %r0, [a];\nld.param.u32 %r1, [b];\nsub.u32 %r2, %r0, %r1;\nst.param.b32 [result], "
    "%r2;\nret;\n}\n"
    // distance(a, b) = |a - b|: calls difference in one of two orders, returns early for equal ones
    ".func (.param .b32 result) distance(.param .b32 a, .param .b32 b)\n{\n.reg .b32 %r<4>;\n.reg .pred "
    "%p<2>;\n"
    ".param .b32 x;\n.param .b32 y;\n.param .b32 z;\n"
    "ld.param.u32 %r0, [a];\nld.param.u32 %r1, [b];\nsetp.eq.u32 %p0, %r0, %r1;\nst.param.b32 [result], "
    "0;\n@%p0 ret;\n"
    "setp.lt.u32 %p1, %r0, %r1;\nselp.b32 %r2, %r1, %r0, %p1;\nselp.b32 %r3, %r0, %r1, %p1;\n"
    "st.param.b32 [x], %r2;\nst.param.b32 [y], %r3;\ncall.uni (z), difference, (x, y);\nld.param.b32 %r2, "
    "[z];\n"
    "st.param.b32 [result], %r2;\nret;\n}\n";

TEST_CASE("emulator: call: arguments and results, of calls in calls") {
  const std::string call =
      "{\n.param .b32 p0;\nst.param.b32 [p0], %t;\n.param .b32 p1;\nst.param.b32 [p1+0], 20;\n.param .b32 "
      "r;\n"
      "call.uni (r), distance, (p0, p1);\nld.param.b32 %v, [r];\n}\n";
  CHECK(lane_values(call, kFunctions) == narrow([](int lane) { return std::abs(lane - 20); }));
  // Lanes that do not call keep what they have.
  std::string guarded = call;
  guarded.insert(guarded.find("call.uni"), "@%odd ");
  guarded.insert(guarded.find("ld.param.b32 %v"), "@%odd ");
  CHECK(
      lane_values(
          ".reg .pred %odd;\n.reg .b32 %b;\nand.b32 %b, %t, 1;\nsetp.eq.u32 %odd, %b, 1;\nmov.b32 %v, 77;\n" +
              guarded,
          kFunctions) == narrow([](int lane) { return lane & 1 ? std::abs(lane - 20) : 77; }));
  // The first result is still there after a second call of the same function.
  CHECK(lane_values("{\n.reg .b32 %b;\n.param .b32 p0;\n.param .b32 p1;\n.param .b32 r;\n.param .b32 s;\n"
                    "st.param.b32 [p0], %t;\nst.param.b32 [p1], 1;\ncall.uni (r), difference, (p0, p1);\n"
                    "st.param.b32 [p0], 9;\ncall.uni (s), difference, (p0, p1);\n"
                    "ld.param.b32 %v, [r];\nld.param.b32 %b, [s];\nmad.lo.u32 %v, %v, 10, %b;\n}\n",
                    kFunctions) == narrow([](int lane) { return (lane - 1) * 10 + 8; }));
}

TEST_CASE("emulator: call: an argument that nothing wrote is nothing written in the function") {
  PtxKernel kernel(
      lane_kernel("{\n.param .b32 p0;\n.param .b32 p1;\n.param .b32 r;\nst.param.b32 [p0], 1;\n"
                  "call.uni (r), difference, (p0, p1);\nld.param.b32 %v, [r];\n}\n",
                  false, kFunctions));
  const LaunchResult result = kernel.run(kernel.output(4 * kLanes));
  REQUIRE_FALSE(result.findings.empty());
  CHECK(result.findings[0].kind == FindingKind::kUninitialised);
}

TEST_CASE("emulator: call: lists that do not fit the function") {
  const auto with = [](const std::string& call) {
    return refused(lane_kernel("{\n.param .b32 p0;\n.param .b64 p1;\n.param .b32 r;\n" + call + "\n}\n",
                               false, kFunctions + ".extern .func unknown();\n"));
  };
  CHECK(with("call (r), difference, (p0);") == "'difference' has 2 parameters, not 1");
  CHECK(with("call (r), difference, (p0, p1);") == "'p1' has 8 bytes, 'b' of 'difference' has 4");
  CHECK(with("call difference, (p0, p0);") == "'difference' has 1 results, not 0");
  CHECK(with("call (r), difference, (p0, %t);") == "arguments and results of a call are .param variables");
  CHECK(with("call unknown;") == "'unknown' is defined in no module");
}

TEST_CASE("emulator: trap, brkpt: the launch ends with a finding") {
  PtxKernel kernel(lane_kernel("mov.b32 %v, 1;\ntrap;\n"));
  const LaunchResult result = kernel.run(kernel.output(4 * kLanes));
  CHECK(told(result) == "trap: trap (line 13)\n");
  CHECK_FALSE(result.completed);
  PtxKernel stopped(lane_kernel("mov.b32 %v, 1;\nbrkpt;\n"));
  CHECK(told(stopped.run(stopped.output(4 * kLanes))) == "trap: breakpoint (line 13)\n");
}

TEST_CASE("emulator: __assertfail: the assertion's own words") {
  const std::string texts =
      ".global .align 1 .b8 what[6] = {110, 32, 62, 32, 48, 0};\n"  // n > 0
      ".global .align 1 .b8 file[5] = {97, 46, 99, 117, 0};\n"      // a.cu
      ".global .align 1 .b8 where[5] = {109, 97, 105, 110, 0};\n"   // main
      ".extern .func __assertfail(.param .b64 a, .param .b64 b, .param .b32 c, .param .b64 d, .param .b64 "
      "e);\n";
  PtxKernel kernel(lane_kernel(
      ".reg .pred %p;\nsetp.eq.u32 %p, %t, 3;\nmov.b32 %v, 1;\n@!%p bra fine;\n{\n"
      ".param .b64 a;\n.param .b64 b;\n.param .b32 c;\n.param .b64 d;\n.param .b64 e;\n"
      "cvta.global.u64 %w, what;\nst.param.b64 [a], %w;\ncvta.global.u64 %w, file;\nst.param.b64 [b], %w;\n"
      "st.param.b32 [c], 31;\ncvta.global.u64 %w, where;\nst.param.b64 [d], %w;\nst.param.b64 [e], 1;\n"
      "call.uni __assertfail, (a, b, c, d, e);\n}\nfine:\n",
      false, texts));
  const LaunchResult result = kernel.run(kernel.output(4 * kLanes));
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].kind == FindingKind::kTrap);
  CHECK(result.findings[0].message == "assertion `n > 0` failed at a.cu:31 in main");
  CHECK(result.findings[0].lane == 3);
}

}  // namespace
}  // namespace tenon::emulator
