// kernel_parameters.h: what a kernel is handed: pointers to operands, packed values and results, and the
// numbers that dynamic dims decide.
#pragma once
#include <map>

#include "codegen/names.h"
#include "codegen/plan.h"

namespace tenon {

/// Collects the parameters that the printed text mentions, in the order of their first mention.
class KernelParameters {
 public:
  KernelParameters(Names& names, bool wide) : names_(names), wide_(wide) {}

  /// The pointer to a value of the region's body that the kernel reads: a parameter, or a packed value.
  /// `name` is wished for.
  std::string operand(const Value* value, llvm::StringRef name);
  /// The pointer to output `index`, whose elements are `type`.
  std::string result(int index, llvm::StringRef name, DType type);
  /// The pointer to parameter `value`, which is written.
  std::string written(const Value* value, llvm::StringRef name);
  /// The pointer to scratch memory (kWorkspace) or to counters (kCounters) of the launch.
  std::string scratch(KernelArgument::Kind kind, llvm::StringRef name, DType type);
  /// A number: itself where it is fixed, else a parameter named after its symbol.
  std::string number(const Dim& d);

  struct Declaration {
    std::string type, name;
  };
  llvm::ArrayRef<Declaration> declarations() const { return declarations_; }
  std::string signature() const;  ///< "const bf16* x, bf16* y_out, Index T"
  std::string name_list() const;  ///< "x, y_out, T"
  std::vector<KernelArgument> arguments;
  std::vector<const Value*> packed;

 private:
  std::string pointer(const Value* value, llvm::StringRef name, bool written);
  std::string declare(std::string type, llvm::StringRef name, KernelArgument argument);

  Names& names_;
  bool wide_;  // indices are 64-bit
  std::vector<Declaration> declarations_;
  std::map<const Value*, std::string> pointers_;
  std::map<std::string, std::string> numbers_;
};

}  // namespace tenon
