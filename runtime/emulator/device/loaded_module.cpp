// loaded_module.cpp: placing a module's variables and decoding its kernels.
#include "runtime/emulator/device/loaded_module.h"

#include <cstring>

#include "ir/diagnostics.h"
#include "runtime/emulator/ptx/parser.h"

namespace tenon::emulator {
namespace {

bool in_memory(const ptx::Variable& variable) {
  return variable.space == ptx::Space::kGlobal || variable.space == ptx::Space::kConst;
}

Location line_of(const ptx::Module& module, int line) { return {module.source, line, 1, 1}; }

}  // namespace

LoadedModule::LoadedModule(GlobalMemory& memory, llvm::StringRef text, llvm::StringRef name)
    : memory_(memory), module_(std::make_shared<const ptx::Module>(ptx::parse(text, name))) {
  try {
    place_variables();
  } catch (...) {
    release();
    throw;
  }
}

LoadedModule::~LoadedModule() { release(); }

void LoadedModule::release() {
  for (uint64_t address : addresses_)
    if (address) memory_.release(address);
  addresses_.clear();
}

// All get their places before any is initialised: an initialiser may hold the address of a later variable.
void LoadedModule::place_variables() {
  addresses_.assign(module_->variables.size(), 0);
  for (size_t i = 0; i < addresses_.size(); ++i) {
    const ptx::Variable& variable = module_->variables[i];
    if (!in_memory(variable)) continue;
    if (variable.external)
      throw Error("the variable " + variable.name + " is external: nothing here defines it",
                  line_of(*module_, variable.line));
    if (variable.bytes > 0) addresses_[i] = memory_.allocate(variable.bytes, variable.name);
    if (addresses_[i] % static_cast<uint64_t>(variable.alignment) != 0)
      throw Error("the variable " + variable.name + " wants to be aligned to " +
                      std::to_string(variable.alignment) + " bytes",
                  line_of(*module_, variable.line), "the emulator aligns to 512");
  }
  for (size_t i = 0; i < addresses_.size(); ++i)
    if (addresses_[i]) initialise(module_->variables[i], addresses_[i]);
}

void LoadedModule::initialise(const ptx::Variable& variable, uint64_t address) {
  const size_t width = static_cast<size_t>(ptx::bytes(variable.type));
  std::vector<std::byte> bytes(static_cast<size_t>(variable.bytes));
  if (width > sizeof(uint64_t) || variable.initial.size() * width > bytes.size())
    throw Error("the initialiser of " + variable.name + " does not fit its type",
                line_of(*module_, variable.line));
  for (size_t i = 0; i < variable.initial.size(); ++i) {
    const ptx::InitialValue& value = variable.initial[i];
    uint64_t word = value.bits;
    if (!value.symbol.empty()) {
      auto target = llvm::find_if(module_->variables,
                                  [&](const ptx::Variable& other) { return value.symbol == other.name; });
      if (target == module_->variables.end() || !in_memory(*target))
        throw Error("the initialiser of " + variable.name + " names " + value.symbol.str() +
                        ", which has no address in memory",
                    line_of(*module_, variable.line));
      word += addresses_[target - module_->variables.begin()];
    }
    std::memcpy(bytes.data() + i * width, &word, width);
  }
  memory_.write(address, bytes);
  if (variable.space == ptx::Space::kConst) memory_.find(address, variable.bytes)->read_only = true;
}

std::shared_ptr<const Program> LoadedModule::program(const std::string& entry) {
  std::shared_ptr<const Program>& known = programs_[entry];
  if (!known) known = decode(module_, entry, addresses_);
  return known;
}

std::vector<std::string> LoadedModule::entries() const {
  std::vector<std::string> names;
  for (const ptx::Function& function : module_->functions)
    if (function.entry) names.push_back(function.name);
  return names;
}

}  // namespace tenon::emulator
