// cp.async: what arrives where, when, and what is told of a kernel that does not wait for it.
#include <doctest/doctest.h>

#include <numeric>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/ptx_kernel.h"
#include "tests/runtime/emulator/ptxas.h"

using namespace tenon;
using namespace tenon::emulator;

namespace {

// Each of 32 threads has 16 bytes of `in` (%rd3), of `out` (%rd4) and of shared memory (%r3).
const std::string kSetUp = R"(
  .shared .align 128 .b8 s[512];
  .shared .align 8 .b8 bar[8];
  .reg .b32 %r<16>;
  .reg .b64 %rd<16>;
  .reg .pred %p<8>;
  ld.param.u64 %rd0, [in];
  ld.param.u64 %rd1, [out];
  mov.u32 %r0, %tid.x;
  mul.wide.u32 %rd2, %r0, 16;
  add.s64 %rd3, %rd0, %rd2;
  add.s64 %rd4, %rd1, %rd2;
  mov.u32 %r1, s;
  mad.lo.s32 %r3, %r0, 16, %r1;
  mov.u32 %r4, bar;
)";
const std::string kShow = R"(
  ld.shared.v4.u32 {%r10, %r11, %r12, %r13}, [%r3];
  st.global.v4.u32 [%rd4], {%r10, %r11, %r12, %r13};
  ret;
)";

std::string text_of(const std::string& middle) {
  return kernel_text(".param .u64 in, .param .u64 out", kSetUp + middle + kShow);
}

struct Ran {
  std::string told;
  std::vector<uint8_t> out;
};

Ran run_middle(const std::string& middle, bool lazy = false) {
  const std::string text = text_of(middle);
  CHECK(ptxas_says(text) == "");
  PtxKernel kernel(text);
  kernel.options.lazy_copies = lazy;
  std::vector<uint8_t> in(512);
  std::iota(in.begin(), in.end(), uint8_t{1});
  const uint64_t from = kernel.input(in), to = kernel.output(512);
  Ran ran{told(kernel.run(from, to)), {}};
  ran.out = kernel.values<uint8_t>(to, 512);
  return ran;
}

/// The first thread's 16 bytes.
std::vector<int> first(const Ran& ran) { return {ran.out.begin(), ran.out.begin() + 16}; }

const std::vector<int> kAll = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

std::string decode_error(const std::string& instruction) {
  try {
    PtxKernel kernel(text_of(instruction));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("emulator: cp.async: copies of each size arrive, eager and lazy") {
  for (bool lazy : {false, true}) {
    for (const char* copies :
         {"cp.async.cg.shared.global [%r3], [%rd3], 16;",
          "cp.async.ca.shared.global.L2::128B [%r3], [%rd3], 16;",
          "cp.async.ca.shared::cta.global [%r3], [%rd3], 8; cp.async.ca.shared.global [%r3+8], [%rd3+8], 8;",
          "cp.async.ca.shared.global [%r3], [%rd3], 4; cp.async.ca.shared.global [%r3+4], [%rd3+4], 4;"
          "cp.async.ca.shared.global [%r3+8], [%rd3+8], 4; cp.async.ca.shared.global [%r3+12], [%rd3+12], "
          "4;"}) {
      for (const char* wait : {"cp.async.commit_group; cp.async.wait_group 0;", "cp.async.wait_all;"}) {
        const Ran ran = run_middle(std::string(copies) + wait, lazy);
        CHECK(ran.told == "");
        CHECK(first(ran) == kAll);
        CHECK(ran.out[511] == 0);  // 512 wrapped
        CHECK(ran.out[510] == 255);
      }
    }
  }
}

TEST_CASE("emulator: cp.async: what src-size leaves out becomes zero, and ignore-src leaves out all") {
  for (bool lazy : {false, true}) {
    const std::string wait = "cp.async.wait_all;";
    CHECK(first(run_middle("mov.u32 %r5, 6; cp.async.cg.shared.global [%r3], [%rd3], 16, %r5;" + wait,
                           lazy)) == std::vector<int>{1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    // Nothing is read, so the address may be any.
    const Ran none =
        run_middle("mov.u64 %rd5, 0; cp.async.cg.shared.global [%r3], [%rd5], 16, 0;" + wait, lazy);
    CHECK(none.told == "");
    CHECK(first(none) == std::vector<int>(16, 0));
    const Ran ignored =
        run_middle("setp.eq.u32 %p0, %r0, 0; cp.async.cg.shared.global [%r3], [%rd3], 16, %p0;" + wait, lazy);
    CHECK(ignored.told == "");
    CHECK(first(ignored) == std::vector<int>(16, 0));
    CHECK(ignored.out[16] == 17);
  }
}

TEST_CASE("emulator: cp.async: a read with no wait is a race; lazy copies show it in the values") {
  const std::string middle =
      "st.shared.u32 [%r3], 0; st.shared.v2.u32 [%r3+8], {%r0, %r0}; st.shared.u32 [%r3+4], 0;"
      "cp.async.cg.shared.global [%r3], [%rd3], 16; cp.async.commit_group;";
  const Ran eager = run_middle(middle), lazy = run_middle(middle, true);
  CHECK(
      eager.told ==
      "race in shared memory: warp 0 reads byte 0 of shared memory, unordered with the write by cp.async of "
      "warp 0 "
      "(line 22)\n");
  CHECK(first(eager) == kAll);
  CHECK(lazy.told == eager.told);
  CHECK(first(lazy) == std::vector<int>(16, 0));
}

TEST_CASE("emulator: cp.async: wait_group leaves the newest groups in flight") {
  const std::string two =
      "cp.async.ca.shared.global [%r3], [%rd3], 8; cp.async.commit_group;"
      "cp.async.ca.shared.global [%r3+8], [%rd3+8], 8; cp.async.commit_group;";
  const Ran ran = run_middle(two + "cp.async.wait_group 1;");
  CHECK(
      ran.told ==
      "race in shared memory: warp 0 reads byte 8 of shared memory, unordered with the write by cp.async of "
      "warp 0 "
      "(line 22)\n");
  CHECK(run_middle(two + "cp.async.commit_group; cp.async.wait_group 1;").told == "");
}

TEST_CASE("emulator: cp.async: an mbarrier tells of the copies") {
  const std::string wait = R"(
    setp.eq.u32 %p0, %r0, 0;
    @%p0 mbarrier.init.shared.b64 [%r4], 32;
    bar.sync 0;
    cp.async.cg.shared.global [%r3], [%rd3], 16;
    cp.async.mbarrier.arrive$.shared.b64 [%r4];
    $own
  again:
    mbarrier.try_wait.parity.shared.b64 %p1, [%r4], 0;
    @!%p1 bra again;
  )";
  auto made = [&](const char* arrive, const char* own) {
    std::string text = wait;
    text.replace(text.find("$own"), 4, own);
    return text.replace(text.find('$'), 1, arrive);
  };
  for (bool lazy : {false, true}) {
    const Ran foreseen = run_middle(made(".noinc", ""), lazy);
    CHECK(foreseen.told == "");
    CHECK(first(foreseen) == kAll);
    const Ran extra = run_middle(made("", "mbarrier.arrive.shared.b64 %rd9, [%r4];"), lazy);
    CHECK(extra.told == "");
    CHECK(first(extra) == kAll);
  }
}

TEST_CASE("emulator: cp.async: wrong operands are told of") {
  CHECK(run_middle("mov.u32 %r5, 17; cp.async.cg.shared.global [%r3], [%rd3], 16, %r5; cp.async.wait_all;")
            .told.substr(0, 45) == "out of bounds: src-size 17 exceeds cp-size 16");
  CHECK(run_middle("cp.async.cg.shared.global [%r3], [%rd3+8], 16; cp.async.wait_all;")
            .told.find("misaligned") != std::string::npos);
  CHECK(
      run_middle("cp.async.cg.shared.global [%r3], [%rd3+512], 16; cp.async.wait_all;").told.substr(0, 13) ==
      "out of bounds");
  CHECK(
      run_middle("cp.async.cg.shared.global [%r3+512], [%rd3], 16; cp.async.wait_all;").told.substr(0, 13) ==
      "out of bounds");
}

TEST_CASE("emulator: cp.async: copies that nothing committed are a leak") {
  const std::string text = kernel_text(".param .u64 in, .param .u64 out",
                                       kSetUp + "cp.async.cg.shared.global [%r3], [%rd3], 16; ret;");
  PtxKernel kernel(text);
  const uint64_t from = kernel.input(std::vector<uint8_t>(512, 1));
  CHECK(told(kernel.run(from, from))
            .find("the block ends with cp.async copies of warp 0 that no group was committed") !=
        std::string::npos);
}

TEST_CASE("emulator: cp.async: uninitialised bytes stay so") {
  const std::string text = text_of("cp.async.cg.shared.global [%r3], [%rd3], 16; cp.async.wait_all;");
  PtxKernel kernel(text);
  const uint64_t from = kernel.output(512, "nothing"), to = kernel.output(512);
  CHECK(told(kernel.run(from, to)).find("uninit") != std::string::npos);
}

TEST_CASE("emulator: cp.async: forms that PTX lacks are errors with their line") {
  CHECK(decode_error("cp.async.cg.shared.global [%r3], [%rd3], 8;").find("only 16") != std::string::npos);
  CHECK(decode_error("cp.async.ca.shared.global [%r3], [%rd3], 12;").find("4, 8 or 16") != std::string::npos);
  CHECK(decode_error("cp.async.ca.global.shared [%rd3], [%r3], 16, 1, 2, 3;") != "");
  CHECK(decode_error("cp.async.cs.shared.global [%r3], [%rd3], 16;") != "");
  CHECK(decode_error("cp.async.commit_group 0;") != "");
  CHECK(decode_error("cp.async.wait_group %r0;") != "");
}
