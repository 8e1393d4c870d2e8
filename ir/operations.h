// operations.h: the operations of the language by their signatures, and how arguments find their parameters.
#pragma once
#include <string>
#include <vector>

#include "ir/error_list.h"
#include "ir/expression.h"
#include "ir/op.h"

namespace tenon {

class Call;      // lower_call.h
struct Operand;  // lower_call.h
using Operands = llvm::SmallVector<Operand, 2>;

struct Parameter {
  std::string name;
  bool required = true;
  Expression fallback;  ///< the default, where the signature gives one
};

/// One row of the table. The signature is written as the language page writes it: "gelu(x,
/// approximate='none')"; "concat(a, b, .., axis=)" takes any number of positional arguments, and `axis=` is a
/// required keyword.
struct Operation {
  std::string signature;
  std::string name;
  std::vector<Parameter> parameters;  ///< of a variadic operation: those after the ".."
  int least_variadic = 0;             ///< 0: not variadic; else the least number of positional arguments
  Op op = Op::kConstant;
  Operands (*lower)(Call&) = nullptr;  ///< null: not there yet
};

/// Null for an unknown name.
const Operation* find_operation(llvm::StringRef name);
llvm::ArrayRef<Operation> operations();

/// The arguments of a call by parameter (null: not given), and the variadic ones.
struct BoundArguments {
  std::vector<const Expression*> parameters;
  std::vector<const Expression*> variadic;
  bool complete = false;  ///< false: something is wrong, and in `errors` where that is given
};
/// `skip` arguments at the front belong to somebody else (repeat's block and count).
BoundArguments bind_arguments(const Expression& call, llvm::ArrayRef<Parameter> parameters,
                              int least_variadic, const std::string& signature, size_t skip,
                              ErrorList* errors);

}  // namespace tenon
