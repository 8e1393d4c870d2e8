// Findings as text, and which of many are kept.
#include "runtime/emulator/checks/findings.h"

#include <doctest/doctest.h>

using namespace tenon::emulator;

TEST_CASE("emulator findings: the text says where, in PTX, source and model") {
  Finding finding;
  finding.kind = FindingKind::kOutOfBounds;
  finding.kernel = "ffn_in";
  finding.message = "read of 16 bytes, 16 bytes past the end of `x` (4096 bytes)";
  finding.block[0] = 3;
  finding.warp = 0, finding.lane = 7;
  finding.thread[0] = 7, finding.thread[1] = 0, finding.thread[2] = 0;
  finding.ptx_line = 60;
  finding.ptx = "ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%rd4];";
  finding.source = {"memory.cuh:31 (load16)", "ffn.toml:12"};
  finding.equation = "%y = gelu_tanh %b   ffn.toml:12";
  finding.count = 12;
  CHECK(finding.text() ==
        "ffn_in: out of bounds: read of 16 bytes, 16 bytes past the end of `x` (4096 bytes)\n"
        "  block (3,0,0), thread (7,0,0) (warp 0, lane 7), and 11 more like it\n"
        "  ptx line 60: ld.global.v4.u32 {%r1,%r2,%r3,%r4}, [%rd4];\n"
        "  at memory.cuh:31 (load16)\n"
        "    from ffn.toml:12\n"
        "  computing %y = gelu_tanh %b   ffn.toml:12\n");
}

TEST_CASE("emulator findings: every kind has a name of its own") {
  for (int i = 0; i <= static_cast<int>(FindingKind::kBudget); ++i)
    for (int j = 0; j < i; ++j) CHECK(name(static_cast<FindingKind>(i)) != name(static_cast<FindingKind>(j)));
}

TEST_CASE("emulator findings: the first block's is kept, the rest are counted") {
  Findings findings;
  CHECK(findings.empty());
  for (int block : {5, 2, 9}) {
    Finding finding;
    finding.op = 4;
    finding.block[0] = block;
    findings.add(finding);
  }
  Finding other;
  other.op = 3;
  other.block[0] = 7;
  findings.add(other);
  auto all = findings.take();
  REQUIRE(all.size() == 2);
  CHECK(all[0].op == 4);
  CHECK(all[0].block[0] == 2);
  CHECK(all[0].count == 3);
  CHECK(all[1].op == 3);
  CHECK(findings.empty());
}

TEST_CASE("emulator findings: a chain of inlining that goes round ends") {
  tenon::ptx::Module module;
  module.files = {"", "a.cu"};
  module.places.resize(1);
  module.places[0].file = 1, module.places[0].line = 3, module.places[0].inlined_at = 0;
  auto chain = source_chain(module, 0);
  CHECK(chain.size() == 64);
  CHECK(chain[0] == "a.cu:3");
  CHECK(source_chain(module, -1).empty());
}
