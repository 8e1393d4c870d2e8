// names.h: C identifiers for the values of a region's body.
#pragma once
#include <string>

#include "ir/graph.h"
#include "ir/print.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringMap.h"

namespace tenon {

/// What CUDA declares in the global namespace, where the names of kernels live: a kernel `norm` would not compile.
llvm::ArrayRef<llvm::StringLiteral> cuda_functions();

/// Gives every value a name that is free in generated code: the one under which the head of the kernel prints
/// it, where C allows it ("h"); numbers become "v3", dots underscores, and words that mean something there
/// (keywords, the vocabulary of templates/) get a "_" behind.
class Names {
 public:
  explicit Names(const Graph& body) : table_(body) {}

  const std::string& operator()(const Value* value);
  /// What the name of `value` is made from: its text in the head of the kernel.
  std::string base(const Value* value) const { return llvm::StringRef(table_(value)).ltrim('%').str(); }
  /// Nothing else gets this name.
  void reserve(llvm::StringRef name) { taken_.try_emplace(name, 1); }
  /// A name like `wanted` that nothing else has.
  std::string fresh(llvm::StringRef wanted);

 private:
  NameTable table_;
  llvm::DenseMap<const Value*, std::string> names_;
  llvm::StringMap<int> taken_;  ///< with the last number that was put behind it
};

}  // namespace tenon
