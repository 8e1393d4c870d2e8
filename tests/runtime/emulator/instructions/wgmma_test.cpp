// wgmma in kernels: the rules of registers in flight, of shared memory, of warpgroups. Where each element goes, and every sum,
// is the golden corpus' (golden_corpus_test.cpp), as a card gave them.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "runtime/emulator/instructions/matrix_descriptor.h"
#include "tests/runtime/emulator/ptx_kernel.h"
#include "tests/runtime/emulator/ptxas.h"

namespace tenon::emulator {
namespace {

/// m64n8k16 of bf16 ones. Its pieces, in the order of execution; a test replaces one.
struct Parts {
  // %tile: A's 64 rows of 32 bytes as core matrices (8 rows side by side: SBO 128, chunks 1024 apart: LBO 1024), then B's 8.
  std::string fill =
      "st.shared.v4.b32 [%to], {%one, %one, %one, %one};\n@%p0 st.shared.v4.b32 [%to+2048], {%one, %one, "
      "%one, %one};\n";
  std::string proxy_fence = "fence.proxy.async;\n";
  std::string barrier = "bar.sync 0;\n";
  std::string zero = "mov.f32 %f0, 0f00000000;\nmov.f32 %f1, %f0;\nmov.f32 %f2, %f0;\nmov.f32 %f3, %f0;\n";
  std::string fence = "wgmma.fence.sync.aligned;\n";
  std::string before = "";
  std::string mma =
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, %da, %db, %p1, 1, 1, 0, "
      "0;\n";
  std::string commit = "wgmma.commit_group.sync.aligned;\n";
  std::string flight = "";
  std::string wait = "wgmma.wait_group.sync.aligned 0;\n";
  std::string store = "st.global.v4.f32 [%out], {%f0, %f1, %f2, %f3};\n";

  std::string text() const {
    return kernel_text(".param .u64 out",
                       R"(
.reg .b32 %t, %tile, %to, %one, %x, %a<4>;
.reg .f32 %f<8>, %y;
.reg .b64 %out, %da, %db;
.reg .pred %p<4>;
.shared .align 1024 .b8 tile[4096];
mov.u32 %t, %tid.x;
mov.u32 %tile, tile;
ld.param.u64 %out, [out];
mad.wide.u32 %out, %t, 16, %out;
mad.lo.u32 %to, %t, 16, %tile;
mov.b32 %one, 0x3f803f80;
mov.b32 %a0, %one;
mov.b32 %a1, %one;
mov.b32 %a2, %one;
mov.b32 %a3, %one;
setp.lt.u32 %p0, %t, 16;
setp.lt.u32 %p1, %t, 4096;
setp.lt.u32 %p2, %t, 32;
shr.u32 %x, %tile, 4;
cvt.u64.u32 %da, %x;
or.b64 %da, %da, 0x0000000800400000;
add.u32 %x, %tile, 2048;
shr.u32 %x, %x, 4;
cvt.u64.u32 %db, %x;
or.b64 %db, %db, 0x0000000800080000;
)" + fill + proxy_fence + barrier +
                           zero + fence + before + mma + commit + flight + wait + store + "ret;");
  }
};

struct Ran {
  std::string told;
  std::vector<float> values;
};

Ran ran(const Parts& parts, int threads = 128, void (*adjust)(Options&) = nullptr) {
  PtxKernel kernel(parts.text());
  kernel.request.block[0] = threads;
  if (adjust) adjust(kernel.options);
  const uint64_t out = kernel.output(16 * 256);
  kernel.memory.fill(out, std::byte{0}, 16 * 256);
  const LaunchResult result = kernel.run(out);
  return {told(result), kernel.values<float>(out, 4 * 128)};
}

bool says(const Ran& ran, const std::string& words) { return ran.told.find(words) != std::string::npos; }

const std::string kRegistersMma =
    "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0, %f1, %f2, %f3}, {%a0, %a1, %a2, %a3}, %db, "
    "%p1, 1, 1, "
    "0;\n";

TEST_CASE("emulator: a fenced, committed, awaited wgmma is right, and ptxas takes it") {
  Parts parts;
  CHECK(ptxas_says(parts.text()) == "");
  const Ran good = ran(parts);
  CHECK(good.told == "");
  for (float value : good.values) CHECK(value == 16);
  for (uint64_t seed : {0, 3, 4})
    CHECK(ran(
              parts, 128,
              seed == 0   ? [](Options& o) { o.one_lane = true; }
              : seed == 3 ? [](Options& o) { o.seed = 3; }
                          : [](Options& o) { o.seed = 4; })
              .told == "");
  parts.mma = kRegistersMma;
  const Ran registers = ran(parts);
  CHECK(registers.told == "");
  CHECK(registers.values[77] == 16);
  // Back to back on the same accumulators, and with a group still in flight.
  parts.mma += kRegistersMma + "wgmma.commit_group.sync.aligned;\n" + kRegistersMma;
  const Ran thrice = ran(parts);
  CHECK(thrice.told == "");
  CHECK(thrice.values[77] == 48);
}

TEST_CASE("emulator: accumulators may not be read before the wait that covers them") {
  Parts parts;
  parts.wait = "";
  CHECK(says(ran(parts), "register hazard: what is stored"));
  parts.wait = "wgmma.wait_group.sync.aligned 1;\n";
  CHECK(says(ran(parts), "register hazard: what is stored"));
  // The wait covers the first group: its accumulators are there, the second's are not.
  const std::string second =
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f4, %f5, %f6, %f7}, %da, %db, %p3, 1, 1, 0, 0;\n"
      "wgmma.commit_group.sync.aligned;\n";
  parts.flight = "setp.gt.u32 %p3, %t, 4096;\n" + second;
  parts.store += "wgmma.wait_group.sync.aligned 0;\n";
  CHECK(ran(parts).told == "");
  parts.store = "wgmma.commit_group.sync.aligned;\n";
  CHECK(says(ran(parts), "unfinished at exit: the warp ends while this is in flight"));
  parts.store = "st.global.v4.f32 [%out], {%f4, %f5, %f6, %f7};\n";
  CHECK(says(ran(parts), "register hazard: what is stored"));
  // Uncommitted work is covered by no wait.
  Parts open;
  open.commit = "";
  CHECK(says(ran(open), "register hazard: what is stored"));
  // Read early, used late.
  Parts late;
  late.flight = "add.f32 %y, %f0, %f1;\n";
  late.store = "st.global.f32 [%out], %y;\n";
  CHECK(ran(late).told != "");
}

TEST_CASE("emulator: registers in flight may not be written") {
  Parts accumulator;
  accumulator.flight = "mov.f32 %f2, 0f3f800000;\n";
  CHECK(says(ran(accumulator), "an accumulator is written while"));
  Parts scaled;
  scaled.flight = "mul.f32 %f2, %f2, 0f40000000;\n";
  CHECK(says(ran(scaled), "an accumulator is written while"));
  Parts between;  // and a second wgmma does not hide it
  between.flight =
      "mul.f32 %f2, %f2, 0f40000000;\nwgmma.fence.sync.aligned;\n" + between.mma + between.commit;
  CHECK(says(ran(between), "an accumulator is written while"));
  Parts operand;
  operand.mma = kRegistersMma;
  operand.flight = "mov.b32 %a3, 0;\n";
  CHECK(says(ran(operand), "a register of A is written while"));
  operand.flight = "";
  operand.store += "mov.b32 %a3, 0;\nst.global.b32 [%out], %a3;\n";
  CHECK(ran(operand).told == "");
  Parts feed;  // A of the second is D of the first
  feed.flight =
      "mov.b32 %a0, 0;\nwgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f4, %f5, %f6, %f7}, {%f0, %f1, "
      "%f2, "
      "%f3}, %db, %p3, 1, 1, 0;\n";
  feed.zero += "setp.gt.u32 %p3, %t, 4096;\n";
  if (ptxas_says(feed.text()) == "") CHECK(says(ran(feed), "A is read from an accumulator"));
  // Where the rules are not watched, nothing is said.
  CHECK(ran(accumulator, 128, [](Options& o) { o.shared_races = false; }).told == "");
}

TEST_CASE("emulator: a write before wgmma wants a wgmma.fence between") {
  Parts parts;
  parts.fence = "";
  CHECK(says(ran(parts), "no wgmma.fence stands between"));
  parts.fence = Parts().fence;
  parts.before = "mov.f32 %f3, 0f00000000;\n";
  CHECK(says(ran(parts), "no wgmma.fence stands between"));
}

TEST_CASE("emulator: wgmma reads shared memory through the async proxy, in its own time") {
  Parts unfenced;
  unfenced.proxy_fence = "";
  CHECK(says(ran(unfenced), "fence.proxy.async"));
  Parts unordered;
  unordered.barrier = "";
  CHECK(says(ran(unordered), "race"));
  Parts overwritten;
  overwritten.flight = "st.shared.b32 [%to], %one;\n";
  CHECK(says(ran(overwritten), "race"));
  overwritten.flight = "";
  overwritten.wait += "bar.sync 0;\nst.shared.b32 [%to], %one;\n";
  CHECK(ran(overwritten).told == "");
}

TEST_CASE("emulator: what nothing wrote spoils its row or column of D alone") {
  Parts parts;
  // Thread 9 leaves out row 9 of chunk 0 of A: warp 0, row 8 + 1: registers 2 and 3 of lanes 4 to 7.
  parts.fill =
      "setp.ne.u32 %p2, %t, 9;\n@%p2 st.shared.v4.b32 [%to], {%one, %one, %one, %one};\n"
      "@%p0 st.shared.v4.b32 [%to+2048], {%one, %one, %one, %one};\nshr.u32 %x, %t, 2;\nsetp.ne.u32 %p2, %x, "
      "1;\n";
  parts.store = "st.global.v2.f32 [%out], {%f0, %f1};\n@%p2 st.global.v2.f32 [%out+8], {%f2, %f3};\n";
  CHECK(ran(parts).told == "");
  parts.store = "@!%p2 st.global.v2.f32 [%out+8], {%f2, %f3};\n";
  CHECK(says(ran(parts), "what is stored"));
  // D is not read where the scale says so: it need not have been written.
  Parts fresh;
  fresh.zero = "setp.gt.u32 %p1, %t, 4096;\n";
  CHECK(ran(fresh).told == "");
  fresh.zero = "";
  CHECK(says(ran(fresh), "what is stored"));
}

TEST_CASE("emulator: a warpgroup is four warps at one wgmma") {
  CHECK(says(ran(Parts(), 64), "the block has no warp 2"));
  CHECK(says(ran(Parts(), 100), "divergent collective"));
  Parts apart;
  apart.mma = "@%p2 bra first;\n" + Parts().mma + "bra on;\nfirst:\n" + Parts().mma + "on:\n";
  CHECK(says(ran(apart), "different wgmma.mma_async"));
  Parts waiting;  // warp 0 is at a barrier where the others never come
  waiting.before = "@%p2 bar.sync 1, 64;\n";
  const Ran stuck = ran(waiting);
  CHECK(says(stuck, "deadlock"));
  Parts scales;
  scales.before = "setp.lt.u32 %p1, %t, 40;\n";
  CHECK(says(ran(scales), "the scale of D is not the same"));
}

TEST_CASE("emulator: descriptors must agree, lie in shared memory, and be what is supported") {
  Parts parts;
  parts.before = "@%p2 add.u64 %da, %da, 1;\n";
  CHECK(says(ran(parts), "the descriptor of A is not the same"));
  parts.before = "add.u64 %db, %db, 2048;\n";
  CHECK(says(ran(parts), "out of bounds"));
  parts.before = "or.b64 %db, %db, 0x0002000000000000;\n";
  CHECK(says(ran(parts), "the descriptor of B: a base offset of 1"));
  parts.before = "or.b64 %da, %da, 0x4000000000000000;\nadd.u64 %da, %da, 8;\n";
  CHECK(says(ran(parts), "the descriptor of A: the matrix starts 128 bytes into"));
  parts.before = ".reg .b64 %never;\nmov.b64 %da, %never;\n";
  CHECK(says(ran(parts), "a matrix descriptor comes from"));
}

TEST_CASE("emulator: shapes and operands that wgmma does not have are errors") {
  const struct {
    const char *mma, *message;
  } bad[] = {
      {"wgmma.mma_async.sync.aligned.m64n8k8.f32.bf16.bf16 {%f0,%f1,%f2,%f3}, %da, %db, %p1, 1, 1, 0, 0;",
       "no shape"},
      {"wgmma.mma_async.sync.aligned.m64n12k16.f32.bf16.bf16 {%f0,%f1,%f2,%f3}, %da, %db, %p1, 1, 1, 0, 0;",
       "no shape"},
      {"wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.f16 {%f0,%f1,%f2,%f3}, %da, %db, %p1, 1, 1, 0, 0;",
       "together"},
      {"wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0,%f1,%f2}, %da, %db, %p1, 1, 1, 0, 0;",
       "4 registers"},
      {"wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0,%f1,%f2,%f3}, %da, %db, %p1, 1, 2, 0, 0;",
       "between"},
      {"wgmma.mma_async.sync.aligned.m64n8k16.f32.bf16.bf16 {%f0,%f1,%f2,%f3}, %da, %db, %p1, 1, 1;",
       "operands"},
      {"wgmma.mma_async.sync.aligned.m64n8k8.f32.tf32.tf32 {%f0,%f1,%f2,%f3}, %da, %db, %p1, 1, 1, 0, 0;",
       "operands"},
  };
  for (const auto& wrong : bad) {
    Parts parts;
    parts.mma = wrong.mma;
    CHECK_MESSAGE(ptxas_says(parts.text()) != "", wrong.mma);
    std::string said;
    try {
      PtxKernel kernel(parts.text());
    } catch (const Error& error) {
      said = error.what();
    }
    CHECK_MESSAGE(said.find(wrong.message) != std::string::npos, wrong.mma, ": ", said);
  }
}

TEST_CASE("emulator: descriptors give each row of 16 bytes of a tile once") {
  // 64 rows of 128 bytes, swizzled: chunks of a row fill its 128 bytes in another order; in none they are 8 rows side by side.
  for (int swizzle : {8, 4, 2}) {
    MatrixDescriptor d;
    d.start = 0x2000;
    d.swizzle = swizzle;
    d.stride = static_cast<uint32_t>(8 * 16 * swizzle);
    std::vector<int> seen(64 * static_cast<size_t>(swizzle));
    for (int block = 0; block < 8; ++block)
      for (int chunk = 0; chunk < swizzle; ++chunk)
        for (int r = 0; r < 8; ++r) {
          const uint32_t piece = (core_addresses(d, true, block, chunk)[r] - 0x2000) / 16;
          REQUIRE(piece < seen.size());
          ++seen[piece];
          CHECK(static_cast<int>(piece) / swizzle == block * 8 + r);
        }
    CHECK(std::count(seen.begin(), seen.end(), 1) == static_cast<int>(seen.size()));
  }
  MatrixDescriptor none = matrix_descriptor(0x0000'0010'0020'0100);
  CHECK(none.start == 0x1000);
  CHECK(none.leading == 0x200);
  CHECK(none.stride == 0x100);
  CHECK(none.swizzle == 1);
  CHECK(core_addresses(none, true, 3, 1)[2] == 0x1000 + 3 * 0x100 + 0x200 + 2 * 16);
  CHECK(core_addresses(none, false, 3, 1)[2] == 0x1000 + 3 * 0x100 + 0x200 + 2 * 16);
}

}  // namespace
}  // namespace tenon::emulator
