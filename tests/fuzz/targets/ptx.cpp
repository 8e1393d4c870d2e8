// PTX text: it gives a module whose indices all hold, or an Error with a place.
#include "runtime/emulator/ptx/parser.h"
#include "tests/fuzz/targets.h"
#include "tests/fuzz/targets/verdict.h"

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

}  // namespace
}  // namespace tenon::ptx

namespace tenon::fuzz {

std::string ptx(llvm::StringRef bytes, bool* accepted) {
  return verdict(/*located=*/true, accepted, [&]() -> std::string {
    const ptx::Module module = ptx::parse(bytes.str(), "fuzz.ptx");
    for (const ptx::Function& function : module.functions)
      if (!ptx::holds(module, function)) return "an index that points nowhere in " + function.name;
    for (size_t i = 0; i < module.places.size(); ++i)
      if (module.places[i].inlined_at >= static_cast<int>(i))
        return "a place inlined at itself or a later one";
    return "";
  });
}

}  // namespace tenon::fuzz
