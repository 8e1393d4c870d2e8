// Addresses between spaces and blocks, and hints about them.
#include <doctest/doctest.h>

#include "tests/runtime/emulator/instructions/lane_values.h"

namespace tenon::emulator {
namespace {

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

}  // namespace
}  // namespace tenon::emulator
