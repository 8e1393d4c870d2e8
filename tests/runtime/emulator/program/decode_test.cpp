// What decode() makes of texts: where things lie, which registers share a slot, and what is refused with which words.
#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "tests/runtime/emulator/ptx_kernel.h"

namespace tenon::emulator {
namespace {

std::shared_ptr<const Program> decoded(const std::string& text, const std::string& entry = "k",
                                       const VariableAddresses& addresses = {}) {
  return decode(std::make_shared<ptx::Module>(ptx::parse(text, "t.ptx")), entry, addresses);
}

std::shared_ptr<const Program> decoded_body(const std::string& body) {
  return decoded(kernel_text(".param .u64 out", body));
}

/// The error's text, "" where there is none.
std::string refused(const std::string& text, const std::string& entry = "k") {
  try {
    decoded(text, entry);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string refused_body(const std::string& body) { return refused(kernel_text("", body)); }

uint32_t dynamic_address(const std::string& variables, const std::string& body) {
  return kSharedBase + decoded(".version 8.5\n.target sm_80\n.address_size 64\n" + variables +
                               ".entry k()\n{\n" + body + "\n}\n")
                           ->dynamic_shared_offset;
}

TEST_CASE("emulator: decode: parameters lie as the driver packs them") {
  auto program =
      decoded(kernel_text(".param .u8 a, .param .u64 b, .param .f32 c, .param .align 64 .b8 d[128], "
                          ".param .u16 e",
                          "ret;"));
  REQUIRE(program->parameters.size() == 5);
  const int64_t offsets[] = {0, 8, 16, 64, 192}, bytes[] = {1, 8, 4, 128, 2};
  for (int i = 0; i < 5; ++i) {
    CHECK(program->parameters[i].offset == offsets[i]);
    CHECK(program->parameters[i].bytes == bytes[i]);
    CHECK(program->parameters[i].opaque == (i == 3));
  }
  CHECK(program->parameters[2].name == "c");
  CHECK(program->parameter_bytes == 194);
}

TEST_CASE("emulator: decode: a kernel's limits, cluster and target") {
  const std::string head = ".version 8.5\n.target sm_90a\n.address_size 64\n.entry k()\n";
  auto any = decoded(head + "{\nret;\n}\n");
  CHECK(any->max_threads == 0);
  CHECK_FALSE(any->exact_threads);
  CHECK(any->arch == 90);
  CHECK(any->cluster[0] == 0);
  auto most = decoded(head + ".maxntid 32, 4, 2\n{\nret;\n}\n");
  CHECK(most->max_threads == 256);
  CHECK_FALSE(most->exact_threads);
  auto exact = decoded(head + ".reqntid 128\n.reqnctapercluster 2, 1, 1\n{\nret;\n}\n");
  CHECK(exact->max_threads == 128);
  CHECK(exact->exact_threads);
  CHECK(exact->cluster[0] == 2);
  CHECK(exact->cluster[1] == 1);
}

TEST_CASE("emulator: decode: dynamic shared memory is no better aligned than it is declared") {
  const std::string use = "mov.u32 %r, s;";
  const std::string body = ".reg .b32 %r;\n" + use;
  CHECK(dynamic_address(".extern .shared .align 16 .b8 s[];\n", body) % 32 == 16);
  CHECK(dynamic_address(".extern .shared .align 4 .b8 s[];\n", body) % 32 == 16);  // as hardware does
  CHECK(dynamic_address(".extern .shared .align 128 .b8 s[];\n", body) % 256 == 128);
  CHECK(dynamic_address(".extern .shared .align 1024 .b8 s[];\n", body) % 1024 == 0);
  // The strictest of two declarations of the same memory, behind a variable of 4 bytes.
  const std::string two =
      ".extern .shared .align 16 .b8 s[];\n.extern .shared .align 64 .b8 t[];\n.shared .b32 u;\n";
  const std::string uses = ".reg .b32 %r;\nmov.u32 %r, u;\nmov.u32 %r, s;\nmov.u32 %r, t;";
  CHECK(dynamic_address(two, uses) == kSharedBase + 64);
}

TEST_CASE(
    "emulator: decode: static shared variables: the most aligned first, what nothing mentions nowhere") {
  auto program = decoded(
      ".version 8.5\n.target sm_80\n.address_size 64\n.shared .align 4 .b8 unused[64];\n"
      ".shared .align 4 .b8 a[6];\n.entry k()\n{\n.shared .align 8 .b8 b[8];\n.reg .b32 %r<3>;\n"
      "mov.u32 %r2, a+4;\nmov.u32 %r1, b;\nret;\n}\n");
  CHECK(program->static_shared_bytes == 14);  // b at 0, a at 8
  const auto constant = [&](int op) { return program->constants[~program->ops[op].words[1] * kLanes]; };
  CHECK(constant(1) == kSharedBase);
  CHECK(constant(0) == kSharedBase + 12);
}

TEST_CASE("emulator: decode: equal constants share a place in the pool, 32 lanes each") {
  auto program = decoded_body(
      ".reg .b32 %r<4>;\n.reg .b64 %l<3>;\n.reg .f32 %f<2>;\n"
      "mov.b32 %r1, 7;\nmov.b32 %r2, 7;\nmov.b64 %l1, 7;\nmov.f32 %f1, 0f40000000;\nmov.b32 %r3, "
      "0x40000000;");
  CHECK(program->ops[0].words[1] == program->ops[1].words[1]);
  CHECK(program->ops[2].words[1] != program->ops[0].words[1]);  // as wide as its type
  CHECK(program->ops[3].words[1] == program->ops[4].words[1]);
  CHECK(program->constants.size() == 4 * kLanes);  // 7, 7 in two units, 2.0
  for (int lane = 0; lane < kLanes; ++lane) CHECK(program->constants[lane] == 7);
}

TEST_CASE("emulator: decode: registers that are never live together share a slot") {
  std::string chain = ".reg .b32 %r<101>;\n.reg .b64 %l<101>;\nmov.u32 %r0, %tid.x;\nmov.u64 %l0, 1;\n";
  for (int i = 0; i < 100; ++i) {
    const std::string from = std::to_string(i), to = std::to_string(i + 1);
    chain += "mov.b32 %r" + to + ", %r" + from + ";\nmov.b64 %l" + to + ", %l" + from + ";\n";
  }
  auto program = decoded_body(chain);
  CHECK(program->register_units <=
        7);  // two of 32 bits, two of 64 bits at most, and what a pair may not straddle
  CHECK(program->registers_live == 5);
  CHECK(program->predicates == 0);

  auto loop = decoded_body(
      ".reg .b32 %r<5>;\n.reg .pred %p<2>;\n"
      "mov.b32 %r1, 1;\n"  // lives through the loop, read at its top alone
      "again:\n"
      "mov.b32 %r2, %r1;\n"
      "mov.b32 %r3, 3;\n"  // lives in the loop
      "mov.b32 %r4, %r3;\n"
      "mov.pred %p1, 1;\n"
      "@%p1 bra again;\n");
  const auto slot = [&](int op) { return loop->ops[op].words[0]; };
  CHECK(slot(0) != slot(1));
  CHECK(slot(0) != slot(2));
  CHECK(slot(0) != slot(3));
  CHECK(slot(1) == slot(2));  // %r2 has ended where %r3 begins
  CHECK(loop->predicates == 1);
}

TEST_CASE(
    "emulator: decode: a register that may be read before it is written has a slot of its own until then") {
  auto program = decoded_body(
      ".reg .b32 %r<5>;\n.reg .pred %p<2>;\n"
      "mov.b32 %r1, 1;\nmov.b32 %r2, %r1;\nmov.pred %p1, 1;\n"
      "@%p1 mov.b32 %r3, 1;\n"  // guarded: lanes without keep what nothing wrote
      "mov.b32 %r4, %r3;\n");
  CHECK(program->ops[3].words[0] != program->ops[0].words[0]);
  CHECK(program->ops[3].words[0] != program->ops[1].words[0]);
}

TEST_CASE("emulator: decode: every path ends") {
  auto program = decoded_body(".reg .pred %p;\nmov.pred %p, 0;\n@%p bra end;\nret;\nend:\n");
  REQUIRE(program->ops.size() == 4);
  CHECK(program->ops[1].target == 3);
  CHECK(program->ops[1].guard == 0);
  CHECK((program->ops[3].run == program->ops[2].run));
  CHECK(program->text(program->ops[1]) == "@%p bra end;");
  CHECK(program->text(program->ops[0]) == "mov.pred %p, 0;");
}

TEST_CASE("emulator: decode: a function's registers and local variables lie above those of its callers") {
  auto program = decoded(
      ".version 8.5\n.target sm_80\n.address_size 64\n"
      ".func inner()\n{\n.reg .b32 %r<2>;\n.local .align 8 .b8 v[8];\nmov.u32 %r1, v;\nret;\n}\n"
      ".func outer()\n{\n.reg .b32 %r<2>;\n.local .align 4 .b8 v[4];\nmov.u32 %r1, v;\ncall inner;\nret;\n}\n"
      ".entry k()\n{\n.reg .b32 %r<2>;\n.local .align 4 .b8 v[20];\nmov.u32 %r1, v;\ncall outer;\ncall "
      "inner;\n}\n");
  // The entry: mov, two calls, ret; then outer: mov, call, ret, ret; then inner.
  REQUIRE(program->ops.size() == 11);
  CHECK(program->ops[1].target == 4);
  CHECK(program->ops[2].target == 8);
  CHECK(program->ops[5].target == 8);
  const auto constant = [&](int op) { return program->constants[~program->ops[op].words[1] * kLanes]; };
  CHECK(constant(0) == 0);
  CHECK(constant(4) == 32);
  CHECK(constant(8) == 48);
  CHECK(program->local_bytes == 64);
  CHECK(program->ops[0].words[0] == 0);
  CHECK(program->ops[4].words[0] == 1);
  CHECK(program->ops[8].words[0] == 2);
  CHECK(program->register_units == 3);
}

TEST_CASE("emulator: decode: bad programs are refused with their line") {
  CHECK(refused_body(".reg .b32 %r<3>;\nmovv.b32 %r1, %r2;") ==
        "t.ptx:7:1: error: unknown instruction 'movv'\n"
        "  7 | movv.b32 %r1, %r2;\n"
        "    | ^~~~~~~~~~~~~~~~~~\n"
        "  hint: did you mean 'mov'?\n");
  CHECK(refused_body(".reg .b32 %r<3>;\n  mov.wide.b32 %r1, %r2;") ==
        "t.ptx:7:3: error: '.wide' is not supported in 'mov.wide.b32'\n"
        "  7 |   mov.wide.b32 %r1, %r2;\n"
        "    |   ^~~~~~~~~~~~~~~~~~~~~~\n");
}

TEST_CASE("emulator: decode: recursion is refused with the chain of calls") {
  const std::string text =
      ".version 8.5\n.target sm_80\n.address_size 64\n"
      ".func f()\n;\n"
      ".func g()\n{\ncall f;\nret;\n}\n"
      ".func f()\n{\ncall g;\nret;\n}\n"
      ".entry k()\n{\ncall f;\n}\n";
  const std::string error = refused(text);
  INFO(error);
  CHECK(error.find("recursion: f calls g calls f") != std::string::npos);
  CHECK(error.find("t.ptx:8:1: error") != std::string::npos);
}

TEST_CASE("emulator: decode: a kernel that is not there") {
  CHECK(refused(kernel_text("", "ret;"), "kk") ==
        "error: module 't.ptx' has no kernel 'kk'\n  hint: did you mean 'k'?\n");
}

}  // namespace
}  // namespace tenon::emulator
