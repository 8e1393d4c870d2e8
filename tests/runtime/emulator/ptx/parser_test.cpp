// PTX by hand, statement for statement, and what NVRTC makes in both of its dialects (tests/data/ptx).
#include "runtime/emulator/ptx/parser.h"

#include <doctest/doctest.h>

#include <fstream>

#include "ir/diagnostics.h"

namespace tenon::ptx {
namespace {

const char kHead[] = ".version 8.5\n.target sm_90a\n.address_size 64\n";

/// A kernel `k` with that body, which begins in line 6.
std::string kernel(const std::string& body) { return kHead + (".entry k()\n{\n" + body + "\n}\n"); }

Module parse_kernel(const std::string& body) { return parse(kernel(body), "t.ptx"); }

/// The error's text, "" where there is none.
std::string refused(const std::string& text, const ParseLimits& limits = {}) {
  try {
    parse(text, "t.ptx", limits);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

Module fixture(const std::string& name) {
  std::ifstream in(TENON_SOURCE_DIR "/tests/data/ptx/" + name);
  REQUIRE(in.good());
  return parse(std::string(std::istreambuf_iterator<char>(in), {}), name);
}

const Instruction& find(const Function& function, const std::string& text) {
  for (const Instruction& instruction : function.body)
    if (instruction.text == text) return instruction;
  FAIL("no instruction " << text);
  return function.body.front();
}

const Variable& find_variable(const std::vector<Variable>& variables, const std::string& name) {
  for (const Variable& variable : variables)
    if (variable.name == name) return variable;
  FAIL("no variable " << name);
  return variables.front();
}

/// "r3.f32" for a register and so on, so that one line tells a whole operand.
std::string tell(const Module& module, const Function& function, const Operand& operand) {
  auto all = [&](const char* open, const char* close) {
    std::string text = open;
    for (const Operand& element : operand.elements)
      text += (&element == operand.elements.data() ? "" : " ") + tell(module, function, element);
    return text + close;
  };
  const std::string offset = operand.offset ? "+" + std::to_string(operand.offset) : "";
  switch (operand.kind) {
    case Operand::kRegister:
      return (operand.negated ? "!" : "") + function.registers[operand.index].name.str() + "#" +
             std::to_string(operand.index);
    case Operand::kSpecial: return operand.name.str();
    case Operand::kNumber:
      return std::to_string(operand.bits) + (operand.literal == Operand::kFloat32   ? "f"
                                             : operand.literal == Operand::kFloat64 ? "d"
                                                                                    : "");
    case Operand::kVariable:
      return "&" + (operand.local ? function.variables : module.variables)[operand.variable].name + offset;
    case Operand::kAddress: return all("[", "") + offset + "]";
    case Operand::kVector: return all("{", "}");
    case Operand::kPair: return all("", "|");
    case Operand::kTuple: return all("(", ")");
    case Operand::kLabel: return "@" + std::to_string(operand.index);
    case Operand::kFunction: return module.functions[operand.index].name + "()";
    case Operand::kSink: return "_";
  }
  return "?";
}

/// Opcode and operands of an instruction of the first function.
std::string tell(const Module& module, size_t index) {
  const Function& function = module.functions[0];
  const Instruction& instruction = function.body[index];
  std::string text = instruction.opcode.str();
  for (llvm::StringRef modifier : instruction.modifiers) text += "." + modifier.str();
  for (const Operand& operand : instruction.operands) text += ", " + tell(module, function, operand);
  return text;
}

/// The same of one statement behind usual declarations.
std::string one(const std::string& statement) {
  Module module = parse_kernel(
      ".reg .pred p, q; .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .b16 h; .shared .align 8 .b8 tile[64];\n" +
      statement);
  REQUIRE(module.functions[0].body.size() == 1);
  return tell(module, 0);
}

}  // namespace

TEST_CASE("the head of a module") {
  Module module =
      parse("// a comment\n.version 8.5\n.target sm_90a, debug\n/* two\n lines */ .address_size 64\n", "m");
  CHECK(module.name == "m");
  CHECK(module.version_major == 8);
  CHECK(module.version_minor == 5);
  CHECK(module.target == "sm_90a");
  REQUIRE(module.lines.size() == 5);
  CHECK(module.lines[2] == ".target sm_90a, debug");
  CHECK(module.find("k") == nullptr);

  CHECK(refused("") ==
        "t.ptx:1:1: error: expected '.version', with which PTX begins, found the end of the text\n  1 | \n   "
        " | ^\n");
  CHECK(refused("int x;").find("found 'int'") != std::string::npos);
  CHECK(refused(".version 8.5\n.target gfx90a").find("t.ptx:2:9: error: 'gfx90a' is no architecture") == 0);
  CHECK(refused(".version 8.5\n.target sm_90\n.address_size 32").find("addresses must have 64 bits") !=
        std::string::npos);
  CHECK(refused(".version x\n").find("expected a version such as 9.0, found 'x'") != std::string::npos);
}

TEST_CASE("operands") {
  CHECK(one("mov.u32 %r1, %tid.x;") == "mov.u32, %r1#0, %tid.x");
  CHECK(one("mov.b64 {%r1, %r2}, %rd3;") == "mov.b64, {%r1#0 %r2#1}, %rd3#2");
  CHECK(one("mov.b64 {%r1, _}, %rd3;") == "mov.b64, {%r1#0 _}, %rd3#1");
  CHECK(one("setp.lt.and.s32 p|q, %r1, -3, !p;") ==
        "setp.lt.and.s32, p#0 q#1|, %r1#2, 18446744073709551613, !p#0");
  CHECK(one("elect.sync _|p, 0xffffffff;") == "elect.sync, _ p#0|, 4294967295");
  CHECK(one("mov.f32 %r1, 0f3F800000;") == "mov.f32, %r1#0, 1065353216f");
  CHECK(one("mov.f32 %r1, -0f3F800000;") == "mov.f32, %r1#0, 3212836864f");
  CHECK(one("mov.f64 %rd1, 0D3ff0000000000000;") == "mov.f64, %rd1#0, 4607182418800017408d");
  CHECK(one("mov.f64 %rd1, 1.0e+0;") == "mov.f64, %rd1#0, 4607182418800017408d");
  CHECK(one("mov.u64 %rd1, 0xFFFFFFFFFFFFFFFFU;") == "mov.u64, %rd1#0, 18446744073709551615");
  CHECK(one("mov.u64 %rd1, 0b101;") == "mov.u64, %rd1#0, 5");
  CHECK(one("mov.u64 %rd1, 010;") == "mov.u64, %rd1#0, 8");
  CHECK(one("ld.shared.u32 %r1, [%rd1+-8];") == "ld.shared.u32, %r1#0, [%rd1#1+-8]");
  CHECK(one("ld.shared.u32 %r1, [tile+8];") == "ld.shared.u32, %r1#0, [&tile+8]");
  CHECK(one("ld.shared.u32 %r1, [tile];") == "ld.shared.u32, %r1#0, [&tile]");
  CHECK(one("ld.shared.u32 %r1, [16];") == "ld.shared.u32, %r1#0, [16]");
  CHECK(one("ld.shared.u32 %r1, [ %rd1 + 4 - 2 ];") == "ld.shared.u32, %r1#0, [%rd1#1+2]");
  CHECK(one("mov.u32 %r1, tile+8;") == "mov.u32, %r1#0, &tile+8");
  CHECK(one("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1, {%r2, "
            "%r3}], [%r4];") ==
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes, [%r1#0], [%rd1#1 "
        "{%r2#2 %r3#3}], "
        "[%r4#4]");
  CHECK(one("bar.sync 0;") == "bar.sync, 0");
  CHECK(one("shfl.sync.bfly.b32\t%r2|p, %r1, 16, 31, -1;") ==
        "shfl.sync.bfly.b32, %r2#0 p#1|, %r1#2, 16, 31, 18446744073709551615");
  CHECK(one("ret;") == "ret");
  CHECK(one("mov.u32 %r1, WARP_SZ;") == "mov.u32, %r1#0, WARP_SZ");
}

TEST_CASE("a list of 128 registers is no less an operand") {
  std::string list;
  for (int i = 0; i < 128; ++i) list += (i ? ", %f" : "%f") + std::to_string(i);
  Module module = parse_kernel(
      ".reg .f32 %f<128>; .reg .b64 d;\nwgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {" + list +
      "}, d, d, 1, 1, 1, 0, 0;");
  const Instruction& wgmma = module.functions[0].body.at(0);
  REQUIRE(wgmma.operands.size() == 8);
  REQUIRE(wgmma.operands[0].elements.size() == 128);
  CHECK(module.functions[0].registers[wgmma.operands[0].elements[127].index].name == "%f127");
  CHECK(wgmma.modifiers == llvm::SmallVector<llvm::StringRef, 4>{"mma_async", "sync", "aligned", "m64n256k16",
                                                                 "f32", "bf16", "bf16"});
  CHECK(wgmma.line == 7);
}

TEST_CASE("registers are numbered as they are used, in both kinds of declaration") {
  Module module = parse_kernel(
      ".reg.b16 a,b;.reg .b32 %r<3999998>;\nmov.b16 b, a; mov.b32 %r3999997, %r0; mov.b16 a, b;");
  const Function& k = module.functions[0];
  REQUIRE(k.registers.size() == 4);
  CHECK(k.registers[0].name == "b");
  CHECK(k.registers[0].type == Type::kB16);
  CHECK(k.registers[2].name == "%r3999997");
  CHECK(k.registers[2].type == Type::kB32);
  CHECK(tell(module, 2) == "mov.b16, a#1, b#0");
}

TEST_CASE("scopes redeclare registers and labels; labels may be used before they stand") {
  Module module = parse_kernel(R"(.reg .b32 x, y;
{ .reg .b32 x;
 LAB: mov.u32 x, 1;
 bra.uni LAB; bra DONE;
 DONE: }
{ .reg .pred x;
 LAB: @x bra LAB;
 @!x bra DONE;
 bra OUT;
 DONE:
}
mov.u32 x, y;
OUT:)");
  CHECK(tell(module, 0) == "mov.u32, x#0, 1");
  CHECK(tell(module, 1) == "bra.uni, @0");
  CHECK(tell(module, 2) == "bra, @3");
  CHECK(tell(module, 3) == "bra, @3");
  CHECK(tell(module, 4) == "bra, @6");
  CHECK(tell(module, 5) == "bra, @7");
  CHECK(tell(module, 6) == "mov.u32, x#2, y#3");
  const Function& k = module.functions[0];
  CHECK(k.body[3].guard == 1);
  CHECK(!k.body[3].guard_negated);
  CHECK(k.body[4].guard_negated);
  CHECK(k.body[5].guard == -1);
  CHECK(k.registers[1].type == Type::kPred);
  CHECK(k.body[3].line == 12);
}

TEST_CASE("calls span lines and name parameters of their block") {
  Module module =
      parse(std::string(kHead) + R"(.extern .func (.param .b32 r) vprintf (.param .b64 a, .param .b64 b)
;
.func done () .noreturn;
.entry k() {
 .reg .b32 %r<3>;
 { .reg .b32 temp_param_reg;
   .param .b64 param0; .param .b64 param1;
   .param .b32 retval0;
   call.uni (retval0),
   vprintf,
   (
   param0,
   param1
   );
 }
 call done; call done, ();
}
.func done () { ret; }
)",
            "t.ptx");
  REQUIRE(module.functions.size() == 3);
  CHECK(module.functions[0].external);
  CHECK(module.functions[0].results.size() == 1);
  CHECK(module.functions[0].parameters == std::vector<int>{1, 2});
  CHECK(module.functions[0].variables[2].bytes == 8);
  CHECK(!module.functions[1].external);  // declared first, then defined
  CHECK(module.functions[1].body.size() == 1);
  CHECK(module.functions[1].line == 21);
  const Function& k = *module.find("k");
  CHECK(k.entry);
  CHECK(k.parameters.empty());
  REQUIRE(k.body.size() == 3);
  auto told = [&](size_t i, size_t operand) { return tell(module, k, k.body[i].operands.at(operand)); };
  CHECK(told(0, 0) == "(&retval0)");
  CHECK(told(0, 1) == "vprintf()");
  CHECK(told(0, 2) == "(&param0 &param1)");
  CHECK(told(1, 0) == "done()");
  CHECK(told(2, 1) == "()");
}

TEST_CASE("a table of branch targets becomes brx's own operand") {
  Module module =
      parse_kernel(".reg .b32 i;\nts: .branchtargets A, B, A;\nbrx.idx i, ts;\nA: ret;\nB: trap;");
  CHECK(tell(module, 0) == "brx.idx, i#0, {@1 @2 @1}");
}

TEST_CASE("variables and their initial values") {
  Module module = parse(std::string(kHead) + R"(.const .align 4 .f32 c[4] = {0f3F800000, 0f40000000};
.visible .global .align 8 .u64 p[3] = {c, generic(c)+8, 7};
.global .align 1 .b8 s[] = {104, 105, 0};
.global .s32 minus = -1;
.extern .shared .align 128 .b8 dynamic[];
.shared .b32 grid[2][3], other;
)",
                        "t.ptx");
  REQUIRE(module.variables.size() == 7);
  const Variable& c = module.variables[0];
  CHECK(c.space == Space::kConst);
  CHECK(c.type == Type::kF32);
  CHECK(c.bytes == 16);
  CHECK(c.alignment == 4);
  REQUIRE(c.initial.size() == 2);
  CHECK(c.initial[1].bits == 0x40000000u);
  const Variable& p = module.variables[1];
  CHECK(p.bytes == 24);
  CHECK(p.initial[0].symbol == "c");
  CHECK(!p.initial[0].generic);
  CHECK(p.initial[1].symbol == "c");
  CHECK(p.initial[1].generic);
  CHECK(p.initial[1].bits == 8);
  CHECK(p.initial[2].symbol == "");
  CHECK(p.initial[2].bits == 7);
  CHECK(p.line == 5);
  CHECK(module.variables[2].bytes == 3);
  CHECK(module.variables[3].initial[0].bits == ~uint64_t{0});
  CHECK(module.variables[4].external);
  CHECK(module.variables[4].bytes == 0);
  CHECK(module.variables[4].alignment == 128);
  CHECK(module.variables[5].bytes == 24);
  CHECK(!module.variables[5].external);
  CHECK(module.variables[6].bytes == 4);
}

TEST_CASE("parameters and the directives of a kernel") {
  Module module =
      parse(std::string(kHead) +
                R"(.visible .entry k(.param .u64 .ptr .align 1 a, .param .u64 .ptr .global .align 16 b,
 .param .align 64 .b8 map[128], .param .f32 x)
.maxntid 256, 2, 1 .minnctapersm 3 .maxnreg 168
.explicitcluster .reqnctapercluster 2
.reqntid 128
{ ret; })",
            "t.ptx");
  const Function& k = *module.find("k");
  REQUIRE(k.parameters.size() == 4);
  CHECK(k.variables[0].name == "a");
  CHECK(k.variables[0].type == Type::kU64);
  CHECK(k.variables[0].alignment == 8);
  CHECK(k.variables[1].bytes == 8);
  CHECK(k.variables[2].opaque);
  CHECK(k.variables[2].bytes == 128);
  CHECK(k.variables[2].alignment == 64);
  CHECK(!k.variables[3].opaque);
  CHECK(k.variables[3].space == Space::kParam);
  CHECK(k.max_threads == std::array<int, 3>{256, 2, 1});
  CHECK(k.required_threads == std::array<int, 3>{128, 1, 1});
  CHECK(k.required_cluster == std::array<int, 3>{2, 1, 1});
  CHECK(k.explicit_cluster);
  CHECK(k.min_blocks == 3);
  CHECK(k.max_registers == 168);
}

TEST_CASE("places in the source, inlined ones with the chain of their calls") {
  Module module = parse(kernel(R"(ret;
.loc 1 10 3
ret;
.loc 1 20 5, function_name $L__info_string0, inlined_at 1 10 3
ret;
.loc 2 30 7, function_name $L__info_string1+1, inlined_at 1 20 5
ret;
.loc 1 10 3
ret;
.loc 1 20 5, inlined_at 1 99 1
ret;)") + R"(.file 1 "a.cu"
.file 2 "b.cuh", 123, 456
.section .debug_abbrev
{
.b8 1,2
.b64 $L__x
}
.section .debug_str
{
$L__info_string0:
.b8 95,90,49
.b8 102,0
$L__info_string1:
.b8 120,103,104,0
}
)",
                        "t.ptx");
  CHECK(module.files == std::vector<std::string>{"", "a.cu", "b.cuh"});
  const std::vector<Instruction>& body = module.functions[0].body;
  CHECK(body[0].place == -1);
  CHECK(body[4].place == body[1].place);  // equal places are one
  CHECK(body[5].place != body[2].place);
  CHECK(module.places.at(body[5].place).function == "");
  const SourcePlace& inner = module.places.at(body[3].place);
  CHECK(inner.file == 2);
  CHECK(inner.line == 30);
  CHECK(inner.column == 7);
  CHECK(inner.function == "gh");
  CHECK(inner.inlined_at == body[2].place);
  const SourcePlace& middle = module.places.at(inner.inlined_at);
  CHECK(middle.function == "_Z1f");
  CHECK(middle.inlined_at == body[1].place);
  CHECK(module.places.at(middle.inlined_at).inlined_at == -1);
  CHECK(module.places.at(module.places.at(body[5].place).inlined_at).line == 99);  // no .loc of its own
}

TEST_CASE("a module and its copies keep the text that they point into") {
  Module copy;
  {
    std::string text = kernel(".loc 1 2 3\nmov.u32 x, %laneid;");
    text.insert(text.find("mov"), ".reg .b32 x; ");
    Module module = parse(text, "t.ptx");
    copy = module;
  }
  CHECK(tell(copy, 0) == "mov.u32, x#0, %laneid");
  CHECK(copy.lines[6] == ".reg .b32 x; mov.u32 x, %laneid;");
}

TEST_CASE("both dialects of one kernel") {
  for (const char* name : {"row_sum.sm_80.ptx", "row_sum.sm_120.ptx"}) {
    CAPTURE(name);
    Module module = fixture(name);
    const bool newer = module.target == "sm_120";
    CHECK(module.version_major == 9);
    CHECK(module.files == std::vector<std::string>{"", "row_sum.cu", "sm_30_intrinsics.hpp"});
    REQUIRE(module.functions.size() == 3);
    CHECK(module.functions[0].name == "vprintf");
    CHECK(module.functions[0].external);
    CHECK(module.functions[1].name == "_Z6scaledfi");
    const Function& kernel = *module.find("row_sum");
    CHECK(kernel.entry);
    CHECK(kernel.max_threads == std::array<int, 3>{256, 1, 1});
    CHECK(kernel.min_blocks == 2);
    REQUIRE(kernel.parameters.size() == 3);
    CHECK(kernel.variables[kernel.parameters[0]].type == Type::kU64);
    CHECK(kernel.variables[kernel.parameters[2]].opaque);
    CHECK(kernel.variables[kernel.parameters[2]].bytes == 12);
    CHECK(kernel.variables[kernel.parameters[2]].alignment == 4);
    CHECK(kernel.body.size() == (newer ? 112 : 128));
    CHECK(find_variable(kernel.variables, "_ZZ9block_sumfE7partial").space == Space::kShared);
    CHECK(find_variable(kernel.variables, "_ZZ9block_sumfE7partial").bytes == 128);
    CHECK(find_variable(module.variables, "staged").external);
    const Variable& pointer = find_variable(module.variables, "bias_pointer");
    REQUIRE(pointer.initial.size() == 1);
    CHECK(pointer.initial[0].symbol == "bias_table");
    CHECK(pointer.initial[0].generic);
    CHECK(pointer.initial[0].bits == 4);
    CHECK(find_variable(module.variables, "$str").initial.size() == 7);
    CHECK(find_variable(module.variables, "$str").bytes == 8);

    const Instruction& shuffle = find(kernel, "shfl.sync.bfly.b32");
    CHECK(shuffle.operands.size() == 5);
    CHECK(shuffle.operands[0].kind == Operand::kPair);
    const SourcePlace& intrinsic = module.places[shuffle.place];
    CHECK(module.files[intrinsic.file] == "sm_30_intrinsics.hpp");
    CHECK(intrinsic.function.endswith("__shfl_xor_syncEjfii"));
    const SourcePlace& lane_sum = module.places.at(intrinsic.inlined_at);
    CHECK(lane_sum.function == "_Z8lane_sumf");
    CHECK(lane_sum.line == 10);
    const SourcePlace& block_sum = module.places.at(lane_sum.inlined_at);
    CHECK(block_sum.function == "_Z9block_sumf");
    CHECK(block_sum.line == 16);
    CHECK(module.places.at(block_sum.inlined_at).line == 32);
    CHECK(module.places.at(block_sum.inlined_at).inlined_at == -1);

    const Instruction& call = find(kernel, "call.uni");
    REQUIRE(call.operands.size() == 3);
    CHECK(call.operands[1].name == "_Z6scaledfi");
    CHECK(call.operands[1].index == 1);
  }
}

TEST_CASE("clusters, tensor maps and scopes of inline assembler") {
  Module module = fixture("tile_copy.sm_90a.ptx");
  const Function& kernel = *module.find("tile_copy");
  CHECK(kernel.explicit_cluster);
  CHECK(kernel.required_cluster == std::array<int, 3>{2, 1, 1});
  CHECK(kernel.variables[0].opaque);
  CHECK(kernel.variables[0].alignment == 64);
  int waits = 0;
  for (size_t i = 0; i < kernel.body.size(); ++i) {
    if (kernel.body[i].opcode != "mbarrier" || kernel.body[i].modifiers[0] != "try_wait") continue;
    ++waits;
    CHECK(kernel.body[i + 1].operands[0].index == static_cast<int>(i) + 3);  // DONE
    CHECK(kernel.body[i + 2].operands[0].index == static_cast<int>(i));      // WAIT
    CHECK(kernel.body[i + 1].guard == kernel.body[i].operands[0].index);
  }
  CHECK(waits == 2);
  const Instruction& map = find(kernel, "mov.b64");
  CHECK(map.operands[1].kind == Operand::kVariable);
  CHECK(map.operands[1].local);
  CHECK(map.operands[1].variable == kernel.parameters[0]);
  const Instruction& load =
      find(kernel, "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes");
  CHECK(load.opcode == "cp");
  CHECK(load.operands[1].elements[1].elements.size() == 2);
}

TEST_CASE("what is wrong is told with its line and a hint") {
  CHECK(refused(kernel(".reg .b32 %r<5>;\nadd.s32 %r1, %r2, %rx;")) ==
        "t.ptx:7:19: error: unknown name '%rx'\n"
        "  7 | add.s32 %r1, %r2, %rx;\n"
        "    |                   ^~~\n"
        "  hint: did you mean '%r1'?\n");
  auto says = [](const std::string& body, const std::string& message) {
    const std::string text = refused(kernel(body));
    CAPTURE(text);
    CHECK(text.find(": error: " + message + "\n") != std::string::npos);
  };
  says(".reg .b32 %r<5>; mov.u32 %r1, %r5;", "unknown name '%r5'");
  says(".reg .b32 %r<5>; mov.u32 %r1, %r01;", "unknown name '%r01'");
  says("mov.u32 _, %tid;", "unknown name '%tid'");
  says("bra NOWHERE;", "unknown label 'NOWHERE'");
  says("{ bra IN; }\n{ IN: }", "unknown label 'IN'");
  says("@p bra L; L:", "unknown predicate register 'p'");
  says(".reg .b32 p; @p bra L; L:", "a guard must be a predicate register; 'p' is none");
  says("call f;", "unknown function 'f'");
  says(".reg .b64 f; call f;", "calls through pointers are not supported");
  says(".reg .b32 x;\n.reg .b32 x;", "'x' is declared twice in one scope, first in line 6");
  says("L: ret;\nL: ret;", "'L' is declared twice in one scope, first in line 6");
  says(".reg .b32 %r<4>; .reg .f32 %r<4>;", "'%r' is declared twice in one scope, first in line 6");
  says(".reg .b32 %r<4>; .reg .f32 %r3;", "'%r3' is declared twice in one scope, first in line 6");
  says(".reg .f32 %r3; .reg .b32 %r<4>;", "'%r3' is declared alone too");
  says(".reg .b32 %r<4000000000>;", "a count of registers must be an integer from 1 to 4000000");
  says(".reg .b32 a<4000000>, b<1>;", "more than 4000000 registers");
  says(".reg .b33 x;", "unknown type '.b33'");
  says(".shared .align 3 .b8 x[4];", "an alignment must be a power of two");
  says(".shared .b64 x[600000000];", "an extent of an array must be an integer from 1 to 536870912");
  says(".shared .b8 x[65536][65537];", "an extent of an array must be an integer from 1 to 65536");
  says(".shared .b8 x[];", "'x' has no size");
  says(".shared .b8 x[2] = {1, 2};", "only .global and .const variables have initial values");
  says(".shared .pred x;", "memory holds no predicates");
  says(".tex x;", "unknown directive '.tex' in a function");
  says("bar.sync 0", "expected ';', found '}'");
  says("ld.global [;", "expected an operand, found ';'");
  says("ld.global [_];", "an address begins with a register, a variable or an integer");
  says("mov.u32 _, 0x1ffffffffffffffff;", "'0x1ffffffffffffffff' is no number that fits 64 bits");
  says("mov.f32 _, 0f3F8;", "'0f3F8' is no number that fits 64 bits");
  says("mov.u32 _, !4;", "'!' stands before predicate registers only");
  says("mov..u32 _, 4;", "a modifier is missing in 'mov..u32'");
  says("%r1 = 4;", "expected an instruction, found '%r1'");
  says("mov.u32 _, L; L: ret;", "unknown name 'L'");
  says("L: mov.u32 _, L;", "'L' is a label, not a value");
  says("mov.u32 _, #;", "a byte that PTX has no use for here: 0x23, '#'");
  says("mov.u32 _, \xff;", "a byte that PTX has no use for here: 0xff");
  says("brx.idx 0, ts;", "'ts' is no .branchtargets list above this line");
  says("/* ret;", "this comment does not end");
  says(".pragma \"x\n\";", "this string does not end");
  says(".loc 70000 1 1", "the number of a file must be an integer from 0 to 65535");
  says(".loc 1 1 1, function_name $L, inlined_at 1 1 1", "'$L' is no label of the section .debug_str");
}

TEST_CASE("what is wrong outside of functions") {
  auto says = [](const std::string& text, const std::string& message) {
    const std::string told = refused(kHead + text);
    CAPTURE(told);
    CHECK(told.find(": error: " + message + "\n") != std::string::npos);
  };
  says(".alias a, b;", "unknown directive '.alias' outside of functions");
  says("ret;", "expected a directive, found 'ret'");
  says(".entry k() .wide { }", "unknown directive '.wide' in the head of a function");
  says(".entry k() { ", "the body of 'k' does not end");
  says(".entry k() { }\n.entry k() { }", "'k' is declared twice in one scope, first in line 4");
  says(".entry k(.reg .b32 x) { }", "expected a parameter, which begins with .param, found '.reg'");
  says(".entry k(.param .b32 x, .param .b32 x) { }", "'x' is declared twice in one scope, first in line 4");
  says(".global .b8 x[2] = {1, 2, 3};", "3 initial values for 2 elements");
  says(".global .u64 x = y;", "unknown name 'y'");
  says(".global .b8 y; .global .b8 x = y;", "an address does not fit .b8");
  says(".global .f32 x = 0d3ff0000000000000;", "'0d3ff0000000000000' does not fit .f32");
  says(".global .b8 x[2] = {{1}, {2}};", "expected a number, found '{'");
  says(".file 4000000000 \"x\"", "the number of a file must be an integer from 0 to 65535");
  says(".section .debug_info { .b8 1", "this section does not end");
  says(".section .debug_str { .b8 256 }", "a byte must be an integer from 0 to 255");
  says(".entry k() .maxntid 1, 2, 3, 4 { }", "expected no more than three extents, found '4'");
}

TEST_CASE("limits") {
  ParseLimits limits;
  limits.instructions = 3;  // the kernel counts as one
  limits.parts = 10;
  limits.nesting = 3;
  limits.text_bytes = 1000;
  CHECK(refused(kernel("ret; ret;"), limits) == "");
  CHECK(refused(kernel("ret; ret; ret;"), limits).find("more than 3 instructions") != std::string::npos);
  CHECK(refused(kernel("mov {1,1,1,1,1,1,1,1,1};"), limits) == "");
  CHECK(refused(kernel("mov {1,1,1,1,1,1,1,1,1,1};"), limits).find("more than 10 operands") !=
        std::string::npos);
  CHECK(refused(kernel("{{}}"), limits) == "");
  CHECK(refused(kernel("{{{}}}"), limits).find("blocks nest deeper than 3") != std::string::npos);
  CHECK(refused(std::string(1001, ' '), limits) == "error: t.ptx: a text of 1001 bytes, more than 1000\n");
}

}  // namespace tenon::ptx
