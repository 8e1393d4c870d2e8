// launch_test.cpp: what devices refuse, and which blocks are where.
#include <doctest/doctest.h>

#include <functional>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/machine/body_kernel.h"

namespace tenon::emulator {
namespace {

std::string refusal(const std::function<void(BodyKernel&)>& change, const std::string& directives = "") {
  BodyKernel kernel("mov.u32 %r2, s;", 4, directives);
  change(kernel);
  try {
    kernel.run();
  } catch (const Error& error) {
    return llvm::StringRef(error.what()).rtrim().str();
  }
  return "";
}

TEST_CASE("emulator: launch: a request that no device takes is refused") {
  const std::string begin = "error: kernel k cannot be launched: ";
  CHECK(refusal([](BodyKernel&) {}) == "");
  CHECK(refusal([](BodyKernel& k) { k.request.grid[1] = 0; }) ==
        begin + "a grid of 1x0x1: its y must be 1 to 65535");
  CHECK(refusal([](BodyKernel& k) { k.request.grid[2] = 65536; }) ==
        begin + "a grid of 1x1x65536: its z must be 1 to 65535");
  CHECK(refusal([](BodyKernel& k) { k.request.block[2] = 65; }) ==
        begin + "a block of 1x1x65: its z must be 1 to 64");
  CHECK(refusal([](BodyKernel& k) { k.request.block[0] = k.request.block[1] = 33; }) ==
        begin + "a block of 1089 threads; the most is 1024");
  CHECK(refusal([](BodyKernel& k) { k.threads(129); }, ".maxntid 128, 1, 1") ==
        begin +
            "a block of 129 threads; the kernel was compiled for at most 128\n  hint: __launch_bounds__ sets "
            "that "
            "number");
  CHECK(refusal([](BodyKernel& k) { k.threads(64); }, ".maxntid 128, 1, 1") == "");
  CHECK(refusal([](BodyKernel& k) { k.threads(64); }, ".reqntid 128, 1, 1") ==
        begin + "a block of 64 threads; the kernel demands 128");
  CHECK(refusal([](BodyKernel& k) { k.request.dynamic_shared_bytes = 227 * 1024 - 4096; }) == "");
  CHECK(refusal([](BodyKernel& k) { k.request.dynamic_shared_bytes = 227 * 1024; }) ==
        begin + "236544 bytes of shared memory; sm_90 gives a block at most 232448");
  CHECK(refusal([](BodyKernel& k) { k.request.cluster[0] = 17; }) ==
        begin + "a cluster of 17x1x1: its x must be 1 to 16");
  CHECK(refusal([](BodyKernel& k) { k.request.cluster[0] = k.request.cluster[1] = 5; }) ==
        begin + "a cluster of 25 blocks; the most is 16 (8 portably)");
  CHECK(refusal([](BodyKernel& k) { k.request.grid[0] = 3, k.request.cluster[0] = 2; }) ==
        begin + "a grid of 3x1x1 is no multiple of its clusters of 2x1x1");
  CHECK(refusal([](BodyKernel& k) { k.request.parameters.resize(4); }) ==
        begin + "its parameters are 8 bytes, 4 were given");
  BodyKernel large(".local .b8 x[262144];\nmov.u32 %r1, x;\nst.local.u32 [%r1], %r0;");
  large.request.grid[0] = large.request.cluster[0] = 16;
  large.threads(1024);
  CHECK_THROWS_WITH_AS(
      large.run(),
      (begin + "16 blocks together have registers and local memory of more than 8 GiB\n").c_str(), Error);
  const auto cooperative = [](int blocks) {
    return [=](BodyKernel& k) {
      k.request.cooperative = true;
      k.threads(1024).request.grid[0] = blocks;
    };
  };
  CHECK(refusal(cooperative(8)) == "");
  CHECK(refusal(cooperative(9)) ==
        begin + "a cooperative grid of 9 blocks; 4 multiprocessors hold 8 of them");
}

TEST_CASE("emulator: launch: blocks, clusters and ranks are where they belong") {
  BodyKernel kernel(
      "mov.u32 %r1, %ctaid.x;\n"
      "mov.u32 %r2, %ctaid.y;\n"
      "mov.u32 %r3, %cluster_ctarank;\n"
      "mov.u32 %r4, %clusterid.x;\n"
      "mov.u32 %r5, %clusterid.y;\n"
      "mad.lo.u32 %r6, %r2, 4, %r1;\n"
      "mad.lo.u32 %r7, %r5, 10, %r4;\n"
      "mad.lo.u32 %r7, %r7, 10, %r3;\n"
      "add.u32 %r7, %r7, 1000;\n"
      "mul.wide.u32 %rd2, %r6, 4;\n"
      "add.u64 %rd2, %rd0, %rd2;\n"
      "st.global.u32 [%rd2], %r7;");
  kernel.request.grid[0] = kernel.request.grid[1] = 4;
  kernel.request.cluster[0] = kernel.request.cluster[1] = 2;
  SUBCASE("cluster by cluster") {}
  SUBCASE("all together") { kernel.request.cooperative = true; }
  SUBCASE("by several host threads") { kernel.options.host_threads = 3; }
  CHECK(text(kernel.run()) == "");
  for (uint32_t y = 0; y < 4; ++y)
    for (uint32_t x = 0; x < 4; ++x)
      CHECK(kernel.out()[4 * y + x] == 1000 + y / 2 * 100 + x / 2 * 10 + y % 2 * 2 + x % 2);
}

TEST_CASE("emulator: launch: a block finds nothing of what the one before it left") {
  BodyKernel kernel(
      "mov.u32 %r1, %ctaid.x;\n"
      "setp.eq.u32 %p0, %r1, 0;\n"
      "mov.u32 %r2, s;\n"
      "@%p0 st.shared.u32 [%r2], 42;\n"
      "ld.shared.u32 %r3, [%r2];\n"
      "st.global.u32 [%rd1], %r3;");
  kernel.request.grid[0] = 2;
  const LaunchResult result = kernel.run();
  REQUIRE(result.findings.size() == 1);
  CHECK(result.findings[0].kind == FindingKind::kUninitialised);
  CHECK(result.findings[0].block[0] == 1);
}

TEST_CASE("emulator: launch: each block begins with the same clock and no carry, in whichever host thread") {
  BodyKernel kernel(
      "mov.u32 %r1, %ctaid.x;\n"
      "mov.u32 %r3, 0;\n"
      "addc.u32 %r3, %r3, 0;\n"
      "add.cc.u32 %r4, 0xffffffff, 0xffffffff;\n"
      "mov.u32 %r2, %clock;\n"
      "mad.lo.u32 %r2, %r3, 1000, %r2;\n"
      "mul.wide.u32 %rd2, %r1, 4;\n"
      "add.u64 %rd2, %rd0, %rd2;\n"
      "st.global.u32 [%rd2], %r2;");
  kernel.request.grid[0] = 8;
  kernel.options.uninitialised = false;
  SUBCASE("one") {}
  SUBCASE("three") { kernel.options.host_threads = 3; }
  CHECK(text(kernel.run()) == "");
  for (uint32_t i = 0; i < 8; ++i) CHECK(kernel.out()[i] == 32);
}

}  // namespace
}  // namespace tenon::emulator
