// mbarrier.* in scripted kernels: what passes, what is found, and what a deadlock's report says.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/ptx_kernel.h"
#include "tests/runtime/emulator/ptxas.h"

using namespace tenon;
using namespace tenon::emulator;

namespace {

// %p0: thread 0. %r2: the barrier, which thread 0 initialises for `count` arrivals. %r3: 64 words of shared memory.
std::string set_up(int count) {
  return R"(
  .shared .align 16 .b8 bar[16];
  .shared .align 16 .b8 words[512];
  .reg .b32 %r<16>;
  .reg .b64 %rd<16>;
  .reg .pred %p<8>;
  ld.param.u64 %rd0, [out];
  mov.u32 %r0, %tid.x;
  mov.u32 %r2, bar;
  mov.u32 %r3, words;
  setp.eq.u32 %p0, %r0, 0;
  setp.ge.u32 %p2, %r0, 32;
  @%p0 mbarrier.init.shared::cta.b64 [%r2], )" +
         std::to_string(count) + ";\n";
}
const std::string kWaitParity0 = R"(
  wait: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r2], 0;
  @!%p1 bra wait;
)";
const std::string kOut = "\n st.global.u32 [%rd0], %r9; ret;";

struct Ran {
  LaunchResult result;
  std::string told;
  uint32_t out = 0;
};

Ran run_body(const std::string& body, int threads = 32, int cluster = 1, Options options = {}) {
  std::string text = kernel_text(".param .u64 out", body);
  text.replace(text.find("8.5"), 3, "8.7");  // .relaxed
  CHECK(ptxas_says(text) == "");
  PtxKernel kernel(text);
  options.host_threads = 1;
  kernel.options = options;
  kernel.request.block[0] = threads;
  kernel.request.grid[0] = kernel.request.cluster[0] = cluster;
  const uint64_t out = kernel.input(std::vector<uint32_t>(1));
  Ran ran{kernel.run(out), {}};
  ran.told = told(ran.result);
  ran.out = kernel.values<uint32_t>(out, 1)[0];
  return ran;
}

bool tells(const Ran& ran, const std::string& words) {
  const bool found = ran.told.find(words) != std::string::npos;
  if (!found) MESSAGE(ran.told << " does not tell: " << words);
  return found;
}

std::string notes(const Ran& ran, FindingKind kind) {
  std::string all;
  for (const Finding& finding : ran.result.findings)
    if (finding.kind == kind)
      for (const std::string& note : finding.notes) all += note + "\n";
  return all;
}

std::string decode_error(const std::string& instruction) {
  try {
    PtxKernel kernel(kernel_text(".param .u64 out", set_up(1) + instruction + " ret;"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("emulator: mbarrier: a consumer sees what a producer wrote before its arrival") {
  // Warp 0 writes, each thread arrives; warp 1 waits, reads and stores the sum of two words.
  const std::string body =
      set_up(32) + R"(
    bar.sync 0;
    @%p2 bra consumer;
    mad.lo.u32 %r4, %r0, 4, %r3;
    st.shared.u32 [%r4], %r0;
    mbarrier.arrive.shared::cta.b64 %rd5, [%r2];
    ret;
  consumer:)" +
      kWaitParity0 + "ld.shared.u32 %r5, [%r3+120]; ld.shared.u32 %r6, [%r3+124]; add.u32 %r9, %r5, %r6;" +
      kOut;
  for (uint64_t seed : {0, 1, 2, 3}) {
    Options options;
    options.seed = seed;
    const Ran ran = run_body(body, 64, 1, options);
    CHECK(ran.told == "");
    CHECK(ran.out == 61);
  }
  Options one_lane;
  one_lane.one_lane = true;
  CHECK(run_body(body, 64, 1, one_lane).told == "");
  // A relaxed arrival, or a relaxed wait, orders nothing.
  std::string relaxed = body;
  relaxed.replace(relaxed.find("arrive.shared"), 6, "arrive.relaxed.cta");
  CHECK(tells(run_body(relaxed, 64), "unordered with the write by warp 0"));
}

TEST_CASE("emulator: mbarrier: a wait that nobody ends is a deadlock that says what is missing") {
  const std::string body = set_up(3) + R"(
    bar.sync 0;
    @%p0 mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [%r2], 16384;
    @%p0 mbarrier.arrive.shared::cta.b64 %rd5, [%r2];
    bar.sync 0;)" + kWaitParity0 +
                           "mov.u32 %r9, 0;" + kOut;
  const Ran ran = run_body(body, 64);
  CHECK_FALSE(ran.result.completed);
  CHECK(notes(ran, FindingKind::kDeadlock)
            .find("mbarrier 0x400 phase 0: 2 of 3 arrivals pending, 16384 bytes outstanding") !=
        std::string::npos);
}

TEST_CASE("emulator: mbarrier: states name phases") {
  // Two phases of two arrivals each by one thread; the first state's phase is over when the second begins.
  const std::string body = set_up(2) + R"(
    @!%p0 ret;
    mbarrier.arrive.shared.b64 %rd5, [%r2];
    mbarrier.pending_count.b64 %r4, %rd5;
    mbarrier.test_wait.shared.b64 %p3, [%r2], %rd5;
    mbarrier.arrive.noComplete.release.cta.shared::cta.b64 %rd6, [%r2], 1;
  )";
  // The last arrival ends the phase although it said that it would not.
  CHECK(tells(run_body(body + "mov.u32 %r9, 1;" + kOut),
              "mbarrier 0x400: a .noComplete arrival ended the phase"));
  const std::string good = set_up(2) + R"(
    @!%p0 ret;
    mbarrier.arrive.noComplete.shared.b64 %rd5, [%r2], 1;
    mbarrier.pending_count.b64 %r4, %rd5;
    mbarrier.test_wait.shared.b64 %p3, [%r2], %rd5;
    mbarrier.arrive.shared.b64 %rd6, [%r2];
    mbarrier.pending_count.b64 %r5, %rd6;
    mbarrier.test_wait.acquire.cta.shared.b64 %p4, [%r2], %rd6;
    mbarrier.arrive.release.cluster.shared.b64 %rd7, [%r2], 2;
    mbarrier.test_wait.shared.b64 %p5, [%r2], %rd7;
    selp.u32 %r6, 100, 0, %p3;
    selp.u32 %r7, 1000, 0, %p4;
    selp.u32 %r8, 10000, 0, %p5;
    mad.lo.u32 %r9, %r4, 10, %r5;
    add.u32 %r9, %r9, %r6;
    add.u32 %r9, %r9, %r7;
    add.u32 %r9, %r9, %r8;)";
  const Ran ran = run_body(good + kOut);
  CHECK(ran.told == "");
  CHECK(ran.out == 11021);
  const std::string stale = "mbarrier.test_wait.shared.b64 %p5, [%r2], %rd6;";
  CHECK(tells(run_body(good + stale + kOut), "neither of the running phase nor of the one before"));
}

TEST_CASE("emulator: mbarrier: who drops out is not waited for again") {
  const std::string body = set_up(2) + R"(
    @!%p0 ret;
    mbarrier.arrive_drop.shared.b64 %rd5, [%r2];
    mbarrier.arrive.shared.b64 %rd6, [%r2];
    mbarrier.arrive.shared.b64 %rd7, [%r2];
    mbarrier.test_wait.parity.shared.b64 %p3, [%r2], 1;
    selp.u32 %r9, 1, 2, %p3;)" +
                           kOut;
  const Ran ran = run_body(body);
  CHECK(ran.told == "");
  CHECK(ran.out == 1);
}

TEST_CASE("emulator: mbarrier: bytes are counted by hand too") {
  const std::string body = set_up(1) + R"(
    @!%p0 ret;
    mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 %rd5, [%r2], 100;
    mbarrier.complete_tx.relaxed.cluster.shared::cta.b64 [%r2], 60;
    mbarrier.test_wait.parity.shared.b64 %p3, [%r2], 0;
    mbarrier.complete_tx.shared::cta.b64 [%r2], 40;
    mbarrier.test_wait.parity.shared.b64 %p4, [%r2], 0;
    selp.u32 %r9, 1, 2, %p3;
    selp.u32 %r8, 10, 20, %p4;
    add.u32 %r9, %r9, %r8;)" +
                           kOut;
  const Ran ran = run_body(body);
  CHECK(ran.told == "");
  CHECK(ran.out == 12);
}

TEST_CASE("emulator: mbarrier: misuse is told of, each kind in its words") {
  const std::string out = "mov.u32 %r9, 0;" + kOut;
  auto alone = [&](const std::string& instructions) {
    return run_body(set_up(1) + "@!%p0 ret;" + instructions + out);
  };
  CHECK(tells(alone("mbarrier.arrive.shared.b64 %rd5, [%r2], 2;"),
              "misused mbarrier: mbarrier 0x400: more arrivals than the phase expects"));
  CHECK(tells(alone("mbarrier.init.shared.b64 [%r2], 1;"),
              "mbarrier 0x400: initialised while it lives; mbarrier.inval must come between"));
  CHECK(alone("mbarrier.inval.shared.b64 [%r2]; mbarrier.init.shared.b64 [%r2], 1;").told == "");
  CHECK(tells(alone("mbarrier.arrive.shared.b64 %rd5, [%r2+8];"),
              "mbarrier 0x408: used, but no mbarrier.init made it"));
  CHECK(tells(alone("mbarrier.inval.shared.b64 [%r2]; mbarrier.test_wait.parity.shared.b64 %p3, [%r2], 0;"),
              "mbarrier 0x400: used, but no mbarrier.init made it"));
  CHECK(tells(alone("st.shared.u32 [%r2], 0; mbarrier.arrive.shared.b64 %rd5, [%r2];"),
              "mbarrier 0x400: something else was written over it"));
  CHECK(tells(alone("mbarrier.arrive.shared.b64 %rd5, [%r2+4];"), "misaligned"));
  CHECK(tells(alone("mbarrier.arrive.shared.b64 %rd5, [%r2+4096];"), "used, but no mbarrier.init made it"));
  CHECK(tells(alone("mov.u32 %r5, 0; mbarrier.init.shared.b64 [%r2+8], %r5;"),
              "its count must be 1 to 1048575"));
  CHECK(tells(alone("mbarrier.expect_tx.shared.b64 [%r2], 1048576;"), "more than 1048575 bytes outstanding"));
  CHECK(tells(alone("mbarrier.expect_tx.shared.b64 [%r2], 16;"), "wants 16 more bytes of copies"));
  CHECK(tells(alone("mbarrier.arrive.b64 %rd5, [%rd0];"),
              "a generic address that is not one of shared memory"));
}

TEST_CASE("emulator: mbarrier: generic addresses name it too") {
  const Ran ran = run_body(set_up(1) + R"(
    @!%p0 ret;
    cvt.u64.u32 %rd3, %r2;
    cvta.shared.u64 %rd3, %rd3;
    mbarrier.arrive.b64 %rd5, [%rd3];
    mbarrier.test_wait.b64 %p3, [%rd3], %rd5;
    selp.u32 %r9, 1, 2, %p3;)" +
                           kOut);
  CHECK(ran.told == "");
  CHECK(ran.out == 1);
}

TEST_CASE("emulator: mbarrier: an initialisation that nothing orders before its use is a race") {
  CHECK(tells(run_body(set_up(64) + "mbarrier.arrive.shared.b64 %rd5, [%r2]; mov.u32 %r9, 0;" + kOut, 64),
              "race in shared memory"));
}

TEST_CASE("emulator: mbarrier: blocks of a cluster arrive on each other's, but wait on their own") {
  // Each block's thread 0 arrives on block 0's barrier; block 0 waits.
  const std::string arrive = set_up(2) + R"(
    fence.mbarrier_init.release.cluster;
    barrier.cluster.arrive.release.aligned;
    barrier.cluster.wait.acquire.aligned;
    mapa.shared::cluster.u32 %r4, %r2, 0;
    @%p0 mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r4];
    mov.u32 %r5, %cluster_ctarank;
    setp.ne.u32 %p3, %r5, 0;
  )";
  const std::string end = R"(
    done:
    barrier.cluster.arrive.aligned;
    barrier.cluster.wait.aligned;
    mov.u32 %r9, 7;)" + kOut;
  CHECK(run_body(arrive + "@%p3 bra done;" + kWaitParity0 + end, 32, 2).told == "");
  std::string remote = kWaitParity0;
  remote.replace(remote.find("%r2"), 3, "%r4");
  CHECK(tells(run_body(arrive + remote + end, 32, 2),
              "mbarrier 0x1000400: only the threads of its own block may wait for it"));
}

TEST_CASE("emulator: mbarrier: forms that PTX lacks are errors with their line") {
  CHECK(decode_error("mbarrier.arrive.shared::cluster.b64 %rd5, [%r2];").find("gives no state") !=
        std::string::npos);
  CHECK(decode_error("mbarrier.arrive.global.b64 %rd5, [%rd0];").find("shared memory") != std::string::npos);
  CHECK(decode_error("mbarrier.arrive.shared.b32 %rd5, [%r2];") != "");
  CHECK(decode_error("mbarrier.test_wait.shared.b64 %p1, [%r2];") != "");
  CHECK(decode_error("mbarrier.leave.shared.b64 [%r2];") != "");
}
