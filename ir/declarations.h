// declarations.h: what a model file declares, before any dim has a value. Shared by the files behind model.h.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ir/attributes.h"
#include "ir/expression.h"
#include "ir/model.h"
#include "llvm/ADT/StringMap.h"

namespace tenon {

/// A tensor's name in a weights file: literal parts with shape expressions of i and the dims between them.
struct NameTemplate {
  std::vector<std::string> parts;  ///< one more than holes
  std::vector<Expression> holes;
};

/// How a weight is kept: integers of `bits` (4 or 8) with a scale for each `group` of its last axis.
struct Quantisation {
  int bits = 4;
  int64_t group = 128;
};

/// A row of [inputs], [weights] or [state], or of a block's.
struct TensorDeclaration {
  std::string name;
  Location location;
  DType dtype = DType::kF32;
  std::vector<Expression> shape;
  std::optional<NameTemplate> from;   ///< of a weight; without it the name itself
  std::optional<Attributes> rope;     ///< of a computed table: the attributes of its kRopeTable node
  std::optional<Quantisation> quant;  ///< of a weight that is kept as integers
  bool valid = true;                  ///< false: reported already; values of it are not looked at
};

/// An output: the value `from` under the name `name`, cast where a type is given.
struct OutputDeclaration {
  std::string name;
  std::string from;
  std::optional<DType> dtype;
  Location location;
};

/// A block, or the graph itself (no args, and outputs instead of returns).
struct BlockDeclaration {
  std::string name;
  Location location;
  std::vector<Equation::Target> args, returns;
  std::vector<TensorDeclaration> weights, state;
  std::vector<Equation> body;
  bool valid = true;  ///< false: args, returns or the names that its body assigns are not all known
};

struct Declarations {
  std::shared_ptr<const SourceFile> file;
  std::string name;
  bool tf32 = false;
  std::vector<ModelDim> dims;
  std::vector<PolicyEntry> policy;
  std::vector<TensorDeclaration> inputs;
  std::vector<BlockDeclaration> blocks;
  BlockDeclaration graph;  ///< with the top level's weights and state
  std::vector<OutputDeclaration> outputs;
  llvm::StringMap<size_t> dim_index, block_index;

  const ModelDim* find_dim(llvm::StringRef name) const {
    auto found = dim_index.find(name);
    return found == dim_index.end() ? nullptr : &dims[found->second];
  }
  const BlockDeclaration* find_block(llvm::StringRef name) const {
    auto found = block_index.find(name);
    return found == block_index.end() ? nullptr : &blocks[found->second];
  }
};

}  // namespace tenon
