// Tests of counters by source line.
#include "runtime/emulator/machine/meter_report.h"

#include <doctest/doctest.h>

#include "llvm/Support/raw_ostream.h"
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

Meter sample() {
  PtxKernel kernel(
      ".version 8.5\n.target sm_90a\n.address_size 64\n.entry k(.param .u64 in, .param .u64 out)\n{\n"
      ".reg .b64 %a, %b, %t;\n.reg .b32 %i;\n.reg .f32 %f;\n"
      ".loc 1 10 0\nld.param.u64 %a, [in];\nld.param.u64 %b, [out];\nmov.u32 %i, %tid.x;\nmul.wide.u32 %t, "
      "%i, 4;\n"
      ".loc 1 12 0\nadd.u64 %a, %a, %t;\nld.global.f32 %f, [%a];\n"
      ".loc 1 11 0\nadd.f32 %f, %f, %f;\n"
      ".loc 1 12 0\nadd.u64 %b, %b, %t;\nst.global.f32 [%b], %f;\nret;\n}\n.file 1 \"copy.cu\"\n");
  const uint64_t a = kernel.input(std::vector<float>(32, 1)), b = kernel.output(128);
  const LaunchResult result = kernel.run(a, b);
  CHECK(told(result) == "");
  return result.meter;
}

TEST_CASE("emulator: counters by source line") {
  const std::vector<LineMeter> lines = by_line(sample());
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].place == "copy.cu:10");
  CHECK(lines[0].counts.issues == 4);
  CHECK(lines[1].place == "copy.cu:12");
  CHECK(lines[1].counts.issues == 5);
  CHECK(lines[1].counts.read == 128);
  CHECK(lines[1].counts.sectors_written == 4);
  CHECK(lines[2].place == "copy.cu:11");
  CHECK(lines[2].flops == 32);
}

TEST_CASE("emulator: the table of lines shows the columns that count anything") {
  CHECK(line_table(sample()) ==
        "     instructions       bytes read    bytes written     sectors read  sectors written            "
        "flops   lanes  "
        "place\n"
        "                4                0                0                0                0               "
        " 0   100 %  "
        "copy.cu:10\n"
        "                5              128              128                4                4               "
        " 0   100 %  "
        "copy.cu:12\n"
        "                1                0                0                0                0               "
        "32   100 %  "
        "copy.cu:11\n");
}

TEST_CASE("emulator: lines as JSON") {
  std::string text;
  llvm::raw_string_ostream stream(text);
  json::Writer out(stream);
  out.object([&] { write_lines(out, sample()); });
  const json::Value read = json::parse(stream.str());
  const json::Array& lines = *read["lines"].array();
  REQUIRE(lines.size() == 3);
  CHECK(*lines[1]["place"].string() == "copy.cu:12");
  CHECK(lines[1]["bytes_read"].integer() == 128);
  CHECK(lines[1]["bank_conflicts"].integer() == 0);
  CHECK(lines[2]["flops"].integer() == 32);
  CHECK(lines[2]["active_lanes"].number() == 1.0);
}

}  // namespace
}  // namespace tenon::emulator
