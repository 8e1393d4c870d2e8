// loaded_module.h: a PTX module on the emulated device: its variables in memory, its kernels decoded.
#pragma once
#include <map>
#include <memory>
#include <string>

#include "runtime/emulator/machine/global_memory.h"
#include "runtime/emulator/program/program.h"

namespace tenon::emulator {

class LoadedModule {
 public:
  /// Parses `text` (`name` stands for it in messages) and puts its .global and .const variables into `memory`, which
  /// outlives the module. Throws Error with the PTX line.
  LoadedModule(GlobalMemory& memory, llvm::StringRef text, llvm::StringRef name);
  ~LoadedModule();
  LoadedModule(const LoadedModule&) = delete;
  LoadedModule& operator=(const LoadedModule&) = delete;

  const ptx::Module& module() const { return *module_; }
  /// Kernel `entry`, decoded when first wanted. Throws Error: no such kernel, an instruction that the emulator does
  /// not know.
  std::shared_ptr<const Program> program(const std::string& entry);
  /// Names of the kernels, in the order of the text.
  std::vector<std::string> entries() const;

 private:
  void place_variables();
  void initialise(const ptx::Variable& variable, uint64_t address);
  void release();

  GlobalMemory& memory_;
  std::shared_ptr<const ptx::Module> module_;
  VariableAddresses addresses_;  // 0: not in global memory
  std::map<std::string, std::shared_ptr<const Program>> programs_;
};

}  // namespace tenon::emulator
