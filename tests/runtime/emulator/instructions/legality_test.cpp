// What the decoder takes is what ptxas takes: opcodes by types by modifiers, most of them no instructions at all.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <set>

#include "ir/diagnostics.h"
#include "runtime/emulator/program/program.h"
#include "runtime/emulator/ptx/parser.h"

using namespace tenon;
using namespace tenon::emulator;

namespace {

const char* kPtxas = "/usr/local/cuda/bin/ptxas";
const std::vector<std::string> kTypes = {"b16",  "b32",   "b64",    "u16",   "s16",  "u32",
                                         "s32",  "u64",   "s64",    "f16",   "f32",  "f64",
                                         "bf16", "f16x2", "bf16x2", "u16x2", "s16x2"};

std::string register_of(const std::string& type) {
  if (type == "pred") return "%p";
  if (type.ends_with("x2")) return type[0] == 'e' ? "%h" : "%r";
  return type.ends_with("64") ? "%d" : type.ends_with("32") ? "%r" : "%h";
}

/// Every choice of one string from each set, joined.
std::vector<std::string> joined(const std::vector<std::vector<std::string>>& sets) {
  std::vector<std::string> all = {""};
  for (const auto& set : sets) {
    std::vector<std::string> longer;
    for (const std::string& head : all)
      for (const std::string& tail : set) longer.push_back(head + tail);
    all = std::move(longer);
  }
  return all;
}

/// "opcode.modifiers.type r1, r2, ..": every register of the type.
void add_uniform(std::vector<std::string>& lines, const std::vector<std::string>& opcodes, int operands,
                 const std::vector<std::vector<std::string>>& modifiers) {
  for (const std::string& opcode : opcodes)
    for (const std::string& tail : joined(modifiers))
      for (const std::string& type : kTypes) {
        std::string line = opcode + tail + "." + type;
        for (int i = 1; i <= operands; ++i)
          line += (i > 1 ? ", " : " ") + register_of(type) + std::to_string(i);
        lines.push_back(line + ";");
      }
}

std::vector<std::string> arithmetic_lines() {
  std::vector<std::string> lines;
  const std::vector<std::string> roundings = {"", ".rn", ".rz", ".rm", ".rp"}, flush = {"", ".ftz"},
                                 saturate = {"", ".sat"};
  add_uniform(lines, {"add", "sub", "mul", "div"}, 2 + 1, {roundings, flush, saturate});
  add_uniform(lines, {"add", "sub"}, 3, {{".cc", ".sat.cc", ".relu"}});
  add_uniform(lines, {"addc", "subc"}, 3, {{"", ".cc"}});
  add_uniform(lines, {"mul"}, 3, {{".lo", ".hi"}, {"", ".sat", ".cc"}});
  add_uniform(lines, {"mad"}, 4, {{".lo", ".hi"}, {"", ".sat", ".cc"}});
  add_uniform(lines, {"madc"}, 4, {{".lo", ".hi"}, {"", ".cc"}});
  add_uniform(lines, {"mul24"}, 3, {{"", ".lo", ".hi"}, saturate});
  add_uniform(lines, {"mad24"}, 4, {{"", ".lo", ".hi"}, saturate});
  add_uniform(lines, {"fma", "mad"}, 4, {{"", ".rn", ".ftz"}, flush, saturate, {"", ".relu"}});
  add_uniform(lines, {"fma", "mad"}, 4, {{".rz", ".rm", ".rp"}, flush, saturate});
  add_uniform(lines, {"div"}, 3, {{".approx", ".full"}, flush, saturate});
  add_uniform(lines, {"min", "max"}, 3,
              {flush, {"", ".NaN"}, {"", ".xorsign.abs", ".abs", ".xorsign", ".relu"}});
  add_uniform(lines, {"neg", "abs"}, 2, {{"", ".ftz", ".sat"}});
  add_uniform(lines, {"rcp", "sqrt", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh"}, 2,
              {{"", ".rn", ".rz", ".approx"}, flush});
  add_uniform(lines, {"rem", "sad", "copysign", "and", "or", "xor"}, 3, {{"", ".ftz"}});
  add_uniform(lines, {"sad"}, 4, {{""}});
  add_uniform(lines, {"not", "cnot", "brev"}, 2, {{""}});
  return lines;
}

std::vector<std::string> other_lines() {
  std::vector<std::string> lines;
  for (const std::string& type : kTypes) {
    std::string r = register_of(type);
    for (std::string opcode : {"popc", "clz", "bfind", "bfind.shiftamt"})
      lines.push_back(opcode + "." + type + " %r1, " + r + "2;");
    for (std::string opcode : {"shl", "shr"})
      lines.push_back(opcode + "." + type + " " + r + "1, " + r + "2, %r3;");
    lines.push_back("bfe." + type + " " + r + "1, " + r + "2, %r3, %r4;");
    lines.push_back("bfi." + type + " " + r + "1, " + r + "2, " + r + "3, %r4, %r5;");
    lines.push_back("selp." + type + " " + r + "1, " + r + "2, " + r + "3, %p1;");
    lines.push_back("slct." + type + ".s32 " + r + "1, " + r + "2, " + r + "3, %r4;");
    lines.push_back("slct.ftz." + type + ".f32 " + r + "1, " + r + "2, " + r + "3, %r4;");
    lines.push_back("slct." + type + ".u32 " + r + "1, " + r + "2, " + r + "3, %r4;");
    for (std::string what : {"finite", "normal"})
      lines.push_back("testp." + what + "." + type + " %p1, " + r + "2;");
    for (std::string relation : {"eq", "lt", "lo", "hs", "equ", "ltu", "num"})
      for (std::string ftz : {"", ".ftz"}) {
        lines.push_back("setp." + relation + ftz + "." + type + " %p1, " + r + "2, " + r + "3;");
        lines.push_back("setp." + relation + ftz + "." + type + " %p1|%p2, " + r + "2, " + r + "3;");
        lines.push_back("setp." + relation + ".xor" + ftz + "." + type + " %p1, " + r + "2, " + r +
                        "3, !%p3;");
        for (const std::string& to : kTypes)
          if (relation != "lo" && relation != "hs")
            lines.push_back("set." + relation + ftz + "." + to + "." + type + " " + register_of(to) + "1, " +
                            r + "2, " + r + "3;");
      }
  }
  return lines;
}

std::vector<std::string> convert_lines() {
  std::vector<std::string> lines,
      types = {"u8", "s8", "b16", "u16", "s16", "u32", "s32", "u64", "s64", "f16", "bf16", "f32", "f64"};
  for (const std::string& to : types)
    for (const std::string& from : types)
      for (const std::string& modifiers :
           joined({{"", ".rn", ".rz", ".rp", ".rni", ".rmi"}, {"", ".ftz"}, {"", ".sat"}}))
        lines.push_back("cvt" + modifiers + "." + to + "." + from + " " + register_of(to) + "1, " +
                        register_of(from) + "2;");
  for (const std::string& modifiers :
       joined({{"", ".rn", ".rz", ".rna", ".rm"},
               {"", ".relu", ".satfinite", ".relu.satfinite", ".sat", ".ftz"}})) {
    for (std::string to : {"f16", "bf16"}) {
      lines.push_back("cvt" + modifiers + "." + to + ".f32 %h1, %r2;");
      lines.push_back("cvt" + modifiers + "." + to + "x2.f32 %r1, %r2, %r3;");
    }
    for (std::string small : {"e4m3x2", "e5m2x2"}) {
      lines.push_back("cvt" + modifiers + "." + small + ".f32 %h1, %r2, %r3;");
      lines.push_back("cvt" + modifiers + "." + small + ".f16x2 %h1, %r2;");
      lines.push_back("cvt" + modifiers + "." + small + ".bf16x2 %h1, %r2;");
      lines.push_back("cvt" + modifiers + ".f16x2." + small + " %r1, %h2;");
    }
    lines.push_back("cvt" + modifiers + ".tf32.f32 %r1, %r2;");
  }
  return lines;
}

const char* kHead =
    ".version 9.0\n.target sm_90a\n.address_size 64\n.entry k()\n{\n.reg .b16 %h<9>;\n.reg .b32 %r<9>;\n.reg "
    ".b64 "
    "%d<9>;\n.reg .pred %p<9>;\n";
constexpr int kHeadLines = 9;

/// The lines that ptxas complains of.
std::set<size_t> refused_by_ptxas(const std::vector<std::string>& lines) {
  char name[] = "/tmp/tenon_legality_XXXXXX";
  const int file = mkstemp(name);
  REQUIRE(file >= 0);
  close(file);
  std::string text = kHead;
  for (const std::string& line : lines) text += line + "\n";
  std::ofstream(name) << text << "ret;\n}\n";
  FILE* pipe = popen((std::string(kPtxas) + " -arch=sm_90a -o /dev/null " + name + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::set<size_t> refused;
  for (char said[512]; std::fgets(said, sizeof said, pipe) != nullptr;) {
    const std::string message = said;
    const size_t at = message.find(", line ");
    if (at != std::string::npos && message.find("error") != std::string::npos)
      refused.insert(std::stoul(message.substr(at + 7)) - kHeadLines - 1);
  }
  pclose(pipe);
  unlink(name);
  return refused;
}

bool decoder_takes(const std::string& line) {
  try {
    decode(std::make_shared<ptx::Module>(ptx::parse(kHead + line + "\nret;\n}\n", "t.ptx")), "k", {});
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// What ptxas takes though the PTX ISA 9.0 has no such instruction: the decoder goes by the ISA.
bool beyond_the_isa(const std::string& line) {
  auto starts = [&](const char* head) { return line.starts_with(head); };
  bool directed_bf16 = line.find(".bf16") != std::string::npos && line.find(".rn") == std::string::npos;
  bool narrow_carry = line.find("c.") < 5 && line.find("16") != std::string::npos;  // addc.u16
  return narrow_carry || (starts("fma.r") && directed_bf16) ||                      // fma.rz.bf16
         ((starts("rcp.") || starts("sqrt.")) &&
          line.find(".ftz.f64") != std::string::npos);  // rcp.rn.ftz.f64
}

void check_like_ptxas(const std::vector<std::string>& lines) {
  const std::set<size_t> refused = refused_by_ptxas(lines);
  CHECK(refused.size() > lines.size() / 8);
  CHECK(refused.size() < lines.size());
  std::string differing;
  for (size_t i = 0; i < lines.size(); ++i)
    if (decoder_takes(lines[i]) != (refused.count(i) == 0) && !beyond_the_isa(lines[i]))
      differing += lines[i] + (refused.count(i) == 0 ? " is legal\n" : " is not legal\n");
  CHECK(differing == "");
}

}  // namespace

TEST_CASE("emulator: the decoder takes what ptxas takes") {
  if (access(kPtxas, X_OK) != 0) {
    MESSAGE("skipped: no ptxas at " << kPtxas);
    return;
  }
  check_like_ptxas(arithmetic_lines());
  check_like_ptxas(other_lines());
  check_like_ptxas(convert_lines());
}
