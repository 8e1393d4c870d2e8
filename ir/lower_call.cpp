// lower_call.cpp: typed access to the arguments of a call, and numbers that take a tensor's type.
#include "ir/lower_call.h"

#include "ir/infer.h"

namespace tenon {
namespace {

// Why `number` cannot be a value of `dtype`, or "".
std::string misfit(const Number& number, DType dtype) {
  std::string type = name_of(dtype).str();
  if (dtype == DType::kBool) return number.boolean ? "" : "a number beside bool";
  if (number.boolean) return "true or false beside " + type;
  if (is_float(dtype)) return "";
  if (!number.integer) return "a number with a point, an exponent or a true division beside " + type;
  int64_t value = number.integer->extent();
  const int64_t least = dtype == DType::kI32  ? INT32_MIN
                        : dtype == DType::kI8 ? INT8_MIN
                        : dtype == DType::kU8 ? 0
                                              : INT64_MIN;
  const int64_t most = dtype == DType::kI32  ? INT32_MAX
                       : dtype == DType::kI8 ? INT8_MAX
                       : dtype == DType::kU8 ? UINT8_MAX
                                             : INT64_MAX;
  if (value < least || value > most) return std::to_string(value) + " does not fit " + type;
  bool exact = number.value < 0x1p63 && static_cast<int64_t>(number.value) == value;
  if (!exact) return std::to_string(value) + " is no exact f64, which constants are kept in";
  return "";
}

Op op_of(llvm::StringRef symbol) {
  return symbol == "+"   ? Op::kAdd
         : symbol == "-" ? Op::kSub
         : symbol == "*" ? Op::kMul
         : symbol == "/" ? Op::kDiv
                         : Op::kPow;
}

Value* matmul_node(Builder& builder, Value* a, Value* b, bool transpose_b, bool tf32) {
  bool use = tf32 && a->type().dtype == DType::kF32;
  return builder.make(Op::kMatmul, {a, b}, {{"transpose_b", transpose_b}, {"tf32", use}});
}

}  // namespace

std::string describe(const Operand& operand) {
  if (operand.is_tensor()) return operand.tensor->type().text();
  return operand.number.boolean ? "true or false" : "a number";
}

std::string dtype_hint(llvm::StringRef name) {
  if (name == "i4")
    return "a weight of 4-bit integers is declared as quant = { scheme = \"int4\", group = 128 }";
  const std::string near =
      nearest(name, {"f32", "f16", "bf16", "f8e4m3", "f8e5m2", "i64", "i32", "i8", "u8", "bool"});
  return near.empty() ? "f32 f16 bf16 f8e4m3 f8e5m2 i64 i32 i8 u8 bool" : "did you mean \"" + near + "\"?";
}

void check_fits(const Number& number, DType dtype, const Location& location) {
  std::string problem = misfit(number, dtype);
  if (problem.empty()) return;
  std::string hint = dtype == DType::kBool ? "write true or false"
                     : is_float(dtype)     ? "write a number"
                                           : "write an integer, or cast the tensor";
  throw Error(problem, location, hint);
}

Value* typed_constant(Builder& builder, const Number& number, DType dtype, const Location& location,
                      llvm::ArrayRef<Dim> shape) {
  check_fits(number, dtype, location);
  return builder.constant(number.value, dtype, shape);
}

Operand lower_binary(Builder& builder, llvm::StringRef op, const Operand& a, const Operand& b, bool tf32) {
  if (a.is_number() && b.is_number()) {
    if (op == "@") throw Error("@ takes tensors, not numbers", builder.location());
    if (a.number.boolean || b.number.boolean)
      throw Error(op.str() + " does not take true or false", builder.location());
    return combine(op, a.number, b.number);
  }
  if (op == "//")
    throw Error("// is for numbers and dims", builder.location(),
                "of tensors: floor(a / b); / truncates integers");
  if (op == "@") {
    if (!a.is_tensor() || !b.is_tensor()) throw Error("@ takes tensors, not numbers", builder.location());
    return matmul_node(builder, a.tensor, b.tensor, false, tf32);
  }
  DType dtype = a.is_tensor() ? a.tensor->type().dtype : b.tensor->type().dtype;
  Value* left = a.is_tensor() ? a.tensor : typed_constant(builder, a.number, dtype, builder.location());
  Value* right = b.is_tensor() ? b.tensor : typed_constant(builder, b.number, dtype, builder.location());
  return builder.make(op_of(op), {left, right});
}

const Expression* Call::argument(llvm::StringRef name) const {
  for (size_t p = 0; p < operation.parameters.size(); ++p)
    if (operation.parameters[p].name == name) {
      const Expression* given = arguments_.parameters[p];
      return given ? given : &operation.parameters[p].fallback;
    }
  return nullptr;
}

const Location& Call::location_of(llvm::StringRef name) const {
  const Expression* found = argument(name);
  return found && found->location.known() ? found->location : location();
}

void Call::fail(const std::string& message, std::string hint) const {
  throw Error(operation.name + ": " + message, location(), std::move(hint));
}
void Call::fail_at(llvm::StringRef name, const std::string& message, std::string hint) const {
  throw Error(operation.name + ": " + message, location_of(name), std::move(hint));
}

bool Call::given(llvm::StringRef name) const { return argument(name)->kind != Expression::Kind::kNone; }
bool Call::is_list(llvm::StringRef name) const { return argument(name)->kind == Expression::Kind::kList; }

Operand Call::operand(llvm::StringRef name) {
  const Expression* found = argument(name);
  if (found->kind == Expression::Kind::kNone || found->kind == Expression::Kind::kString ||
      found->kind == Expression::Kind::kList)
    fail_at(name, name.str() + " must be a tensor or a number", operation.signature);
  return evaluator_.evaluate(*found);
}

Value* Call::tensor(llvm::StringRef name) {
  Operand found = operand(name);
  if (!found.is_tensor()) fail_at(name, name.str() + " must be a tensor, not " + describe(found));
  return found.tensor;
}

Value* Call::optional_tensor(llvm::StringRef name) { return given(name) ? tensor(name) : nullptr; }

Value* Call::tensor_or_constant(llvm::StringRef name, DType type_of_number) {
  return typed(operand(name), type_of_number);
}

Number Call::number(llvm::StringRef name) {
  Operand found = operand(name);
  if (!found.is_number() || found.number.boolean)
    fail_at(name, name.str() + " must be a number, not " + describe(found));
  return found.number;
}

Dim Call::integer_of(const Expression& value, llvm::StringRef name) {
  Operand found = evaluator_.evaluate(value);
  if (!found.is_number() || !found.number.integer)
    throw Error(
        operation.name + ": " + name.str() + " must be an integer, not " +
            (found.is_number() && !found.number.boolean ? text_of(found.number.value) : describe(found)),
        value.location.known() ? value.location : location());
  return *found.number.integer;
}

Dim Call::integer(llvm::StringRef name) {
  if (!given(name) || is_list(name)) fail_at(name, name.str() + " must be an integer", operation.signature);
  return integer_of(*argument(name), name);
}

int64_t Call::axis(llvm::StringRef name, int64_t rank) {
  return normalise_axis(integer(name).extent(), rank, location_of(name));
}

bool Call::flag(llvm::StringRef name) {
  Operand found = operand(name);
  if (!found.is_number() || !found.number.boolean)
    fail_at(name, name.str() + " must be true or false, not " + describe(found));
  return found.number.value != 0;
}

std::string Call::string(llvm::StringRef name) {
  const Expression* found = argument(name);
  if (found->kind != Expression::Kind::kString)
    fail_at(name, name.str() + " must be a string", operation.signature);
  return found->text;
}

DType Call::dtype(llvm::StringRef name) {
  std::string text = string(name);
  if (auto found = parse_dtype(text)) return *found;
  fail_at(name, "unknown data type \"" + text + "\"", dtype_hint(text));
}

std::vector<Number> Call::numbers(llvm::StringRef name) {
  const Expression* found = argument(name);
  if (!is_list(name)) return {number(name)};
  std::vector<Number> result;
  for (const Expression& element : found->operands) {
    Operand value = evaluator_.evaluate(element);
    if (!value.is_number() || value.number.boolean)
      throw Error(
          operation.name + ": " + name.str() + " has an element that is no number but " + describe(value),
          element.location);
    result.push_back(value.number);
  }
  return result;
}

Shape Call::dims(llvm::StringRef name) {
  Shape result;
  if (!is_list(name)) return {integer(name)};
  for (const Expression& element : argument(name)->operands) result.push_back(integer_of(element, name));
  return result;
}

std::vector<Operand> Call::variadic() {
  std::vector<Operand> result;
  for (const Expression* argument : arguments_.variadic) result.push_back(evaluator_.evaluate(*argument));
  return result;
}

Value* Call::typed(const Operand& operand, DType dtype) {
  return operand.is_tensor() ? operand.tensor : typed_constant(builder, operand.number, dtype, location());
}

llvm::SmallVector<Value*, 4> Call::typed_alike(llvm::ArrayRef<Operand> operands) {
  const Operand* first = llvm::find_if(operands, [](const Operand& o) { return o.is_tensor(); });
  if (first == operands.end())
    fail("needs a tensor; all operands are numbers", "full(shape=[], value=, dtype=) makes one");
  DType dtype = first->tensor->type().dtype;
  llvm::SmallVector<Value*, 4> result;
  for (const Operand& operand : operands) result.push_back(typed(operand, dtype));
  return result;
}

Value* Call::matmul(Value* a, Value* b, bool transpose_b) {
  return matmul_node(builder, a, b, transpose_b, tf32_);
}

}  // namespace tenon
