// program.cpp: a program's own questions, and the front door of decoding.
#include "runtime/emulator/program/program.h"

#include <algorithm>

#include "ir/diagnostics.h"
#include "runtime/emulator/program/builder.h"

namespace tenon::emulator {
namespace {

int entry_index(const ptx::Module& module, llvm::StringRef entry) {
  std::vector<llvm::StringRef> names;
  for (const ptx::Function& function : module.functions) {
    if (!function.entry) continue;
    if (entry == function.name) return static_cast<int>(&function - module.functions.data());
    names.push_back(function.name);
  }
  const std::string near = nearest(entry, names);
  throw Error("module '" + module.name + "' has no kernel '" + entry.str() + "'", {},
              near.empty() ? "" : "did you mean '" + near + "'?");
}

}  // namespace

const UnfencedWrite* Program::unfenced_write(const Op& wgmma) const {
  const auto index = static_cast<int32_t>(&wgmma - ops.data());
  const auto found = std::lower_bound(unfenced_writes.begin(), unfenced_writes.end(), index,
                                      [](const UnfencedWrite& a, int32_t b) { return a.wgmma < b; });
  return found != unfenced_writes.end() && found->wgmma == index ? &*found : nullptr;
}

std::string Program::name_of_shared(int64_t offset) const {
  for (const SharedVariable& variable : shared_variables)
    if (offset >= variable.offset && (variable.bytes == 0 || offset < variable.offset + variable.bytes))
      return "byte " + std::to_string(offset - variable.offset) + " of `" + variable.name + "`";
  return "";
}

llvm::StringRef Program::text(const Op& op) const {
  return op.line > 0 && op.line <= static_cast<int>(module->lines.size()) ? module->lines[op.line - 1].trim()
                                                                          : llvm::StringRef();
}

std::shared_ptr<const Program> decode(std::shared_ptr<const ptx::Module> module, llvm::StringRef entry,
                                      const VariableAddresses& variables) {
  const int index = entry_index(*module, entry);
  return ProgramBuilder(std::move(module), index, variables).build();
}

}  // namespace tenon::emulator
