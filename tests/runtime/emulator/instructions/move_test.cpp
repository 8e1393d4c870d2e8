// Values moved, packed and taken apart; special registers; addresses between spaces.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/instructions/lane_values.h"

namespace tenon::emulator {
namespace {

template <class T, class F>
std::vector<T> by_lane(const F& value) {
  std::vector<T> values;
  for (int lane = 0; lane < kLanes; ++lane)
    values.push_back(static_cast<T>(value(static_cast<uint64_t>(lane))));
  return values;
}
template <class F>
std::vector<uint32_t> narrow(const F& value) {
  return by_lane<uint32_t>(value);
}
template <class F>
std::vector<uint64_t> wide(const F& value) {
  return by_lane<uint64_t>(value);
}

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

TEST_CASE("emulator: mov: special registers of lanes") {
  CHECK(lane_values("mov.u32 %v, %lanemask_eq;\n") == narrow([](uint64_t lane) { return 1u << lane; }));
  CHECK(lane_values("mov.u32 %v, %lanemask_lt;\n") == narrow([](uint64_t lane) { return (1u << lane) - 1; }));
  CHECK(lane_values("mov.u32 %v, %lanemask_le;\n") ==
        narrow([](uint64_t lane) { return (uint64_t{2} << lane) - 1; }));
  CHECK(lane_values("mov.u32 %v, %lanemask_gt;\n") ==
        narrow([](uint64_t lane) { return ~((uint64_t{2} << lane) - 1); }));
  CHECK(lane_values("mov.u32 %v, %lanemask_ge;\n") ==
        narrow([](uint64_t lane) { return ~((1u << lane) - 1); }));
  CHECK(lane_values("mov.u32 %v, WARP_SZ;\n") == narrow([](uint64_t) { return 32; }));
}

// Blocks of 4x3x4 threads, each of which stores one special register at its linear place in the grid.
std::vector<uint32_t> of_grid(const std::string& special, int cluster = 1) {
  PtxKernel kernel(kernel_text(".param .u64 out",
                               ".reg .b32 %r<12>;\n.reg .b64 %l<4>;\n"
                               "mov.u32 %r0, %tid.x;\nmov.u32 %r1, %tid.y;\nmov.u32 %r2, %tid.z;\n"
                               "mov.u32 %r3, %ctaid.x;\nmov.u32 %r4, %ctaid.y;\nmov.u32 %r5, %ctaid.z;\n"
                               "mad.lo.u32 %r1, %r2, 3, %r1;\nmad.lo.u32 %r0, %r1, 4, %r0;\n"
                               "mad.lo.u32 %r4, %r5, 2, %r4;\nmad.lo.u32 %r3, %r4, 6, %r3;\n"
                               "mad.lo.u32 %r0, %r3, 48, %r0;\n"
                               "ld.param.u64 %l0, [out];\nmul.wide.u32 %l1, %r0, 4;\nadd.s64 %l0, %l0, %l1;\n"
                               "mov.u32 %r6, " +
                                   special + ";\nst.global.u32 [%l0], %r6;\nret;"));
  kernel.request.block[0] = 4, kernel.request.block[1] = 3, kernel.request.block[2] = 4;
  kernel.request.grid[0] = 6, kernel.request.grid[1] = 2, kernel.request.grid[2] = 2;
  kernel.request.cluster[0] = cluster;
  kernel.request.dynamic_shared_bytes = 100;
  const uint64_t out = kernel.output(24 * 48 * 4);
  CHECK(told(kernel.run(out)) == "");
  return kernel.values<uint32_t>(out, 24 * 48);
}

TEST_CASE("emulator: mov: special registers of blocks, grids and clusters") {
  const auto check = [](const std::string& special, auto value, int cluster = 1) {
    CAPTURE(special);
    std::vector<uint32_t> expected;
    for (int block = 0; block < 24; ++block)
      for (int thread = 0; thread < 48; ++thread)
        expected.push_back(static_cast<uint32_t>(value(block, thread)));
    CHECK(of_grid(special, cluster) == expected);
  };
  check("%tid.x", [](int, int thread) { return thread % 4; });
  check("%tid.y", [](int, int thread) { return thread / 4 % 3; });
  check("%tid.z", [](int, int thread) { return thread / 12; });
  check("%ntid.y", [](int, int) { return 3; });
  check("%ctaid.x", [](int block, int) { return block % 6; });
  check("%ctaid.z", [](int block, int) { return block / 12; });
  check("%nctaid.x", [](int, int) { return 6; });
  check("%warpid", [](int, int thread) { return thread / 32; });
  check("%nwarpid", [](int, int) { return 2; });
  check("%smid", [](int block, int) { return block % 4; });
  check("%nsmid", [](int, int) { return 4; });
  check("%dynamic_smem_size", [](int, int) { return 100; });
  check(
      "%cluster_ctarank", [](int block, int) { return block % 2; }, 2);
  check(
      "%cluster_ctaid.x", [](int block, int) { return block % 6 % 2; }, 2);
  check(
      "%cluster_nctaid.x", [](int, int) { return 2; }, 2);
  check(
      "%cluster_nctarank", [](int, int) { return 2; }, 2);
  check(
      "%clusterid.x", [](int block, int) { return block % 6 / 2; }, 2);
  check(
      "%nclusterid.x", [](int, int) { return 3; }, 2);
  check(
      "%nclusterid.y", [](int, int) { return 2; }, 2);
}

TEST_CASE("emulator: mov: clocks go on") {
  CHECK(lane_values(".reg .pred %p;\n.reg .b64 %c<2>;\nmov.u64 %c0, %clock64;\nmov.u64 %c1, %clock64;\n"
                    "setp.gt.u64 %p, %c1, %c0;\nselp.b32 %v, 1, 0, %p;\n") ==
        narrow([](uint64_t) { return 1; }));
  // A wait for time to pass ends.
  CHECK(lane_values(".reg .pred %p;\n.reg .b32 %c<2>;\nmov.u32 %c0, %clock;\nagain:\nmov.u32 %c1, %clock;\n"
                    "sub.u32 %v, %c1, %c0;\nsetp.lt.u32 %p, %v, 10000;\n@%p bra again;\nmov.b32 %v, 1;\n") ==
        narrow([](uint64_t) { return 1; }));
}

TEST_CASE("emulator: cvta: there and back, and which space an address is of") {
  const std::string variables = ".shared .align 4 .b8 s[8];\n.global .align 4 .b32 g = 77;\n";
  const std::string space = ".reg .pred %p;\n";
  CHECK(wide_lane_values("mov.u64 %w, s;\ncvta.shared.u64 %w, %w;\n", variables) ==
        wide([](uint64_t) { return kSharedWindow + kSharedBase; }));
  CHECK(wide_lane_values("cvta.shared.u64 %w, s;\ncvta.to.shared.u64 %w, %w;\n", variables) ==
        wide([](uint64_t) { return kSharedBase; }));
  CHECK(lane_values(".reg .b64 %g;\nmov.u64 %g, g;\ncvta.global.u64 %g, %g;\nld.u32 %v, [%g];\n",
                    variables) == narrow([](uint64_t) { return 77; }));
  CHECK(lane_values("cvta.shared.u64 %w, s;\nst.u32 [%w+4], 8;\nld.shared.u32 %v, [s+4];\n", variables) ==
        narrow([](uint64_t) { return 8; }));
  CHECK(wide_lane_values(
            ".local .align 8 .b8 l[8];\nmov.u64 %w, l;\ncvta.local.u64 %w, %w;\nst.local.b64 [l], 6;\n"
            "ld.b64 %w, [%w];\n") == wide([](uint64_t) { return 6; }));
  // A parameter has an address: out's own value comes through it.
  CHECK(lane_values(".reg .pred %p;\nmov.b64 %w, out;\ncvta.param.u64 %w, %w;\nld.u64 %w, [%w];\n"
                    "setp.eq.u64 %p, %w, %a_;\nselp.b32 %v, 1, 0, %p;\n") ==
        narrow([](uint64_t) { return 1; }));
  const auto is = [&](const std::string& made, const std::string& asked) {
    return lane_values(".reg .pred %p;\n.local .align 8 .b8 l[8];\n" + made + "isspacep." + asked +
                           " %p, %w;\nselp.b32 %v, 1, 0, %p;\n",
                       variables)[17];
  };
  const std::string of[] = {"cvta.global.u64 %w, g;\n", "cvta.shared.u64 %w, s;\n", "cvta.local.u64 %w, l;\n",
                            "cvta.param.u64 %w, out;\n"};
  const std::string asked[] = {"global", "shared", "local", "param"};
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      CAPTURE(of[i]);
      CAPTURE(asked[j]);
      CHECK(is(of[i], asked[j]) == (i == j));
    }
}

TEST_CASE("emulator: mapa, getctarank: addresses of the cluster's other blocks") {
  const std::string variables = ".shared .align 4 .b8 s[8];\n";
  CHECK(lane_values("mapa.shared::cluster.u32 %v, s, %t;\n", variables) ==
        narrow([](uint64_t lane) { return (lane + 1) << kClusterRankShift | kSharedBase; }));
  CHECK(wide_lane_values("cvta.shared.u64 %w, s;\nmapa.u64 %w, %w, 3;\n", variables) ==
        wide([](uint64_t) { return kSharedWindow + (4 << kClusterRankShift) + kSharedBase; }));
  // From one block's address to another's.
  CHECK(lane_values("mapa.shared::cluster.u32 %v, s, 5;\nmapa.shared::cluster.u32 %v, %v, 2;\n", variables) ==
        narrow([](uint64_t) { return 3 << kClusterRankShift | kSharedBase; }));
  CHECK(lane_values("mapa.shared::cluster.u32 %v, s, %t;\ngetctarank.shared::cluster.u32 %v, %v;\n",
                    variables) == narrow([](uint64_t lane) { return lane; }));
  CHECK(lane_values("getctarank.shared::cluster.u32 %v, s;\n", variables) ==
        narrow([](uint64_t) { return 0; }));
}

TEST_CASE("emulator: hints to caches do nothing") {
  CHECK(
      lane_values(
          "prefetch.global.L2 [%a_];\nprefetch.L1 [%a_+64];\nprefetchu.L1 [%a_];\nprefetch.tensormap [%a_];\n"
          "prefetch.global.L2::evict_last [%a_];\ndiscard.global.L2 [%a_], 128;\n"
          "applypriority.global.L2::evict_normal [%a_], 128;\n"
          "createpolicy.fractional.L2::evict_first.b64 %w, 1.0;\n"
          "createpolicy.fractional.L2::evict_last.L2::evict_unchanged.b64 %w, 0.5;\nmov.b32 %v, 1;\n") ==
      narrow([](uint64_t) { return 1; }));
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
