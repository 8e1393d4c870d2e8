// Tests of meters: bytes, sectors, unique bytes, bank passes and classes of small kernels, worked out by hand.
#include "runtime/emulator/machine/meter.h"

#include <doctest/doctest.h>

#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

/// One warp, 8 KB of `in`, 8 KB of `out`. %a, %b: their addresses; %s: 4 KB of shared memory; %x: 8 bytes * lane.
Meter metered(const std::string& body, const Options& options = {}) {
  PtxKernel kernel(kernel_text(".param .u64 in, .param .u64 out",
                               ".shared .align 128 .b8 s[8192];\n.reg .b64 %a, %b, %x, %t;\n.reg .b32 %i, "
                               "%s, %o, %v<4>;\n.reg .pred %p;\n"
                               "ld.param.u64 %a, [in];\nld.param.u64 %b, [out];\nmov.u32 %i, "
                               "%tid.x;\nmov.u32 %s, s;\nmul.wide.u32 %x, %i, 8;\n" +
                                   body + "ret;"));
  kernel.options = options;
  const uint64_t a = kernel.input(std::vector<uint32_t>(2048, 1)),
                 b = kernel.input(std::vector<uint32_t>(2048, 1));
  const LaunchResult result = kernel.run(a, b);
  CHECK(told(result) == "");
  return result.meter;
}

std::string load(const std::string& per_lane, const std::string& instruction) {
  return "mul.wide.u32 %t, %i, " + per_lane + ";\nadd.u64 %t, %t, %a;\n" + instruction + "\n";
}
std::string shared(const std::string& per_lane, const std::string& instruction) {
  return "mul.lo.u32 %o, %i, " + per_lane + ";\nadd.u32 %o, %o, %s;\n" + instruction + "\n";
}

TEST_CASE("emulator: sectors of coalesced, strided and shared reads") {
  auto check = [](const Meter& meter, uint64_t bytes, uint64_t sectors, uint64_t unique) {
    const Meter::Totals totals = meter.totals();
    CHECK(totals.global_bytes_read == bytes);
    CHECK(totals.sectors_read == sectors);
    CHECK(meter.unique_bytes_read == unique);
    CHECK(totals.global_bytes_written == 0);
    CHECK(meter.unique_bytes_written == 0);
  };
  check(metered(load("4", "ld.global.u32 %v0, [%t];")), 128, 4, 128);
  check(metered(load("4", "ld.global.u32 %v0, [%t+4];")), 128, 5, 160);
  check(metered(load("32", "ld.global.u32 %v0, [%t];")), 128, 32, 1024);
  check(metered(load("0", "ld.global.u32 %v0, [%t];")), 128, 1, 32);
  check(metered(load("16", "ld.global.v4.u32 {%v0, %v1, %v2, %v3}, [%t];")), 512, 16, 512);
  check(metered(load("2", "ld.global.u16 %v0, [%t];")), 64, 2, 64);
  check(metered(load("4", "ld.global.u32 %v0, [%t];\nld.global.u32 %v0, [%t];")), 256, 8, 128);
  check(metered(load("4", "setp.lt.u32 %p, %i, 8;\n@%p ld.global.u32 %v0, [%t];")), 32, 1, 32);
}

TEST_CASE("emulator: bytes written, and atomics that read and write") {
  const Meter store = metered("add.u64 %t, %b, %x;\nst.global.u32 [%t], %i;\n");
  CHECK(store.totals().global_bytes_written == 128);
  CHECK(store.totals().sectors_written == 8);
  CHECK(store.unique_bytes_written == 256);
  CHECK(store.unique_bytes_read == 0);
  const Meter atom = metered("add.u64 %t, %b, %x;\natom.global.add.u32 %v0, [%t], 1;\n");
  CHECK(atom.totals().global_bytes_written == 128);
  CHECK(atom.totals().global_bytes_read == 128);
  CHECK(atom.totals().sectors_read == 8);
  CHECK(atom.unique_bytes_read == 256);
  CHECK(atom.unique_bytes_written == 256);
  CHECK(atom.totals().atomics == 32);
  const Meter red = metered("red.global.add.u32 [%b], 1;\n");
  CHECK(red.totals().global_bytes_read == 0);
  CHECK(red.totals().global_bytes_written == 128);
  CHECK(red.totals().sectors_written == 1);
}

TEST_CASE("emulator: passes over the banks of shared memory") {
  auto check = [](const Meter& meter, uint64_t bytes, uint64_t passes, uint64_t conflicts) {
    const Meter::Totals totals = meter.totals();
    CHECK(totals.shared_bytes == bytes);
    CHECK(totals.shared_passes == passes);
    CHECK(totals.shared_conflicts == conflicts);
  };
  check(metered(shared("4", "st.shared.u32 [%o], %i;")), 128, 1, 0);
  check(metered(shared("8", "st.shared.u32 [%o], %i;")), 128, 2, 1);
  check(metered(shared("0", "st.shared.u32 [%o], 1;")), 128, 1, 0);
  check(metered(shared("128", "st.shared.u32 [%o], %i;")), 128, 32, 31);
  check(metered(shared("8", "st.shared.v2.u32 [%o], {%i, %i};")), 256, 2, 0);
  check(metered(shared("16", "st.shared.v4.u32 [%o], {%i, %i, %i, %i};")), 512, 4, 0);
  check(metered(shared("32", "st.shared.v4.u32 [%o], {%i, %i, %i, %i};")), 512, 8, 4);
  check(metered(shared("4", "setp.lt.u32 %p, %i, 4;\n@%p st.shared.u32 [%o], %i;")), 16, 1, 0);
}

TEST_CASE("emulator: instructions by class, and how many lanes were at work") {
  const Meter meter =
      metered(load("4", "setp.lt.u32 %p, %i, 8;\n@%p ld.global.u32 %v0, [%t];\nst.global.u32 [%b], 1;"));
  const Meter::Totals totals = meter.totals();
  CHECK(totals.warp_instructions == 11);
  CHECK(totals.thread_instructions == 10 * 32 + 8);
  CHECK(totals.active_lanes == doctest::Approx(328.0 / 352.0));
  CHECK(totals.by_class[static_cast<int>(OpClass::kLoadGlobal)] == 1);
  CHECK(totals.by_class[static_cast<int>(OpClass::kStoreGlobal)] == 1);
  CHECK(totals.by_class[static_cast<int>(OpClass::kParam)] == 2);
  CHECK(meter.blocks == 1);
  CHECK(meter.threads == 32);
}

TEST_CASE("emulator: the L2 that is modelled reads and writes back") {
  Options options;
  options.model_l2 = true;
  const Meter meter = metered(
      load("4", "ld.global.u32 %v0, [%t];\nld.global.u32 %v0, [%t];\nst.global.u32 [%b], 1;"), options);
  CHECK(meter.l2_bytes_read == 128);
  CHECK(meter.l2_bytes_written == 32);
  options.model_l2 = false;
  CHECK(metered("", options).l2_bytes_read == 0);
}

}  // namespace
}  // namespace tenon::emulator
