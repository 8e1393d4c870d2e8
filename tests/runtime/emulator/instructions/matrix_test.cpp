// mma, ldmatrix, stmatrix and movmatrix in kernels: what they count, what poison they pass on, what they refuse. Where each
// element goes, and every sum, is the golden corpus' (golden_corpus_test.cpp), as a card gave them.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "ir/dtype.h"
#include "tests/runtime/emulator/ptx_kernel.h"
#include "tests/runtime/emulator/ptxas.h"

namespace tenon::emulator {
namespace {

// %t: the lane. %tile: 2048 bytes of shared memory, whose n-th half holds n where `filled` says so. %row: this lane's row of
// `pitch` bytes. %out: 16 bytes of output a lane.
std::string text(const std::string& body, int pitch = 16, const std::string& filled = "1",
                 const std::string& target = "sm_90a") {
  return ".version 8.5\n.target " + target + R"(
.address_size 64
.entry k(.param .u64 out)
{
.reg .b32 %t, %tile, %row, %to, %i, %x, %r<8>, %a<4>, %b<2>;
.reg .f32 %f<4>;
.reg .b64 %out, %at;
.reg .pred %p, %q;
.shared .align 128 .b8 tile[4096];
mov.u32 %t, %tid.x;
mov.u32 %tile, tile;
ld.param.u64 %out, [out];
mad.wide.u32 %out, %t, 16, %out;
mov.u32 %i, 0;
fill:
mad.lo.u32 %x, %i, 32, %t;
mad.lo.u32 %to, %x, 4, %tile;
mul.lo.u32 %x, %x, 0x20002;
add.u32 %x, %x, 0x10000;
setp.ne.u32 %p, )" +
         filled + R"(, 0;
@%p st.shared.b32 [%to], %x;
add.u32 %i, %i, 1;
setp.lt.u32 %p, %i, 32;
@%p bra fill;
bar.sync 0;
mad.lo.u32 %row, %t, )" +
         std::to_string(pitch) + ", %tile;\n" + body + "\nret;\n}\n";
}

const std::string kStore4 = "st.global.v4.b32 [%out], {%r0, %r1, %r2, %r3};";

struct Ran {
  std::string told;
  std::vector<uint32_t> values;
  Meter::Totals totals;
};

Ran ran(const std::string& ptx, int threads = kLanes) {
  PtxKernel kernel(ptx);
  kernel.request.block[0] = threads;
  const uint64_t out = kernel.output(16 * kLanes);
  kernel.memory.fill(out, std::byte{0}, 16 * kLanes);
  const LaunchResult result = kernel.run(out);
  return {told(result), kernel.values<uint32_t>(out, 4 * kLanes), result.meter.totals()};
}

std::string error_of(const std::string& ptx) {
  try {
    PtxKernel kernel(ptx);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

const std::string kLoad4 =
    "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r0, %r1, %r2, %r3}, [%row];\n" + kStore4;

TEST_CASE("emulator: ldmatrix counts its passes over the banks") {
  // Rows side by side: each matrix in one pass. Rows 128 bytes apart: all in the same banks, 8 passes a matrix.
  const Ran dense = ran(text(kLoad4));
  CHECK(dense.told == "");
  CHECK(dense.values[0] == 0x10000);
  CHECK(dense.values[4 * 31 + 3] == ((3u * 64 + 63) << 16 | (3 * 64 + 62)));
  const Ran pitched = ran(text(kLoad4, 128));
  CHECK(pitched.told == "");
  CHECK(pitched.totals.shared_passes - dense.totals.shared_passes == 4 * 7);
  CHECK(pitched.totals.shared_conflicts == 4 * 7);
  CHECK(dense.totals.shared_conflicts == 0);
}

TEST_CASE("emulator: ldmatrix reads from any address of shared memory, and from no other") {
  CHECK(ran(text("cvta.shared.u64 %at, 0;\ncvt.u64.u32 %at, %row;\ncvta.shared.u64 %at, %at;\n"
                 "ldmatrix.sync.aligned.m8n8.x4.b16 {%r0, %r1, %r2, %r3}, [%at];\n" +
                 kStore4))
            .told == "");
  CHECK(ran(text("ldmatrix.sync.aligned.m8n8.x4.b16 {%r0, %r1, %r2, %r3}, [%out];\n"))
            .told.find("not in shared") != std::string::npos);
  CHECK(ran(text("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r0}, [%row + 4080];\n"))
            .told.find("out of bounds") != std::string::npos);
  CHECK(ran(text("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r0}, [%row + 8];\n")).told.find("misaligned") !=
        std::string::npos);
  // Lanes 8 to 31 give no row of x1: their addresses may be anything.
  CHECK(ran(text("setp.ge.u32 %p, %t, 8;\n@%p mov.u32 %row, 0x7fffffff;\n"
                 "ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%r0}, [%row];\nst.global.b32 [%out], %r0;"))
            .told == "");
}

TEST_CASE("emulator: what ldmatrix found unwritten is poison for the lanes that hold it, and no others") {
  // Word 5 of each row of 32 words is left out: halves 2 and 3 of row 1, of each 64 bytes' 4 rows.
  const std::string holes =
      "%t";  // lane 0 writes nothing: words 0, 32, 64 ..: row 0, halves 0 and 1 of each 8 rows
  const std::string load = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r0, %r1, %r2, %r3}, [%row];\n";
  CHECK(ran(text(load + "setp.eq.u32 %p, %t, 0;\n@!%p " + kStore4, 16, holes)).told == "");
  CHECK(ran(text(load + "setp.eq.u32 %p, %t, 0;\n@%p " + kStore4, 16, holes)).told.find("uninitialised") !=
        std::string::npos);
  // Transposed, (0, 0) and (0, 1) become (0, 0) and (1, 0): lanes 0 and 4.
  const std::string across = "ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%r0, %r1, %r2, %r3}, [%row];\n";
  const std::string but = "setp.eq.u32 %p, %t, 0;\nsetp.eq.or.u32 %p, %t, 4, %p;\n@!%p ";
  CHECK(ran(text(across + but + kStore4, 16, holes)).told == "");
  CHECK(ran(text(across + "setp.eq.u32 %p, %t, 4;\n@%p " + kStore4, 16, holes)).told.find("uninitialised") !=
        std::string::npos);
}

TEST_CASE("emulator: what stmatrix stores of nothing stays unwritten, and nothing else does") {
  // %r0 of lane 5 is never written: halves 2 and 3 of row 1.
  const std::string store =
      "setp.eq.u32 %p, %t, 5;\n@!%p mov.u32 %r0, 9;\n"
      "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%row], {%r0};\nbar.sync 0;\nmad.lo.u32 %to, %t, 4, %tile;\n"
      "ld.shared.b32 %r1, [%to];\n";
  const Ran kept = ran(text(store + "@!%p st.global.b32 [%out], %r1;"));
  CHECK(kept.told == "");
  CHECK(kept.values[4 * 6] == 9);
  CHECK(ran(text(store + "@%p st.global.b32 [%out], %r1;")).told.find("uninitialised") != std::string::npos);
}

// A and B of ones; C zero.
const std::string kOnes =
    "mov.b32 %a0, 0x3f803f80;\nmov.b32 %a1, %a0;\nmov.b32 %a2, %a0;\nmov.b32 %a3, %a0;\nmov.b32 %b0, %a0;\n"
    "mov.b32 %b1, %a0;\nmov.f32 %f0, 0f00000000;\nmov.f32 %f1, %f0;\nmov.f32 %f2, %f0;\nmov.f32 %f3, %f0;\n";
const std::string kMma =
    "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f0, %f1, %f2, %f3}, {%a0, %a1, %a2, %a3}, "
    "{%b0, %b1}, {%f0, %f1, %f2, %f3};\n";
const std::string kStoreF = "st.global.v4.f32 [%out], {%f0, %f1, %f2, %f3};";

TEST_CASE("emulator: mma adds in place, counts its operations, and may take constants") {
  const Ran twice = ran(text(kOnes + kMma + kMma + kStoreF));
  CHECK(twice.told == "");
  for (uint32_t value : twice.values) CHECK(value == 0x42000000);  // 32
  CHECK(twice.totals.mma_flops == 2 * 2 * 16 * 8 * 16);
  const Ran constants =
      ran(text(kOnes +
               "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%f0, %f1, %f2, %f3}, {%a0, %a1}, {%b0}, "
               "{0f3f800000, 0f00000000, 0f00000000, 0f40000000};\n" +
               kStoreF));
  CHECK(constants.told == "");
  CHECK(constants.values[0] == 0x41100000);  // 9
  CHECK(constants.values[1] == 0x41000000);  // 8
  CHECK(constants.values[3] == 0x41200000);  // 10
}

TEST_CASE("emulator: an operand that nothing wrote spoils its row or column of D alone") {
  // Lane 9's A register 0 holds row 2: lanes 8 to 11 of D's lower rows. Those rows are not stored.
  const auto without = [](const std::string& name, int lane) {
    return kOnes + ".reg .b32 %nothing;\nsetp.eq.u32 %p, %t, " + std::to_string(lane) + ";\n@%p mov.b32 " +
           name + ", %nothing;\n" + kMma;
  };
  const std::string quad = "shr.u32 %x, %t, 2;\nsetp.eq.u32 %q, %x, 2;\n";
  CHECK(ran(text(without("%a0", 9) + quad +
                 "@!%q st.global.v2.f32 [%out], {%f0, %f1};\n"
                 "st.global.v2.f32 [%out+8], {%f2, %f3};"))
            .told == "");
  CHECK(ran(text(without("%a0", 9) + quad + "@%q st.global.v2.f32 [%out], {%f0, %f1};")).told != "");
  CHECK(ran(text(without("%a1", 9) + quad + "@%q st.global.v2.f32 [%out+8], {%f2, %f3};")).told != "");
  // Lane 13's B registers hold column 3: the odd one of lanes with l % 4 = 1.
  const std::string pair = "and.b32 %x, %t, 3;\nsetp.eq.u32 %q, %x, 1;\n";
  CHECK(ran(text(without("%b1", 13) + pair + "@!%q " + kStoreF +
                 "\n@%q st.global.f32 [%out], %f0;\n"
                 "@%q st.global.f32 [%out+8], %f2;"))
            .told == "");
  CHECK(ran(text(without("%b1", 13) + pair + "@%q st.global.f32 [%out+4], %f1;")).told != "");
  // C spoils one element.
  CHECK(ran(text(kOnes + "mov.f32 %f1, %f3;\n" + kMma + kStoreF)).told == "");
}

TEST_CASE("emulator: mma wants all lanes of its warp") {
  const Ran some = ran(text(kOnes + "setp.ge.u32 %p, %t, 30;\n@%p exit;\n" + kMma + kStoreF));
  CHECK(some.told.find("have exited") == std::string::npos);  // notes are not told here
  CHECK(some.told.find("divergent") != std::string::npos);
  CHECK(ran(text(kOnes + kMma + kStoreF), 16).told.find("divergent") != std::string::npos);
  const Ran apart = ran(text(kOnes + "setp.ge.u32 %p, %t, 16;\n@%p bra other;\n" + kMma +
                             "bra done;\nother:\n" + kMma + "done:\n" + kStoreF));
  CHECK(apart.told.find("divergent") != std::string::npos);
}

TEST_CASE("emulator: integers saturate where .satfinite asks") {
  const std::string operands =
      "mov.b32 %a0, 0x7f7f7f7f;\nmov.b32 %a1, %a0;\nmov.b32 %b0, %a0;\nmov.b32 %r0, 0x7ffffff0;\nmov.b32 "
      "%r1, %r0;\n"
      "mov.b32 %r2, %r0;\nmov.b32 %r3, -5;\n";
  const auto multiply = [&](const std::string& saturate) {
    return ran(text(operands + "mma.sync.aligned.m16n8k16.row.col" + saturate +
                    ".s32.s8.s8.s32 {%r0, %r1, %r2, %r3}, {%a0, %a1}, {%b0}, {%r0, %r1, %r2, %r3};\n" +
                    kStore4));
  };
  CHECK(multiply("").values[0] == 0x7ffffff0u + 16 * 127 * 127);
  CHECK(multiply(".satfinite").values[0] == 0x7fffffff);
  CHECK(multiply(".satfinite").values[3] == 16 * 127 * 127 - 5);
}

TEST_CASE(
    "emulator: what the assembler takes of matrices, the decoder takes; what does not exist is an error") {
  CHECK(ptxas_says(text(kOnes + kMma + kStoreF)) == "");
  CHECK(ptxas_says(text(kLoad4)) == "");
  CHECK(ptxas_says(text("movmatrix.sync.aligned.m8n8.trans.b16 %r0, %t;\n")) == "");
  CHECK(ran(text("movmatrix.sync.aligned.m8n8.trans.b16 %r0, %t;\nst.global.b32 [%out], %r0;")).values[4] ==
        0xc0008);
  const struct {
    const char *body, *message;
  } bad[] = {
      {"mma.sync.aligned.m16n8k4.row.col.f32.bf16.bf16.f32 {%f0,%f1,%f2,%f3}, {%a0,%a1}, {%b0}, "
       "{%f0,%f1,%f2,%f3};",
       "no shape"},
      {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.f16.f32 {%f0,%f1,%f2,%f3}, {%a0,%a1,%a2,%a3}, {%b0,%b1}, "
       "{%f0,%f1,%f2,%f3};",
       "do not go together"},
      {"mma.sync.aligned.m16n8k16.row.col.f16.bf16.bf16.f16 {%r0,%r1}, {%a0,%a1,%a2,%a3}, {%b0,%b1}, "
       "{%r0,%r1};",
       "not summed"},
      {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f0,%f1,%f2,%f3}, {%a0,%a1}, {%b0,%b1}, "
       "{%f0,%f1,%f2,%f3};",
       "operand 2 must have 4 registers"},
      {"mma.sync.aligned.m16n8k16.row.row.f32.bf16.bf16.f32 {%f0,%f1,%f2,%f3}, {%a0,%a1,%a2,%a3}, {%b0,%b1}, "
       "{%f0,%f1,%f2,%f3};",
       "row.col"},
      {"mma.sync.aligned.m16n8k16.row.col.satfinite.f32.bf16.bf16.f32 {%f0,%f1,%f2,%f3}, {%a0,%a1,%a2,%a3}, "
       "{%b0,%b1}, {%f0,%f1,%f2,%f3};",
       "satfinite"},
      {"ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%r0}, [%row];", "one register a matrix"},
      {"ldmatrix.sync.aligned.m8n8.x2.global.b16 {%r0,%r1}, [%out];", "shared memory"},
  };
  for (const auto& wrong : bad) {
    CHECK_MESSAGE(ptxas_says(text(wrong.body)) != "", wrong.body);
    CHECK_MESSAGE(error_of(text(wrong.body)).find(wrong.message) != std::string::npos, wrong.body);
  }
  CHECK(error_of(text("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%row], {%t};", 16, "1", "sm_80"))
            .find("sm_90") != std::string::npos);
}

}  // namespace
}  // namespace tenon::emulator
