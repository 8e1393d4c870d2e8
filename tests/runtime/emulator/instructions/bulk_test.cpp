// cp.async.bulk: runs of bytes between global memory, a block's shared memory and its neighbours'.
#include <doctest/doctest.h>

#include <numeric>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/ptx_kernel.h"
#include "tests/runtime/emulator/ptxas.h"

using namespace tenon;
using namespace tenon::emulator;

namespace {

// %rd0: 256 bytes of input, %rd1: 256 bytes of output. %r1: 256 bytes of shared memory, %r2: an mbarrier that thread 0
// (%p0) initialised for one arrival. All threads know it.
const std::string kSetUp = R"(
  .shared .align 128 .b8 s[256];
  .shared .align 8 .b8 bar[8];
  .reg .b16 %h<4>;
  .reg .b32 %r<16>;
  .reg .b64 %rd<16>;
  .reg .pred %p<8>;
  ld.param.u64 %rd0, [in];
  ld.param.u64 %rd1, [out];
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, s;
  mov.u32 %r2, bar;
  setp.eq.u32 %p0, %r0, 0;
  @%p0 mbarrier.init.shared::cta.b64 [%r2], 1;
  fence.mbarrier_init.release.cluster;
  bar.sync 0;
)";
const std::string kLoad = R"(
  @%p0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 256;
  @%p0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd0], 256, [%r2];
)";
const std::string kWait = R"(
  wait: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r2], 0;
  @!%p1 bra wait;
)";
// Each thread copies 8 bytes from shared memory to the output.
const std::string kShow = R"(
  mad.lo.u32 %r5, %r0, 8, %r1;
  mul.wide.u32 %rd5, %r0, 8;
  add.s64 %rd5, %rd1, %rd5;
  ld.shared.u64 %rd6, [%r5];
  st.global.u64 [%rd5], %rd6;
)";
const std::string kStore = R"(
  @%p0 cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r1], 256;
  @%p0 cp.async.bulk.commit_group;
)";
const std::string kFill = R"(
  mad.lo.u32 %r5, %r0, 8, %r1;
  add.u32 %r6, %r0, 100;
  st.shared.v2.u32 [%r5], {%r0, %r6};
)";

struct Ran {
  LaunchResult result;
  std::string told;
  std::vector<uint32_t> out;
};

Ran run_body(const std::string& body, int cluster = 1) {
  const std::string text = kernel_text(".param .u64 in, .param .u64 out", kSetUp + body + " ret;");
  CHECK(ptxas_says(text) == "");
  PtxKernel kernel(text);
  kernel.request.grid[0] = kernel.request.cluster[0] = cluster;
  std::vector<uint32_t> in(64), zeros(64);
  std::iota(in.begin(), in.end(), 1u);
  const uint64_t from = kernel.input(in), to = kernel.input(zeros, "out");
  Ran ran{kernel.run(from, to), {}, {}};
  ran.told = told(ran.result);
  ran.out = kernel.values<uint32_t>(to, 64);
  return ran;
}

bool tells(const Ran& ran, const std::string& words) {
  const bool found = ran.told.find(words) != std::string::npos;
  if (!found) MESSAGE(ran.told << " does not tell: " << words);
  return found;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string decode_error(const std::string& instruction) {
  try {
    PtxKernel kernel(kernel_text(".param .u64 in, .param .u64 out", kSetUp + instruction + " ret;"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::vector<uint32_t> counted(uint32_t first, uint32_t step) {
  std::vector<uint32_t> all(64);
  for (uint32_t i = 0; i < 64; ++i) all[i] = first + i * step;
  return all;
}

}  // namespace

TEST_CASE("emulator: bulk copies: to shared memory, told by an mbarrier") {
  const Ran ran = run_body(kLoad + kWait + kShow);
  CHECK(ran.told == "");
  CHECK(ran.out == counted(1, 1));
  CHECK(ran.result.meter.totals().async_bytes == 256);
  const Ran no_wait = run_body(kLoad + kShow);
  CHECK(tells(
      no_wait,
      "warp 0 reads byte 0 of shared memory, unordered with the write by a bulk copy into shared memory"));
  const std::string hinted =
      "mov.u64 %rd9, 0;" +
      replaced(replaced(kLoad, "bytes [", "bytes.L2::cache_hint ["), "256, [%r2]", "256, [%r2], %rd9");
  CHECK(run_body(hinted + kWait + kShow).out == counted(1, 1));
}

TEST_CASE("emulator: bulk copies: the copy engine must be shown an mbarrier by a fence") {
  const std::string fence = "fence.mbarrier_init.release.cluster;";
  auto ran = [&](const std::string& instead) {
    PtxKernel kernel(
        replaced(kernel_text(".param .u64 in, .param .u64 out", kSetUp + kLoad + kWait + kShow + " ret;"),
                 fence, instead));
    const uint64_t from = kernel.input(counted(1, 1)), to = kernel.output(256);
    return told(kernel.run(from, to));
  };
  CHECK(ran(fence) == "");
  CHECK(ran("fence.proxy.async.shared::cta;") == "");
  CHECK(ran("") ==
        "missing proxy fence: mbarrier 0x500: a bulk copy completes on it, but no fence.mbarrier_init or "
        "fence.proxy.async followed its mbarrier.init (line 24)\n");
}

TEST_CASE("emulator: bulk copies: to global memory, after a fence and before an exit") {
  const std::string fence = "fence.proxy.async.shared::cta; bar.sync 0;";
  const std::string wait = "@%p0 cp.async.bulk.wait_group.read 0;";
  const Ran ran = run_body(kFill + fence + kStore + wait);
  CHECK(ran.told == "");
  for (uint32_t i = 0; i < 32; ++i) {
    CHECK(ran.out[2 * i] == i);
    CHECK(ran.out[2 * i + 1] == i + 100);
  }
  CHECK(tells(run_body(kFill + "bar.sync 0;" + kStore + wait), "missing proxy fence"));
  CHECK(tells(run_body(kFill + fence + kStore), "that nothing waited for"));
  CHECK(tells(run_body(kFill + fence + replaced(kStore, "@%p0 cp.async.bulk.commit_group;", "")),
              "that nothing waited for"));
  // Shared memory may be written again only when it has been read.
  const std::string again = "bar.sync 0;" + kFill;
  CHECK(run_body(kFill + fence + kStore + wait + again).told == "");
  CHECK(tells(run_body(kFill + fence + kStore + again + wait),
              "unordered with the read by a bulk copy of warp 0"));
  // One group may stay.
  CHECK(tells(run_body(kFill + fence + kStore + "@%p0 cp.async.bulk.wait_group.read 1;" + again),
              "unordered with the read by a bulk copy of warp 0"));
}

TEST_CASE("emulator: bulk copies: reductions") {
  const std::string fence = "fence.proxy.async.shared::cta; bar.sync 0;";
  const std::string wait = "@%p0 cp.async.bulk.wait_group 0;";
  const std::string twice = replaced(replaced(kStore, "cp.async.bulk.global.shared::cta.bulk_group",
                                              "cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32"),
                                     "@%p0 cp.async.bulk.commit_group;",
                                     "@%p0 cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 "
                                     "[%rd1], [%r1], 256; @%p0 cp.async.bulk.commit_group;");
  const Ran ran = run_body(kFill + fence + twice + wait);
  CHECK(ran.told == "");
  CHECK(ran.out[62] == 62);
  CHECK(ran.out[63] == 262);
  CHECK(decode_error("cp.reduce.async.bulk.global.shared::cta.bulk_group.inc.s32 [%rd1], [%r1], 256;")
            .find("no such reduction") != std::string::npos);
}

TEST_CASE("emulator: bulk copies: to all blocks of a mask, and from block to block") {
  // Block 0 reads and gives the bytes to both; block 1 shows its own.
  const std::string start = R"(
    mov.u32 %r7, %cluster_ctarank;
    setp.eq.u32 %p2, %r7, 0;
    and.pred %p3, %p0, %p2;
    @%p0 mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r2], 256;
    barrier.cluster.arrive.release.aligned; barrier.cluster.wait.acquire.aligned;
  )";
  const std::string end = "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;";
  const std::string multicast = R"(
    mov.u16 %h0, 3;
    @%p3 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r1], [%rd0], 256, [%r2], %h0;
  )";
  const Ran both = run_body(start + multicast + kWait + "@%p2 bra done;" + kShow + "done:" + end, 2);
  CHECK(both.told == "");
  CHECK(both.out == counted(1, 1));
  CHECK(tells(run_body(start + replaced(multicast, "%h0, 3", "%h0, 11") + kWait + end, 2),
              "the cluster has no block 3"));

  // Block 0 writes its own shared memory and sends it to block 1.
  const std::string send = R"(
    @!%p2 bra receive;
    mad.lo.u32 %r5, %r0, 8, %r1;
    add.u32 %r6, %r0, 100;
    st.shared.v2.u32 [%r5], {%r0, %r6};
    fence.proxy.async.shared::cta;
    bar.sync 0;
    mapa.shared::cluster.u32 %r8, %r1, 1;
    mapa.shared::cluster.u32 %r9, %r2, 1;
    @%p0 mbarrier.complete_tx.shared::cta.b64 [%r2], 256;
    @%p0 cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r8], [%r1], 256, [%r9];
    bra done;
  receive:)";
  const Ran sent = run_body(start + send + kWait + kShow + "done:" + end, 2);
  CHECK(sent.told == "");
  CHECK(sent.out[62] == 31);
  CHECK(sent.out[63] == 131);
  CHECK(tells(run_body(start + replaced(send, "256, [%r9]", "256, [%r2]") + end + "done:" + end, 2),
              "the mbarrier of a bulk copy lies in another block than its target"));
}

TEST_CASE("emulator: bulk copies: wrong operands are told of") {
  auto load = [&](const std::string& from, const std::string& to) {
    return run_body(replaced(kLoad, from, to) + kWait);
  };
  const std::string copy = "[%r1], [%rd0], 256, [%r2]";
  CHECK(tells(
      run_body("mov.u32 %r4, 24; @%p0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%r1], [%rd0], %r4, [%r2];"),
      "a bulk copy of 24 bytes: no multiple of 16"));
  CHECK(tells(load(copy, "[%r1], [%rd0+16], 256, [%r2]"), "out of bounds"));
  CHECK(tells(load(copy, "[%r1+240], [%rd0], 256, [%r2]"), "out of bounds"));
  CHECK(tells(load(copy, "[%r1], [%rd0+8], 16, [%r2]"), "misaligned"));
  CHECK(tells(
      run_body(
          "@%p0 cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd0], 16, [%r1];"),
      "used, but no mbarrier.init made it"));
  CHECK(tells(run_body("@%p0 cp.async.bulk.prefetch.L2.global [%rd0+8], 16;"), "not aligned to 16 bytes"));
  CHECK(run_body("@%p0 cp.async.bulk.prefetch.L2.global [%rd0], 256;").told == "");
}

TEST_CASE("emulator: bulk copies: forms that PTX lacks are errors with their line") {
  CHECK(decode_error("cp.async.bulk.global.shared::cta [%rd1], [%r1], 256;") != "");
  CHECK(decode_error("cp.async.bulk.shared::cluster.global.bulk_group [%r1], [%rd0], 256;") != "");
  CHECK(decode_error(
            "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd0], 256;") != "");
  CHECK(decode_error("cp.async.bulk.global.global.bulk_group [%rd1], [%rd0], 256;") != "");
  CHECK(decode_error("cp.async.bulk.wait_group.write 0;") != "");
}
