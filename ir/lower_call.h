// lower_call.h: one call of an operation while its graph is built: typed access to arguments, and results.
#pragma once
#include "ir/builder.h"
#include "ir/number.h"
#include "ir/operations.h"

namespace tenon {

/// Thrown where an operand comes from an equation that is reported already, so that one mistake gives one
/// message.
struct Poisoned {};

/// The value of an expression while a graph is built.
struct Operand {
  enum class Kind { kPoison, kTensor, kNumber };
  Kind kind = Kind::kPoison;
  Value* tensor = nullptr;
  Number number;

  Operand() = default;
  Operand(Value* value) : kind(Kind::kTensor), tensor(value) {}             // NOLINT
  Operand(Number value) : kind(Kind::kNumber), number(std::move(value)) {}  // NOLINT
  bool is_tensor() const { return kind == Kind::kTensor; }
  bool is_number() const { return kind == Kind::kNumber; }
};

/// What a call needs of the body that it stands in.
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /// The one value of an expression; throws Error where it has several or none.
  virtual Operand evaluate(const Expression& expression) = 0;
  /// Marks `state` as written by `value`; throws Error where it is no state or written before.
  virtual void update_state(Value* state, Value* value, const Location& location) = 0;
};

/// A call with its arguments bound. Getters throw Error at the argument when it is of another kind; a
/// parameter without argument gives its default.
class Call {
 public:
  Call(const Expression& expression, const Operation& operation, const BoundArguments& arguments,
       Evaluator& evaluator, Builder& builder, bool tf32)
      : operation(operation),
        builder(builder),
        expression_(expression),
        arguments_(arguments),
        evaluator_(evaluator),
        tf32_(tf32) {}

  const Operation& operation;
  Builder& builder;
  const Location& location() const { return expression_.location; }

  bool given(llvm::StringRef name) const;  ///< and not `none`
  Operand operand(llvm::StringRef name);   ///< a tensor or a number
  Value* tensor(llvm::StringRef name);
  Value* optional_tensor(llvm::StringRef name);  ///< null when not given
  Value* tensor_or_constant(llvm::StringRef name, DType type_of_number);
  Number number(llvm::StringRef name);
  double real(llvm::StringRef name) { return number(name).value; }
  Dim integer(llvm::StringRef name);
  int64_t axis(llvm::StringRef name, int64_t rank);  ///< normalised
  bool flag(llvm::StringRef name);
  std::string string(llvm::StringRef name);
  DType dtype(llvm::StringRef name);
  /// The elements of a list; a single number counts as a list of one.
  std::vector<Number> numbers(llvm::StringRef name);
  Shape dims(llvm::StringRef name);
  bool is_list(llvm::StringRef name) const;
  std::vector<Operand> variadic();
  void update_state(Value* state, Value* value) { evaluator_.update_state(state, value, location()); }

  /// The tensor for an operand beside a tensor of `dtype`: a number becomes a scalar constant of it. Throws
  /// Error where the number does not fit the type.
  Value* typed(const Operand& operand, DType dtype);
  /// Numbers take the type of the first tensor. Throws Error where all are numbers.
  llvm::SmallVector<Value*, 4> typed_alike(llvm::ArrayRef<Operand> operands);
  Value* matmul(Value* a, Value* b, bool transpose_b);

  [[noreturn]] void fail(const std::string& message, std::string hint = {}) const;
  [[noreturn]] void fail_at(llvm::StringRef name, const std::string& message, std::string hint = {}) const;

 private:
  const Expression* argument(llvm::StringRef name) const;
  const Location& location_of(llvm::StringRef name) const;
  Dim integer_of(const Expression& argument, llvm::StringRef name);

  const Expression& expression_;
  const BoundArguments& arguments_;
  Evaluator& evaluator_;
  bool tf32_;
};

/// + - * / // @ ** of any operands: numbers alone in f64, else a node. Throws Error at the builder's
/// location.
Operand lower_binary(Builder& builder, llvm::StringRef op, const Operand& a, const Operand& b, bool tf32);
/// Throws Error at `location` where a number may not become a value of `dtype`.
void check_fits(const Number& number, DType dtype, const Location& location);
/// A constant of `dtype`; throws Error where the number does not fit.
Value* typed_constant(Builder& builder, const Number& number, DType dtype, const Location& location,
                      llvm::ArrayRef<Dim> shape = {});
/// "a number", "a bool", "bf16[T, 768]": for messages.
std::string describe(const Operand& operand);
constexpr size_t kMaxRank = 16;
/// What to say beside "unknown data type": the nearest name, or all of them.
std::string dtype_hint(llvm::StringRef name);

}  // namespace tenon
