// Values moved, packed and taken apart.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/instructions/lane_values.h"

namespace tenon::emulator {
namespace {

TEST_CASE("emulator: mov: every width, constants of every kind") {
  CHECK(lane_values("mov.u32 %v, %t;\n") == narrow([](uint64_t lane) { return lane; }));
  CHECK(lane_values("mov.b32 %v, -2;\n") == narrow([](uint64_t) { return 0xfffffffe; }));
  CHECK(lane_values("mov.f32 %v, 0f3fc00000;\n") == narrow([](uint64_t) { return 0x3fc00000; }));
  CHECK(lane_values("mov.f32 %v, 0d3ff8000000000000;\n") == narrow([](uint64_t) { return 0x3fc00000; }));
  CHECK(lane_values(".reg .b16 %h;\nmov.b16 %h, -1;\nmov.b32 %v, {%h, 0};\n") ==
        narrow([](uint64_t) { return 0xffff; }));
  CHECK(wide_lane_values("mov.b64 %w, -3;\n") == wide([](uint64_t) { return uint64_t(-3); }));
  CHECK(wide_lane_values("mov.f64 %w, 0f3fc00000;\n") == wide([](uint64_t) { return 0x3ff8000000000000; }));
}

TEST_CASE("emulator: mov: only lanes whose guard holds") {
  const std::string odd = ".reg .pred %p;\n.reg .b32 %b;\nand.b32 %b, %t, 1;\nsetp.eq.u32 %p, %b, 1;\n";
  CHECK(lane_values(odd + "mov.b32 %v, 5;\n@%p mov.b32 %v, %t;\n") ==
        narrow([](uint64_t lane) { return lane & 1 ? lane : 5; }));
  CHECK(wide_lane_values(odd + "mov.b64 %w, 5;\n@!%p mov.b64 %w, 7;\n") ==
        wide([](uint64_t lane) { return lane & 1 ? 5 : 7; }));
}

TEST_CASE("emulator: mov: parts into a whole and back") {
  CHECK(lane_values(".reg .b16 %h<2>;\nmov.b32 {%h0, _}, %t;\nmov.b16 %h1, 3;\nmov.b32 %v, {%h0, %h1};\n") ==
        narrow([](uint64_t lane) { return 3 << 16 | lane; }));
  CHECK(
      lane_values(
          ".reg .b16 %h<2>;\nadd.u32 %v, %t, 0x50000;\nmov.b32 {%h0, %h1}, %v;\nmov.b32 %v, {%h1, %h0};\n") ==
      narrow([](uint64_t lane) { return lane << 16 | 5; }));
  CHECK(
      lane_values(".reg .b16 %h;\nadd.u32 %v, %t, 0x50000;\nmov.b32 {_, %h}, %v;\nmov.b32 %v, {%h, 0};\n") ==
      narrow([](uint64_t) { return 5; }));
  CHECK(wide_lane_values("mov.b64 %w, {%t, 9};\n") ==
        wide([](uint64_t lane) { return uint64_t{9} << 32 | lane; }));
  CHECK(lane_values("mov.b64 %w, 0x1234567800000000;\nmov.b64 {_, %v}, %w;\n") ==
        narrow([](uint64_t) { return 0x12345678; }));
  CHECK(wide_lane_values(".reg .b16 %h;\nmov.b32 {%h, _}, %t;\nmov.b64 %w, {%h, 1, 2, %h};\n") ==
        wide([](uint64_t lane) { return lane << 48 | uint64_t{2} << 32 | 1 << 16 | lane; }));
  CHECK(wide_lane_values(".reg .b16 %h<4>;\nmov.b64 %w, 0x0004000300020001;\nmov.b64 {%h0,%h1,%h2,%h3}, %w;\n"
                         "mov.b64 %w, {%h3,%h2,%h1,%h0};\n") ==
        wide([](uint64_t) { return 0x0001000200030004; }));
}

TEST_CASE("emulator: mov: predicates") {
  const std::string odd = ".reg .pred %p<3>;\n.reg .b32 %b;\nand.b32 %b, %t, 1;\nsetp.eq.u32 %p0, %b, 1;\n";
  const std::string tell = "selp.b32 %v, 1, 0, %p1;\n";
  CHECK(lane_values(odd + "mov.pred %p1, %p0;\n" + tell) == narrow([](uint64_t lane) { return lane & 1; }));
  CHECK(lane_values(odd + "mov.pred %p1, !%p0;\n" + tell) == narrow([](uint64_t lane) { return ~lane & 1; }));
  CHECK(lane_values(odd + "mov.pred %p1, -1;\n" + tell) == narrow([](uint64_t) { return 1; }));
  CHECK(lane_values(odd + "mov.pred %p1, 0;\n@%p0 mov.pred %p1, 1;\n" + tell) ==
        narrow([](uint64_t lane) { return lane & 1; }));
}

TEST_CASE("emulator: mov: poison goes where the value goes") {
  PtxKernel kernel(
      lane_kernel(".reg .b16 %h<2>;\n.reg .b32 %u;\nmov.b16 %h0, 1;\nmov.b32 %v, {%h0, %h1};\n"));
  const uint64_t out = kernel.output(4 * kLanes);
  const LaunchResult result = kernel.run(out);
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].kind == FindingKind::kUninitialised);
  CHECK(result.findings[0].ptx == "st.global.u32 [%a_], %v;");
}

TEST_CASE("emulator: mov: a half that nothing ever writes is the compiler's own business, a whole is not") {
  const std::string undefined = ".reg .b32 %u<2>;\n";
  CHECK(lane_values(undefined + "mov.b64 %w, {%u0, %t};\nmov.b64 {_, %v}, %w;\n") ==
        narrow([](uint64_t lane) { return lane; }));
  CHECK(lane_values(undefined + "mov.b64 %w, {%t, %u0};\ncvt.u32.u64 %v, %w;\n") ==
        narrow([](uint64_t lane) { return lane; }));
  PtxKernel kernel(lane_kernel(undefined + "mov.b64 %w, {%u0, %u1};\ncvt.u32.u64 %v, %w;\n"));
  const LaunchResult result = kernel.run(kernel.output(4 * kLanes));
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].kind == FindingKind::kUninitialised);
}

TEST_CASE("emulator: prmt: bytes of what nothing ever writes are the compiler's own business") {
  const std::string undefined = ".reg .b32 %u<2>;\n.reg .b32 %x, %y;\n";
  CHECK(lane_values(undefined + "prmt.b32 %x, %u0, %u1, 0x3340U;\nprmt.b32 %y, %t, %x, 0x5410U;\n"
                                "mov.b32 %x, 1;\ndp2a.lo.u32.u32 %v, %x, %y, 0;\n") ==
        narrow([](uint64_t lane) { return lane; }));
}

TEST_CASE("emulator: mov: what it does not take") {
  const auto refused = [](const std::string& body) -> std::string {
    try {
      PtxKernel kernel(lane_kernel(body));
    } catch (const Error& error) {
      return error.diagnostics()[0].message;
    }
    return "";
  };
  CHECK(refused("mov.b32 %v, %w;\n") == "'%w' has 64 bits, where .b32 has 32");
  CHECK(refused("mov.f32 %v, 1;\n") == "an integer, where .f32 is wanted");
  CHECK(refused("mov.s32 %v, 0f3f800000;\n") == "a float, where .s32 is wanted");
  CHECK(refused("mov.b32 %v, {%t, %t};\n") == "'%t' has 32 bits, where .b16 has 16");
  CHECK(refused("mov.b32 %v;\n") == "'mov.b32' takes 2 operands, not 1");
  CHECK(refused("mov %v, %t;\n") == "'mov' lacks a type");
  CHECK(refused("mov.u64 %w, %tid.x;\n") == "'%tid.x' has 32 bits, .u64 has 64");
  CHECK(refused("add.u32 %v, %tid.x, 1;\n") == "the special register '%tid.x' is read by mov alone");
  CHECK(refused("cvta.to.shared.u32 %v, %v;\n") == "generic addresses have 64 bits; .u64 is wanted");
}

}  // namespace
}  // namespace tenon::emulator
