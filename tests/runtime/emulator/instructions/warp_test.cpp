// shfl, vote, match, redux, activemask and elect against the manual's words, and what they make of lanes that are not there.
#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <random>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/instructions/lane_values.h"
#include "tests/runtime/emulator/ptxas.h"

namespace tenon::emulator {
namespace {

/// The manual's formula (9.7.9.6): the source lane, and whether it was in range.
std::pair<int, bool> source(const std::string& mode, int lane, uint32_t b, uint32_t c) {
  const int bval = b & 31, cval = c & 31, segment = c >> 8 & 31;
  const int most = (lane & segment) | (cval & ~segment), least = lane & segment;
  int j = 0;
  bool in_range = false;
  if (mode == "up") j = lane - bval, in_range = j >= most;
  if (mode == "down") j = lane + bval, in_range = j <= most;
  if (mode == "bfly") j = lane ^ bval, in_range = j <= most;
  if (mode == "idx") j = least | (bval & ~segment), in_range = j <= most;
  return {in_range ? j : lane, in_range};
}

std::string told_by(const std::string& body) {
  PtxKernel kernel(lane_kernel(body));
  return told(kernel.run(kernel.output(4 * kLanes)));
}

std::string error_of(const std::string& text) {
  try {
    PtxKernel kernel(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("emulator: shfl moves values by every mode, clamp and segment") {
  for (const std::string mode : {"up", "down", "bfly", "idx"})
    for (uint32_t b : {0u, 1u, 3u, 16u, 31u})
      for (uint32_t c : {0x1fu, 0u, 0x181fu, 0x1c1fu, 0x1007u}) {
        const std::string body = ".reg .pred %q;\n.reg .b32 %in;\nadd.u32 %v, %t, 100;\nshfl.sync." + mode +
                                 ".b32 %v|%q, %v, " + std::to_string(b) + ", " + std::to_string(c) +
                                 ", -1;\nselp.u32 %in, 1000, 0, %q;\nadd.u32 %v, %v, %in;\n";
        const std::vector<uint32_t> values = lane_values(body);
        int wrong = 0;
        for (int lane = 0; lane < kLanes; ++lane) {
          const auto [from, in_range] = source(mode, lane, b, c);
          wrong += values[lane] != static_cast<uint32_t>(100 + from + (in_range ? 1000 : 0));
        }
        CHECK_MESSAGE(wrong == 0, mode, " ", b, " ", c);
      }
}

TEST_CASE("emulator: a shuffle's lane may differ by lane") {
  const std::vector<uint32_t> values =
      lane_values(".reg .b32 %b;\nmul.lo.u32 %b, %t, 5;\nshfl.sync.idx.b32 %v, %t, %b, 31, -1;\n");
  for (uint32_t lane = 0; lane < kLanes; ++lane) CHECK(values[lane] == lane * 5 % 32);
}

TEST_CASE("emulator: what a shuffle reads from a lane outside of it is nothing") {
  // Lanes 0 to 15 read lanes 16 to 31, which are elsewhere.
  const std::string body =
      ".reg .pred %h;\nmov.u32 %v, 7;\nsetp.lt.u32 %h, %t, 16;\n@!%h bra on;\n"
      "shfl.sync.bfly.b32 %v, %t, 16, 31, 0xffff;\non:\n";
  CHECK(told_by(body).find("uninitialised") != std::string::npos);
  const std::string inside =
      ".reg .pred %h;\nmov.u32 %v, 7;\nsetp.lt.u32 %h, %t, 16;\n@!%h bra on;\n"
      "shfl.sync.bfly.b32 %v, %t, 8, 31, 0xffff;\non:\n";
  const std::vector<uint32_t> values = lane_values(inside);
  for (uint32_t lane = 0; lane < kLanes; ++lane) CHECK(values[lane] == (lane < 16 ? lane ^ 8 : 7));
}

TEST_CASE(
    "emulator: a lane that its member mask leaves out is a finding, and so is a mask that nothing wrote") {
  CHECK(told_by("shfl.sync.idx.b32 %v, %t, 0, 31, 0xffff;\n").find("leaves it out") != std::string::npos);
  CHECK(told_by(".reg .b32 %m;\nredux.sync.add.u32 %v, %t, %m;\n").find("a member mask") !=
        std::string::npos);
}

TEST_CASE("emulator: halves of a warp that name themselves shuffle apart in one instruction") {
  const std::vector<uint32_t> values = lane_values(
      ".reg .pred %h;\n.reg .b32 %m;\nsetp.lt.u32 %h, %t, 16;\nselp.u32 %m, 0xffff, 0xffff0000, %h;\n"
      "redux.sync.add.u32 %v, %t, %m;\n");
  for (uint32_t lane = 0; lane < kLanes; ++lane) CHECK(values[lane] == (lane < 16 ? 120u : 376u));
}

TEST_CASE("emulator: votes") {
  const auto vote = [](const std::string& mode, int least) {
    return lane_values(".reg .pred %a, %r;\nsetp.ge.u32 %a, %t, " + std::to_string(least) + ";\nvote.sync." +
                       mode + ".pred %r, %a, -1;\nselp.u32 %v, 1, 0, %r;\n")[3];
  };
  const uint32_t expected[3][3] = {{1, 0, 0}, {1, 1, 0}, {1, 0, 1}};  // all, any, uni of: all, some, none
  const char* modes[] = {"all", "any", "uni"};
  const int least[] = {0, 20, 32};
  for (int m = 0; m < 3; ++m)
    for (int i = 0; i < 3; ++i) CHECK_MESSAGE(vote(modes[m], least[i]) == expected[m][i], modes[m], " ", i);
  CHECK(lane_values(".reg .pred %a;\nsetp.ge.u32 %a, %t, 20;\nvote.sync.ballot.b32 %v, %a, -1;\n")[0] ==
        0xfff00000u);
  CHECK(lane_values(".reg .pred %a;\nsetp.ge.u32 %a, %t, 20;\nvote.sync.ballot.b32 %v, !%a, -1;\n")[9] ==
        0x000fffffu);
}

TEST_CASE("emulator: matches") {
  const std::vector<uint32_t> any =
      lane_values(".reg .b32 %x;\nshr.u32 %x, %t, 3;\nmatch.any.sync.b32 %v, %x, -1;\n");
  for (uint32_t lane = 0; lane < kLanes; ++lane) CHECK(any[lane] == 0xffu << (lane & ~7u));
  const std::string wide = ".reg .b64 %x;\n.reg .pred %q;\ncvt.u64.u32 %x, %t;\nshl.b64 %x, %x, 40;\n";
  CHECK(lane_values(wide + "match.any.sync.b64 %v, %x, -1;\n")[5] == 1u << 5);
  const std::string all = "match.all.sync.b64 %v|%q, %x, -1;\n@%q add.u32 %v, %v, 5;\n";
  CHECK(lane_values(wide + all)[5] == 0);
  CHECK(lane_values(wide + "mov.u64 %x, 9;\n" + all)[5] == 4);  // -1 + 5
}

TEST_CASE("emulator: reductions over a warp") {
  const auto reduce = [](const std::string& operation) {
    return lane_values(".reg .b32 %x;\nsub.s32 %x, %t, 7;\nredux.sync." + operation + " %v, %x, -1;\n")[11];
  };
  CHECK(reduce("add.s32") == 496 - 7 * 32);
  CHECK(reduce("min.s32") == static_cast<uint32_t>(-7));
  CHECK(reduce("max.s32") == 24);
  CHECK(reduce("min.u32") == 0);
  CHECK(reduce("max.u32") == 0xffffffffu);
  CHECK(reduce("and.b32") == 0);
  CHECK(reduce("or.b32") == 0xffffffffu);
  CHECK(reduce("xor.b32") == [] {
    uint32_t all = 0;
    for (uint32_t lane = 0; lane < kLanes; ++lane) all ^= lane - 7;
    return all;
  }());
}

TEST_CASE("emulator: float reductions leave NaNs aside unless asked") {
  const auto reduce = [](const std::string& operation) {
    // Lane 3 has a NaN, lane 4 has -50; the others their number.
    PtxKernel kernel(
        lane_kernel(".reg .f32 %x;\n.reg .pred %q;\ncvt.rn.f32.u32 %x, %t;\n"
                    "setp.eq.u32 %q, %t, 3;\n@%q mov.f32 %x, 0f7fc00000;\n"
                    "setp.eq.u32 %q, %t, 4;\n@%q mov.f32 %x, 0fc2480000;\nredux.sync." +
                        operation + ".f32 %x, %x, -1;\nmov.b32 %v, %x;\n",
                    false, "", "sm_100a"));
    const uint64_t out = kernel.output(4 * kLanes);
    CHECK(told(kernel.run(out)) == "");
    return std::bit_cast<float>(kernel.values<uint32_t>(out, kLanes)[20]);
  };
  CHECK(reduce("min") == -50);
  CHECK(reduce("max") == 31);
  CHECK(reduce("max.abs") == 50);
  CHECK(reduce("min.abs") == 0);
  CHECK(std::isnan(reduce("max.NaN")));
  CHECK(std::isnan(reduce("min.abs.NaN")));
}

TEST_CASE("emulator: the lowest lane is elected, and lanes know who is with them") {
  const std::string lead = ".reg .pred %q, %h;\nmov.u32 %v, 99;\nsetp.ge.u32 %h, %t, 5;\n@!%h bra on;\n";
  const std::vector<uint32_t> elected =
      lane_values(lead + "elect.sync %v|%q, 0xffffffe0;\n@%q add.u32 %v, %v, 1000;\non:\n");
  for (uint32_t lane = 0; lane < kLanes; ++lane)
    CHECK(elected[lane] == (lane < 5 ? 99u : lane == 5 ? 1005u : 5u));
  const std::vector<uint32_t> active = lane_values(lead + "activemask.b32 %v;\non:\n");
  for (uint32_t lane = 0; lane < kLanes; ++lane) CHECK(active[lane] == (lane < 5 ? 99u : 0xffffffe0u));
}

TEST_CASE("emulator: what the assembler takes of them, the decoder takes; what does not exist is an error") {
  const std::string good = lane_kernel(
      ".reg .pred %q;\n.reg .b64 %x;\nmov.u64 %x, 1;\nmov.u32 %v, 1;\nshfl.sync.up.b32 %v|%q, %v, 1, 0, -1;\n"
      "shfl.sync.idx.b32 %v, %v, %t, 31, -1;\nvote.sync.uni.pred %q, %q, -1;\nvote.sync.ballot.b32 %v, %q, "
      "-1;\n"
      "match.any.sync.b64 %v, %x, -1;\nmatch.all.sync.b32 %v|%q, %t, -1;\nmatch.all.sync.b32 %v, %t, -1;\n"
      "redux.sync.add.s32 %v, %v, -1;\nredux.sync.xor.b32 %v, %v, -1;\nelect.sync %v|%q, -1;\n"
      "elect.sync _|%q, -1;\nactivemask.b32 %v;\n");
  CHECK(ptxas_says(good) == "");
  CHECK(error_of(good) == "");
  for (const char* bad : {"shfl.sync.left.b32 %v, %t, 1, 0, -1;", "shfl.sync.up.b64 %v, %t, 1, 0, -1;",
                          "redux.sync.add.b32 %v, %t, -1;", "redux.sync.add.f32 %v, %t, -1;",
                          "vote.sync.some.pred %v, %t, -1;", "match.any.b32 %v, %t, -1;"}) {
    CHECK(ptxas_says(lane_kernel(bad)) != "");
    CHECK_MESSAGE(error_of(lane_kernel(bad)).find("t.ptx") != std::string::npos, bad);
  }
}

}  // namespace
}  // namespace tenon::emulator
