// op.cpp: the table of operations as data.
#include "ir/op.h"

namespace tenon {
namespace {

constexpr OpInfo row(Op op, const char* name, OpKind kind, int min_operands, int max_operands, int results,
                     int flops, const char* doc) {
  return {op, name, kind, min_operands, max_operands, results, flops, doc};
}

const OpInfo kTable[] = {
#define OP(enumerator, name, kind, ...) row(Op::enumerator, #name, OpKind::kind, __VA_ARGS__),
#include "ir/ops.def"
#undef OP
};

}  // namespace

const OpInfo& info(Op op) { return kTable[static_cast<int>(op)]; }
llvm::StringRef name_of(Op op) { return info(op).name; }

std::optional<Op> parse_op(llvm::StringRef name) {
  for (const OpInfo& entry : kTable)
    if (entry.name == name) return entry.op;
  return std::nullopt;
}

bool is_comparison(Op op) {
  return op == Op::kEqual || op == Op::kLess || op == Op::kLessEqual || op == Op::kGreater ||
         op == Op::kGreaterEqual;
}

bool is_commutative(Op op) {
  switch (op) {
    case Op::kAdd:
    case Op::kMul:
    case Op::kMaximum:
    case Op::kMinimum:
    case Op::kEqual:
    case Op::kAnd:
    case Op::kOr:
    case Op::kXor: return true;
    default: return false;
  }
}

}  // namespace tenon
