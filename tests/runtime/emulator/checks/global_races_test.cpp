// Tests of races between blocks in global memory, and of the order that flags, fences and barriers give.
#include "runtime/emulator/checks/global_races.h"

#include <doctest/doctest.h>

#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

constexpr uint64_t kFlag = 0x5000;

TEST_CASE("emulator: blocks race over bytes that both touch and one writes") {
  GlobalRaces races;
  GlobalRace race;
  auto access = [&](Agent agent, uint64_t address, uint32_t bytes, bool writes, bool strong = false) {
    return races.access(agent, address, bytes, writes, strong, 10 + agent, race);
  };
  CHECK(access(0, 0x1000, 4, true));
  CHECK(access(0, 0x1000, 4, true));
  CHECK(access(1, 0x1004, 4, true));  // other bytes of the sector
  CHECK(!access(2, 0x1002, 4, false));
  CHECK(race.before == 0);
  CHECK(race.op == 10);
  CHECK(race.before_writes);
  CHECK(!race.now_writes);
  CHECK(race.address == 0x1002);
  CHECK(access(0, 0x2000, 64, false));
  CHECK(access(1, 0x2000, 64, false));  // reads do not race
  CHECK(!access(2, 0x203c, 4, true));
  CHECK(!race.before_writes);
  CHECK(race.now_writes);
  CHECK(access(0, 0x3000, 4, true, true));
  CHECK(access(1, 0x3000, 4, true, true));  // strong accesses do not race among themselves
  CHECK(access(2, 0x3000, 4, false, true));
  CHECK(!access(3, 0x3000, 4, false));
}

TEST_CASE("emulator: a fence and a flag order what blocks do") {
  GlobalRace race;
  // Block 0 writes and raises a flag, block 1 sees it and reads. The flag counts only between fences, or as release and
  // acquire.
  auto ordered = [&](bool fence, bool release, bool acquire, bool fence_after) {
    GlobalRaces races;
    CHECK(races.access(0, 0x1000, 4, true, false, 1, race));
    if (fence) races.fence(0);
    races.strong_write(0, kFlag, release, false);
    races.strong_read(1, kFlag, acquire);
    if (fence_after) races.fence(1);
    return races.access(1, 0x1000, 4, false, false, 2, race);
  };
  CHECK(ordered(true, false, false, true));
  CHECK(ordered(true, false, true, false));
  CHECK(ordered(false, true, true, false));
  CHECK(ordered(false, true, false, true));
  CHECK(!ordered(false, false, true, true));
  CHECK(!ordered(true, false, false, false));
  CHECK(!ordered(false, true, false, false));
}

TEST_CASE("emulator: atomics hand on what others published; what follows a release is not in it") {
  GlobalRaces races;
  GlobalRace race;
  CHECK(races.access(0, 0x1000, 4, true, false, 1, race));
  races.strong_write(0, kFlag, true, true);
  CHECK(races.access(0, 0x1020, 4, true, false, 1, race));
  races.strong_write(1, kFlag, false, true);  // a relaxed atomic of a third party
  races.strong_read(2, kFlag, true);
  CHECK(races.access(2, 0x1000, 4, false, false, 2, race));
  CHECK(!races.access(2, 0x1020, 4, false, false, 2, race));
  races.strong_write(1, kFlag, false, false);  // a plain store ends the sequence
  races.strong_read(3, kFlag, true);
  CHECK(!races.access(3, 0x1000, 4, true, false, 2, race));
}

// --- In kernels

/// Four blocks of 32 threads meet at a barrier of their own making in `bar`; before it each block writes its number to
/// `out`, behind it each reads its right neighbour's.
std::string met(const std::string& before, const std::string& after, const std::string& arrive,
                const std::string& poll) {
  PtxKernel kernel(kernel_text(
      ".param .u64 bar, .param .u64 out",
      ".reg .b64 %bar, %out, %t;\n.reg .b32 %i, %b, %v, %w;\n.reg .pred %p, %q;\n"
      "ld.param.u64 %bar, [bar];\nld.param.u64 %out, [out];\nmov.u32 %i, %tid.x;\nmov.u32 %b, %ctaid.x;\n"
      "setp.ne.u32 %p, %i, 0;\nmul.wide.u32 %t, %b, 4;\nadd.u64 %t, %t, %out;\n@!%p st.global.u32 [%t], %b;\n"
      "bar.sync 0;\n@%p bra MET;\n" +
          before + arrive + "SPIN:\n" + poll + "setp.ne.u32 %q, %v, 4;\n@%q bra SPIN;\n" + after +
          "MET:\nbar.sync 0;\nadd.u32 %b, %b, 1;\nand.b32 %b, %b, 3;\nmul.wide.u32 %t, %b, 4;\nadd.u64 %t, "
          "%t, %out;\n"
          "ld.global.u32 %w, [%t];\nret;"));
  kernel.request.grid[0] = 4;
  kernel.request.cooperative = true;
  kernel.options.global_races = true;
  kernel.options.instruction_budget = 1'000'000;
  const uint64_t bar = kernel.input(std::vector<uint32_t>{0}, "bar"), out = kernel.output(16);
  const LaunchResult result = kernel.run(bar, out);
  CHECK(result.completed);
  if (result.findings.empty()) return "";
  const Finding& first = result.findings[0];
  CHECK(first.kind == FindingKind::kGlobalRace);
  CHECK(first.notes.size() == 2);
  return first.message.substr(0, first.message.find(" by block"));
}

TEST_CASE("emulator: a grid barrier made by hand needs its fences") {
  const std::string arrive = "atom.global.add.u32 %v, [%bar], 1;\n",
                    poll = "ld.volatile.global.u32 %v, [%bar];\n";
  const std::string fence = "membar.gl;\n", race = "read of 4 bytes at byte ";
  CHECK(met(fence, fence, arrive, poll) == "");
  CHECK(met("fence.acq_rel.gpu;\n", "fence.sc.sys;\n", arrive, poll) == "");
  CHECK(met("", "", "atom.add.release.gpu.global.u32 %v, [%bar], 1;\n",
            "ld.acquire.gpu.global.u32 %v, [%bar];\n") == "");
  CHECK(met("", "", "red.release.gpu.global.add.u32 [%bar], 1;\n",
            "atom.acq_rel.gpu.global.add.u32 %v, [%bar], 0;\n") == "");
  CHECK(met("", fence, arrive, poll).find(race) == 0);
  CHECK(met(fence, "", arrive, poll).find(race) == 0);
  CHECK(met("membar.cta;\n", fence, arrive, poll).find(race) == 0);
  CHECK(met("", "", "atom.add.release.cta.global.u32 %v, [%bar], 1;\n",
            "ld.acquire.gpu.global.u32 %v, [%bar];\n") != "");
  CHECK(met("", "", arrive, "ld.acquire.gpu.global.u32 %v, [%bar];\n").find(race) == 0);
}

TEST_CASE("emulator: blocks with no barrier race, and the report says with whom") {
  PtxKernel kernel(kernel_text(".param .u64 out",
                               ".reg .b64 %out;\n.reg .b32 %b;\nld.param.u64 %out, [out];\n"
                               "mov.u32 %b, %ctaid.x;\nst.global.u32 [%out+8], 7;\nret;"));
  kernel.request.grid[0] = 3;
  const uint64_t out = kernel.output(64);
  CHECK(told(kernel.run(out)) == "");
  kernel.options.global_races = true;
  const LaunchResult result = kernel.run(out);
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].count == 2);  // of two blocks
  CHECK(
      result.findings[0].text().find("k: race in global memory: write of 4 bytes at byte 8 of `out`, "
                                     "unordered with the write by block (0,0,0)\n"
                                     "  block (1,0,0), thread (0,0,0) (warp 0, lane 0), and 1 more like it\n"
                                     "  ptx line 10: st.global.u32 [%out+8], 7;\n"
                                     "  the other access: ptx line 10: st.global.u32 [%out+8], 7;\n") == 0);
}

TEST_CASE("emulator: a cluster's barrier orders its blocks in global memory") {
  auto found = [](const std::string& barrier) {
    PtxKernel kernel(kernel_text(
        ".param .u64 out",
        ".reg .b64 %out, %t;\n.reg .b32 %b, %v;\nld.param.u64 %out, [out];\nmov.u32 %b, %ctaid.x;\n"
        "mul.wide.u32 %t, %b, 4;\nadd.u64 %t, %t, %out;\nst.global.u32 [%t], 7;\n" +
            barrier +
            "xor.b32 %b, %b, 1;\nmul.wide.u32 %t, %b, 4;\nadd.u64 %t, %t, %out;\n"
            "ld.global.u32 %v, [%t];\nret;"));
    kernel.request.grid[0] = kernel.request.cluster[0] = 2;
    kernel.options.global_races = true;
    return told(kernel.run(kernel.output(64)));
  };
  CHECK(found("barrier.cluster.arrive.aligned;\nbarrier.cluster.wait.aligned;\n") == "");
  CHECK(found("barrier.cluster.arrive.relaxed.aligned;\nbarrier.cluster.wait.aligned;\n")
            .find("race in global memory") == 0);
}

/// Two warps: the first writes a word of shared memory and raises a flag, the second waits for it and reads the word.
std::string handed(const std::string& fence, const std::string& raise, const std::string& poll,
                   const std::string& after) {
  PtxKernel kernel(kernel_text(".param .u64 out",
                               ".shared .align 4 .b8 s[8];\n.reg .b32 %i, %s, %v;\n.reg .pred %p;\nmov.u32 "
                               "%i, %tid.x;\nmov.u32 %s, s;\n"
                               "setp.eq.u32 %p, %i, 0;\n@%p st.shared.u32 [%s], 0;\nbar.sync 0;\nsetp.ge.u32 "
                               "%p, %i, 32;\n@%p bra SPIN;\n"
                               "st.shared.u32 [%s+4], 5;\n" +
                                   fence + raise + "ret;\nSPIN:\n" + poll +
                                   "setp.ne.u32 %p, %v, 1;\n@%p bra SPIN;\n" + after +
                                   "ld.shared.u32 %v, [%s+4];\nret;"));
  kernel.request.block[0] = 64;
  const LaunchResult result = kernel.run(kernel.output(64));
  CHECK(result.completed);
  return result.findings.empty() ? "" : result.findings[0].message;
}

TEST_CASE("emulator: flags in shared memory order warps where fences stand") {
  const std::string raise = "st.volatile.shared.u32 [%s], 1;\n", poll = "ld.volatile.shared.u32 %v, [%s];\n";
  const std::string fence = "membar.cta;\n";
  const std::string race = "warp 1 reads byte 4 of shared memory, unordered with the write by warp 0";
  CHECK(handed(fence, raise, poll, fence) == "");
  CHECK(handed("", "st.release.cta.shared.u32 [%s], 1;\n", "ld.acquire.cta.shared.u32 %v, [%s];\n", "") ==
        "");
  CHECK(handed("", raise, poll, fence) == race);
  CHECK(handed(fence, raise, poll, "") == race);
  CHECK(handed(fence, "st.shared.u32 [%s], 1;\n", poll, fence) != "");
}

}  // namespace
}  // namespace tenon::emulator
