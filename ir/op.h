// op.h: the operations as an enumeration, and what the table ops.def says of each.
#pragma once
#include <cstdint>
#include <optional>

#include "llvm/ADT/StringRef.h"

namespace tenon {

enum class Op : uint8_t {
#define OP(enumerator, ...) enumerator,
#include "ir/ops.def"
#undef OP
};

enum class OpKind : uint8_t {
  kSource,
  kElementwise,
  kReduction,
  kNormalisation,
  kContraction,
  kMovement,
  kComposite,
  kState,
  kRegion
};

/// A row of ops.def.
struct OpInfo {
  Op op;
  llvm::StringRef name;
  OpKind kind;
  int min_operands;
  int max_operands;  ///< -1: any number
  int results;       ///< -1: as many as the region's body has outputs
  int flops;         ///< per element of the result; of a reduction, per element of the operand
  llvm::StringRef doc;
};

const OpInfo& info(Op op);
llvm::StringRef name_of(Op op);
std::optional<Op> parse_op(llvm::StringRef name);
constexpr int kOpCount = 0
#define OP(...) +1
#include "ir/ops.def"
#undef OP
    ;

inline OpKind kind_of(Op op) { return info(op).kind; }
inline bool is_elementwise(Op op) { return kind_of(op) == OpKind::kElementwise; }
bool is_comparison(Op op);   ///< equal less less_equal greater greater_equal
bool is_commutative(Op op);  ///< of its two operands

}  // namespace tenon
