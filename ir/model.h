// model.h: a model file read and checked: TOML tables into declarations, equations into graphs.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ir/graph.h"
#include "llvm/ADT/STLExtras.h"

namespace tenon {

/// Values of the dims by name.
using DimBinding = std::map<std::string, int64_t>;

/// A row of [dims]: fixed when both bounds are equal ("T = 4"), dynamic otherwise ("T = '1..4096'").
struct ModelDim {
  std::string name;
  int64_t lower = 0;
  int64_t upper = 0;
  Location location;
  bool fixed() const { return lower == upper; }
};

/// A row of [policy]: sites that match `pattern` take `choice` ("library", "unfused", "fused", or a config's
/// name).
struct PolicyEntry {
  std::string pattern;
  std::string choice;
  Location location;
};

/// The language of LANGUAGE.md, version 1. Reading checks syntax, names, arity and declarations, and reports
/// every error of the file together (a TOML syntax error alone); types and shapes are checked by build(),
/// which knows the dims, and by reading as well once anything else is wrong.
class Model {
 public:
  /// Throws Error; a file that cannot be opened, is larger than 4 MB or is no UTF-8 is one too.
  static Model read(llvm::StringRef path);
  static Model parse(std::shared_ptr<const SourceFile> source);
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const std::string& name() const;
  bool tf32() const;
  llvm::ArrayRef<ModelDim> dims() const;
  llvm::ArrayRef<PolicyEntry> policy() const;

  /// Completes `given` (--dim): fixed dims take their value, dynamic ones the extent that `inputs` (name ->
  /// extents of the tensors at hand) imply, else min(upper bound, 512), and are then named in `defaulted`.
  /// Throws Error for a name that the model lacks, a value outside its bounds, inputs that contradict each
  /// other or the declared shape.
  DimBinding bind(const DimBinding& given, const std::map<std::string, Extents>& inputs,
                  std::vector<std::string>* defaulted = nullptr) const;

  /// The model's graph for one complete binding: nodes carry locations and scopes; inputs, weights and states
  /// are sources with {name} (and a weight's {from}: the tensor of the file; {rope...}: a computed table is a
  /// kRopeTable node instead); declared but unused inputs, weights and states are kept. Throws Error with all
  /// the errors of types and shapes that can be told apart. Reading refuses models above half a million nodes.
  std::unique_ptr<Graph> build(const DimBinding& dims) const;

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace tenon
