// The PTX parser against mutations of real PTX and against texts made to be slow or large: whatever the text, it
// gives a module whose indices all hold or an Error with a place, in bounded time. Mutations come from a fixed
// seed, so a failure repeats; TENON_FUZZ_ROUNDS makes it longer.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdlib>

#include "ir/diagnostics.h"
#include "runtime/emulator/ptx/parser.h"
#include "tests/fuzz/ptx_mutator.h"

namespace tenon::ptx {
namespace {

bool within(int index, size_t size) { return index >= 0 && static_cast<size_t>(index) < size; }

bool holds(const Module& module, const Function& function, const Operand& operand) {
  for (const Operand& element : operand.elements)
    if (!holds(module, function, element)) return false;
  switch (operand.kind) {
    case Operand::kRegister: return within(operand.index, function.registers.size());
    case Operand::kLabel: return within(operand.index, function.body.size() + 1);
    case Operand::kFunction: return within(operand.index, module.functions.size());
    case Operand::kVariable:
      return within(operand.variable, (operand.local ? function.variables : module.variables).size());
    case Operand::kAddress: return operand.elements.size() == 1 || operand.elements.size() == 2;
    case Operand::kPair: return operand.elements.size() == 2;
    default: return true;
  }
}

bool holds(const Module& module, const Function& function) {
  for (int index : function.parameters)
    if (!within(index, function.variables.size())) return false;
  for (const Instruction& instruction : function.body) {
    if (!within(instruction.line - 1, module.lines.size()) || instruction.opcode.empty()) return false;
    if (instruction.place != -1 && !within(instruction.place, module.places.size())) return false;
    if (instruction.guard != -1 && !within(instruction.guard, function.registers.size())) return false;
    for (const Operand& operand : instruction.operands)
      if (!holds(module, function, operand)) return false;
  }
  return true;
}

// "" or what went wrong.
std::string run(const std::string& text, bool& read) {
  read = false;
  try {
    const Module module = parse(text, "fuzz.ptx");
    read = true;
    for (const Function& function : module.functions)
      if (!holds(module, function)) return "an index that points nowhere in " + function.name;
    for (size_t i = 0; i < module.places.size(); ++i)
      if (module.places[i].inlined_at >= static_cast<int>(i))
        return "a place inlined at itself or a later one";
    return "";
  } catch (const Error& error) {
    const Diagnostic& first = error.diagnostics().front();
    return first.message.empty() || !first.location.known() ? "no place or no words: " + first.message : "";
  }
}

}  // namespace

TEST_CASE("mutated PTX is read or refused in words") {
  const char* asked = std::getenv("TENON_FUZZ_ROUNDS");
  const int rounds = asked ? std::atoi(asked) : 6000;
  int accepted = 0;
  const std::vector<std::string> modules = seeds();
  REQUIRE(modules.size() == 3);
  for (int round = 0; round < rounds; ++round) {
    Mutator mutator(static_cast<uint64_t>(round) + 1);
    std::string text = modules[mutator.below(modules.size())];
    for (size_t i = 1 + mutator.below(4); i > 0 && !text.empty(); --i)
      mutator.mutate(text, modules[mutator.below(modules.size())]);
    bool read = false;
    const std::string problem = run(text, read);
    accepted += read;
    CAPTURE(round);
    REQUIRE(problem == "");
  }
  CHECK(accepted > rounds / 50);
  CHECK(accepted < rounds * 3 / 4);
}

TEST_CASE("every beginning of a module is read or refused") {
  for (const std::string& module : seeds())
    for (size_t length = 0; length < module.size(); length += 1 + length / 500) {
      bool read = false;
      CAPTURE(length);
      REQUIRE(run(module.substr(0, length), read) == "");
    }
}

TEST_CASE("texts made to be slow take no longer than their size") {
  struct Text {
    const char *before, *piece, *after = "";
  };
  const Text texts[] = {
      {"", "{ .reg .b32 a; mov.b32 a, 1; }\n"},
      {"", ".reg .b32 r#;\n"},
      {"", ".reg .b32 r#_<9>; mov.b32 r#_1, r#_2;\n"},
      {"", "bra END;\n"},
      {"", "bra L#; L#:\n"},
      {"{{{{{{{{{{{{{{{{{{{{", "{ bra END; }\n", "}}}}}}}}}}}}}}}}}}}}"},
      {"", "{"},
      {"", "{{{}}}"},
      {"mov.b32 {1", ",1", "};"},
      {".shared .b8 s; ld.b32 _, [s", "+1", "];"},
      {"mov.b32 _, x", "x", ";"},
      {"mov.b32 _, ", "1", ";"},
      {".reg .b32 r", "1", "; mov.b32 r1, 1;"},
      {"a", ".a", ";"},
      {"a", "::a", ";"},
      {"t: .branchtargets END", ", END", "; brx.idx 0, t; brx.idx 0, t; brx.idx 0, t;"},
      {"", "{ t: .branchtargets END, END, END, END, END, END; brx.idx 0, t; }\n"},
      {"", "/* "},
      {"", "\n"},
      {"", ".loc 1 # 1\n"},
      {"", ".loc 1 # 1, inlined_at 1 # 2\n"},
      {"", ".shared .b8 s#[4294967296];\n"},
      {"", "ret; } .func f#() { END:\n"},
      {"ret; }", ".func f# () ;\n", ".func g () {"},
      {"ret; } .global .b8 x[] = {1", ",1", "}; .func g () {"},
  };
  constexpr size_t kBytes = 2 << 20;
  for (const Text& made : texts)
    for (const char* end : {"\nEND: ret; }", "\nbra nowhere; END: }", "\nmov.b32 _, nothing; }"}) {
      const std::string text = ".version 8.5\n.target sm_90a\n.address_size 64\n.entry k() {\n" +
                               (made.before + repeat(made.piece, kBytes)) + made.after + end;
      bool read = false;
      CAPTURE(made.before);
      CAPTURE(made.piece);
      const auto begin = std::chrono::steady_clock::now();
      REQUIRE(run(text, read) == "");
      CHECK(std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() < 20);
    }
}

}  // namespace tenon::ptx
