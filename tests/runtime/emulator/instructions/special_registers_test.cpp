// Special registers against what the launch asked for.
#include <doctest/doctest.h>

#include "tests/runtime/emulator/instructions/lane_values.h"

namespace tenon::emulator {
namespace {

TEST_CASE("emulator: special registers: of lanes") {
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

TEST_CASE("emulator: special registers: of blocks, grids and clusters") {
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

TEST_CASE("emulator: special registers: clocks go on") {
  CHECK(lane_values(".reg .pred %p;\n.reg .b64 %c<2>;\nmov.u64 %c0, %clock64;\nmov.u64 %c1, %clock64;\n"
                    "setp.gt.u64 %p, %c1, %c0;\nselp.b32 %v, 1, 0, %p;\n") ==
        narrow([](uint64_t) { return 1; }));
  // A wait for time to pass ends.
  CHECK(lane_values(".reg .pred %p;\n.reg .b32 %c<2>;\nmov.u32 %c0, %clock;\nagain:\nmov.u32 %c1, %clock;\n"
                    "sub.u32 %v, %c1, %c0;\nsetp.lt.u32 %p, %v, 10000;\n@%p bra again;\nmov.b32 %v, 1;\n") ==
        narrow([](uint64_t) { return 1; }));
}

}  // namespace
}  // namespace tenon::emulator
