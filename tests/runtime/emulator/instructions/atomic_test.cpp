// Tests of atom, red and the fences: every operation and type, on values worked out beside it.
#include <doctest/doctest.h>

#include <bit>

#include "ir/diagnostics.h"
#include "runtime/emulator/instructions/atomic_updates.h"
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

constexpr const char* kOut = ".param .u64 out";
constexpr const char* kStart =
    ".reg .b64 %a, %t, %d<4>;\n.reg .b32 %i, %v<8>;\n.reg .f32 %f<4>;\n.reg .b16 %h<4>;\n.reg .pred %p;\n"
    "ld.param.u64 %a, [out];\nmov.u32 %i, %tid.x;\n";

/// Memory after all 32 lanes ran `body` on it.
template <class T>
std::vector<T> after(const std::vector<T>& before, const std::string& body) {
  PtxKernel kernel(kernel_text(kOut, kStart + body + "ret;"));
  const uint64_t a = kernel.input(before, "m");
  const LaunchResult result = kernel.run(a);
  CHECK(told(result) == "");
  CHECK(result.completed);
  return kernel.values<T>(a, before.size());
}

uint64_t updated(const char* operation, Type type, uint64_t old, uint64_t b, uint64_t c = 0,
                 bool flush = false) {
  const Update update = find_update(operation, type, flush);
  REQUIRE(bool(update != nullptr));
  return update(old, b, c);
}
uint32_t bits(float value) { return std::bit_cast<uint32_t>(value); }
uint64_t bits(double value) { return std::bit_cast<uint64_t>(value); }

TEST_CASE("emulator: atomic operations on integers") {
  CHECK(updated("add", Type::kU32, 0xffffffff, 2) == 1);
  CHECK(updated("add", Type::kS32, 0x7fffffff, 1) == 0x80000000);
  CHECK(updated("add", Type::kU64, ~0ull, 2) == 1);
  CHECK(updated("min", Type::kU32, 5, 0xffffffff) == 5);
  CHECK(updated("min", Type::kS32, 5, 0xffffffff) == 0xffffffff);
  CHECK(updated("max", Type::kU32, 5, 0xffffffff) == 0xffffffff);
  CHECK(updated("max", Type::kS32, 5, 0xffffffff) == 5);
  CHECK(updated("min", Type::kS64, 5, ~0ull) == ~0ull);
  CHECK(updated("max", Type::kU64, 5, ~0ull) == ~0ull);
  CHECK(updated("max", Type::kS64, 5, ~0ull) == 5);
  CHECK(updated("and", Type::kB32, 12, 10) == 8);
  CHECK(updated("or", Type::kB32, 12, 10) == 14);
  CHECK(updated("xor", Type::kB64, 12, 10) == 6);
  CHECK(updated("exch", Type::kB32, 12, 10) == 10);
  CHECK(updated("inc", Type::kU32, 3, 4) == 4);
  CHECK(updated("inc", Type::kU32, 4, 4) == 0);
  CHECK(updated("inc", Type::kU32, 9, 4) == 0);
  CHECK(updated("dec", Type::kU32, 3, 4) == 2);
  CHECK(updated("dec", Type::kU32, 0, 4) == 4);
  CHECK(updated("dec", Type::kU32, 9, 4) == 4);
  CHECK(updated("cas", Type::kB16, 7, 7, 9) == 9);
  CHECK(updated("cas", Type::kB32, 7, 8, 9) == 7);
}

TEST_CASE("emulator: atomic operations on floats round to nearest even and keep NaN canonical") {
  CHECK(updated("add", Type::kF32, bits(1.5f), bits(2.25f)) == bits(3.75f));
  CHECK(updated("add", Type::kF32, bits(1.0f), 0x7f800001) == 0x7fffffff);
  CHECK(updated("add", Type::kF32, 1, 1) == 2);           // subnormals stay in shared memory
  CHECK(updated("add", Type::kF32, 1, 1, 0, true) == 0);  // and are flushed in global memory
  CHECK(updated("add", Type::kF32, 0x80000001, 0x80000001, 0, true) == 0x80000000);
  CHECK(updated("add", Type::kF64, bits(1.0), bits(0x1p-60)) == bits(1.0));
  CHECK(updated("add", Type::kF16, 0x3c00, 0x3c00) == 0x4000);
  CHECK(updated("add", Type::kF16, 0x7bff, 0x7bff) == 0x7c00);
  CHECK(updated("add", Type::kBf16, 0x3f80, 0x3f80) == 0x4000);
  CHECK(updated("add", Type::kBf16, 0x3f80, 0x3b80) == 0x3f80);  // 1 + 2^-8: a tie, to even
  CHECK(updated("add", Type::kBf16, 0x3f81, 0x3b80) == 0x3f82);  // 1 + 2^-7 + 2^-8: a tie, to even
  CHECK(updated("add", Type::kF16x2, 0x3c004000, 0x3c003c00) == 0x40004200);
  CHECK(updated("add", Type::kBf16x2, 0x3f804000, 0x3f803f80) == 0x40004040);
  CHECK(updated("min", Type::kF16x2, 0x3c004000, 0x7e003c00) == 0x3c003c00);  // a NaN gives way
  CHECK(updated("max", Type::kF16, 0x8000, 0x0000) == 0x0000);                // +0 is above -0
  CHECK(updated("min", Type::kBf16, 0x7fc0, 0x7fc1) == 0x7fff);
  CHECK(!bool(find_update("min", Type::kF32, false)));
  CHECK(!bool(find_update("and", Type::kU32, false)));
  CHECK(!bool(find_update("add", Type::kS64, false)));
}

TEST_CASE("emulator: lanes update one place in turn, and each gets what was there") {
  // 32 lanes add 1 + lane; what they got back is stored behind.
  const std::vector<uint32_t> memory = after(std::vector<uint32_t>(33, 0),
                                             "add.u32 %v0, %i, 1;\natom.global.add.u32 %v1, [%a], %v0;\n"
                                             "mul.wide.u32 %t, %i, 4;\nadd.u64 %t, %t, %a;\n"
                                             "st.global.u32 [%t+4], %v1;\n");
  CHECK(memory[0] == 32 * 33 / 2);
  for (uint32_t i = 0; i < 32; ++i) CHECK(memory[i + 1] == i * (i + 1) / 2);
}

TEST_CASE("emulator: red and atom of every space and order") {
  CHECK(after<uint32_t>({5}, "red.global.add.u32 [%a], 2;\n")[0] == 69);
  CHECK(after<uint32_t>({5}, "red.release.gpu.global.max.s32 [%a], %i;\n")[0] == 31);
  CHECK(after<uint64_t>({0}, "cvt.u64.u32 %d0, %i;\natom.acq_rel.sys.max.u64 %d1, [%a], %d0;\n")[0] == 31);
  CHECK(after<float>({1}, "mov.f32 %f0, 0f3F000000;\natom.add.f32 %f1, [%a], %f0;\n")[0] == 17.0f);
  CHECK(after<uint32_t>({0}, "atom.relaxed.gpu.global.inc.u32 %v0, [%a], 9;\n")[0] == 32 % 10);
  CHECK(after<uint32_t>({0}, "atom.global.cas.b32 %v0, [%a], %i, 32;\n")[0] == 32);
  CHECK(after<uint16_t>({0, 5},
                        "mov.b16 %h0, 0;\nmov.b16 %h1, 77;\natom.global.cas.b16 %h2, [%a], %h0, %h1;\n") ==
        std::vector<uint16_t>{77, 5});
  CHECK(after<uint32_t>({0x3f803f80},
                        "mov.b32 %v0, 0x3f803f80;\nred.global.add.noftz.bf16x2 [%a], %v0;\n")[0] ==
        0x42044204);  // 33
  CHECK(after<uint16_t>({0, 0x3c00},
                        "mov.b16 %h0, 0x3c00;\natom.global.add.noftz.f16 %h1, [%a+2], %h0;\n")[1] ==
        0x5020);  // 33
  CHECK(after<float>({1, 2, 3, 4},
                     "mov.f32 %f0, 0f3F800000;\nmov.f32 %f1, 0f40000000;\n"
                     "red.global.add.v4.f32 [%a], {%f0, %f1, %f0, %f1};\n") ==
        std::vector<float>{33, 66, 35, 68});
  CHECK(after<uint32_t>({7},
                        ".shared .align 4 .b8 s[8];\nmov.u32 %v0, s;\nst.shared.u32 [%v0], 0;\nbar.sync 0;\n"
                        "atom.shared.add.u32 %v1, [%v0], 3;\nbar.sync 0;\nld.shared.u32 %v2, [%v0];\n"
                        "st.global.u32 [%a], %v2;\n")[0] == 96);
  CHECK(
      after<uint32_t>({7},
                      ".shared .align 4 .b8 s[8];\nmov.u64 %d0, s;\ncvta.shared.u64 %d0, %d0;\n"
                      "st.u32 [%d0], 1;\nbar.sync 0;\nred.or.b32 [%d0], 6;\nbar.sync 0;\nld.u32 %v2, [%d0];\n"
                      "st.u32 [%a], %v2;\n")[0] == 7);
}

TEST_CASE("emulator: a lock that lanes spin on changes hands") {
  const std::string body =
      "SPIN:\natom.global.cas.b32 %v0, [%a], 0, 1;\nsetp.ne.u32 %p, %v0, 0;\n@%p bra SPIN;\n"
      "ld.volatile.global.u32 %v1, [%a+4];\nadd.u32 %v1, %v1, 1;\nst.volatile.global.u32 [%a+4], %v1;\n"
      "membar.gl;\natom.global.exch.b32 %v0, [%a], 0;\n";
  CHECK(after<uint32_t>({0, 0}, body) == std::vector<uint32_t>{0, 32});
}

TEST_CASE("emulator: a lock that nobody gives back is a deadlock") {
  PtxKernel kernel(kernel_text(
      kOut, std::string(kStart) + "SPIN:\natom.global.cas.b32 %v0, [%a], 0, 1;\nsetp.ne.u32 %p, %v0, 0;\n"
                                  "@%p bra SPIN;\nret;"));
  kernel.options.instruction_budget = 1'000'000;
  const uint64_t a = kernel.input(std::vector<uint32_t>{1}, "lock");
  const LaunchResult result = kernel.run(a);
  CHECK(!result.completed);
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].kind == FindingKind::kDeadlock);
  CHECK(result.findings[0].text().find("another value at byte 0 of `lock`") != std::string::npos);
}

TEST_CASE("emulator: atomics combine with what was written, or that is a finding") {
  auto found = [](const std::string& body) {
    PtxKernel kernel(kernel_text(kOut, kStart + body + "ret;"));
    return told(kernel.run(kernel.output(8, "counter")));
  };
  CHECK(found("red.global.add.u32 [%a], 1;\n") ==
        "use of an uninitialised value: atomic access of 4 bytes at byte 0 of `counter`, which nothing wrote "
        "(line 13)\n");
  CHECK(found("atom.global.exch.b32 %v0, [%a], 1;\n") == "");
  CHECK(found("red.global.add.u32 [%a+2], 1;\n") ==
        "misaligned address: atomic access of 4 bytes at byte 2 of `counter`: the address must be a multiple "
        "of 4 "
        "(line 13)\n");
  CHECK(found("red.global.add.u32 [%a+8], 1;\n") ==
        "out of bounds: atomic access of 4 bytes at byte 8 of `counter`, which has 8 bytes (line 13)\n");
}

TEST_CASE("emulator: forms of atom, red and fences are known one by one") {
  auto error = [](const std::string& statement, const std::string& target = "sm_90a") {
    try {
      PtxKernel kernel(kernel_text(kOut, kStart + statement + "\nret;", target));
    } catch (const Error& e) {
      return e.diagnostics()[0].message;
    }
    return std::string();
  };
  CHECK(error("atom.global.min.f32 %f0, [%a], %f1;") == "there is no atomic .min of .f32");
  CHECK(error("red.global.exch.b32 [%a], %v0;") == "red has no .cas and no .exch");
  CHECK(error("red.global.add.f16x2 [%a], %v0;") == "16-bit floats want .noftz");
  CHECK(error("red.global.add.noftz.u32 [%a], %v0;") == ".noftz is for 16-bit floats");
  CHECK(error("red.global.max.noftz.f16x2 [%a], %v0;") == "a single atomic of 16-bit floats is .add");
  CHECK(error("red.global.max.noftz.v2.f16x2 [%a], {%v0, %v1};") == "");
  CHECK(error("red.shared.add.v2.f32 [%a], {%f0, %f1};").substr(0, 18) == "vector atomics are");
  CHECK(error("red.global.add.v2.f32 [%a], {%f0, %f1};", "sm_80").substr(0, 18) == "vector atomics are");
  CHECK(error("atom.local.add.u32 %v0, [%a], 1;") == "atomics act on global and shared memory alone");
  CHECK(error("atom.global.add.L2::cache_hint.u32 %v0, [%a], 1, %d0;") == "");
  CHECK(error("atom.shared::cluster.add.u32 %v0, [%v1], 1;") == "");
  for (const char* fence :
       {"fence.sc.cta;", "fence.acq_rel.gpu;", "fence.cluster;", "fence.mbarrier_init.release.cluster;",
        "fence.proxy.async;", "fence.proxy.async.global;", "fence.proxy.async.shared::cta;",
        "fence.proxy.alias;", "fence.proxy.tensormap::generic.release.gpu;",
        "fence.proxy.tensormap::generic.acquire.sys [%a], 128;", "membar.cta;", "membar.gl;", "membar.sys;",
        "fence.acquire.sync_restrict::shared::cluster.cluster;"})
    CHECK(error(fence) == "");
  CHECK(error("fence.proxy.texture;") != "");
  CHECK(error("fence.sc;") != "");
  CHECK(error("membar.cluster;") != "");
}

}  // namespace
}  // namespace tenon::emulator
