// lower.cpp: bodies are walked once for each repetition; sources are made where they are first needed.
#include "ir/lower.h"

#include <map>

#include "ir/builder.h"
#include "ir/check_names.h"
#include "ir/lower_call.h"

namespace tenon {
namespace {

// Bounds the stack that nested blocks of nested expressions may take.
constexpr int kMaxEvaluationDepth = 1000;

using Values = llvm::StringMap<Operand>;

class Lowering {
 public:
  Lowering(const Declarations& declarations, const DimBinding& binding, Graph& graph, ErrorList& errors)
      : declarations_(declarations),
        dims_(dims_of(declarations, binding)),
        builder_(graph),
        errors_(errors) {}
  void run();

 private:
  friend class Body;
  Type type_of(const TensorDeclaration& declaration) const;
  Operand source(Op op, const TensorDeclaration& declaration, const std::string& name, std::string from);
  Value* quantised(const TensorDeclaration& declaration, const std::string& name, const std::string& from,
                   const Type& type);
  Operand weight(const TensorDeclaration& declaration, const std::string& block, int64_t repetition);
  std::string tensor_name(const NameTemplate& from, int64_t repetition) const;
  Values& sources(const BlockDeclaration& block, int64_t repetition);
  /// Runs `make`, and turns an Error into an entry of the list and a poisoned value.
  template <class Make>
  Operand guarded(Make make);

  const Declarations& declarations_;
  DimLookup dims_;
  Builder builder_;
  ErrorList& errors_;
  Values inputs_;
  std::map<std::pair<const BlockDeclaration*, int64_t>, Values> sources_;
  std::map<std::pair<const TensorDeclaration*, std::string>, Operand> weights_;
  llvm::DenseMap<const Node*, int> updated_;  // states, and the line that wrote them
  int depth_ = 0;
};

// One run through a body: the graph, or one repetition of a block.
class Body : public Evaluator {
 public:
  Body(Lowering& owner, const BlockDeclaration& block, std::string scope, int64_t repetition)
      : owner_(owner),
        block_(block),
        scope_(std::move(scope)),
        repetition_(repetition),
        values_(owner.sources(block, repetition)) {}

  void set(llvm::StringRef name, Operand value) { values_[name] = std::move(value); }
  void run();
  Operand value(llvm::StringRef name) const;
  Operand evaluate(const Expression& expression) override;
  void update_state(Value* state, Value* value, const Location& location) override;

 private:
  void run(const Equation& equation);
  /// All values of an expression, each checked to have a size.
  Operands evaluate_all(const Expression& expression);
  Operands dispatch(const Expression& expression);
  Operands call(const Expression& expression);
  Operands call_operation(const Expression& expression, const Operation& operation);
  Operands call_block(const Expression& expression);
  std::vector<Operand> run_block(const BlockDeclaration& block, llvm::ArrayRef<Operand> args,
                                 std::string scope, int64_t repetition);
  std::string scope_of(const BlockDeclaration& block, int64_t repetition, bool repeated) const;
  Operand name(const Expression& expression) const;
  Builder& builder_at(const Expression& expression) {
    return owner_.builder_.at(expression.location, scope_);
  }

  Lowering& owner_;
  const BlockDeclaration& block_;
  std::string scope_;
  int64_t repetition_;
  Values values_;
};

template <class Make>
Operand Lowering::guarded(Make make) {
  try {
    return make();
  } catch (const Error& error) {
    errors_.add(error);
  } catch (const Poisoned&) {
  }
  return {};
}

// An error without a place (an extent that overflows) gets this one.
Error placed(const Error& error, const Location& location) {
  std::vector<Diagnostic> diagnostics(error.diagnostics().begin(), error.diagnostics().end());
  for (Diagnostic& diagnostic : diagnostics)
    if (!diagnostic.location.known()) diagnostic.location = location;
  return Error(std::move(diagnostics), error.status());
}

// --- Sources

Type Lowering::type_of(const TensorDeclaration& declaration) const {
  Type type{declaration.dtype, {}};
  for (const Expression& extent : declaration.shape) {
    Dim dim = evaluate_shape(extent, dims_);
    if (dim.extent() < 0) throw Error("a negative extent: " + std::to_string(dim.extent()), extent.location);
    type.shape.push_back(dim);
  }
  try {
    type.bytes();
  } catch (const Error& error) {
    throw placed(error, declaration.location);
  }
  return type;
}

Operand Lowering::source(Op op, const TensorDeclaration& declaration, const std::string& name,
                         std::string from) {
  if (!declaration.valid) return {};
  return guarded([&]() -> Operand {
    Type type = type_of(declaration);
    builder_.at(declaration.location);
    if (declaration.rope) return builder_.source(Op::kRopeTable, name, std::move(type), *declaration.rope);
    if (declaration.quant) return quantised(declaration, name, from, type);
    Attributes attributes;
    if (op == Op::kWeight) attributes.set("from", std::move(from));
    return builder_.source(op, name, std::move(type), std::move(attributes));
  });
}

/// Two weights, `name` and `name.scale`, and the values that they stand for.
Value* Lowering::quantised(const TensorDeclaration& declaration, const std::string& name,
                           const std::string& from, const Type& type) {
  const auto [bits, group] = *declaration.quant;
  const Dim in = type.shape.back();
  const auto fail = [&](const std::string& what) {
    throw Error(
        "'" + name + "' has " + std::to_string(in.extent()) + " elements along its last axis, " + what,
        declaration.location);
  };
  if (in.extent() % group != 0) fail("which do not divide into groups of " + std::to_string(group));
  if (bits == 4 && in.extent() % 2 != 0) fail("an odd number: a byte holds two");
  Type values{bits == 4 ? DType::kU8 : DType::kI8, type.shape}, scales = type;
  if (bits == 4) values.shape.back() = floor_div(in, Dim(2));
  scales.shape.back() = floor_div(in, Dim(group));
  Value* integers = builder_.source(Op::kWeight, name, std::move(values), {{"from", from}});
  Value* scale =
      builder_.source(Op::kWeight, name + ".scale", std::move(scales), {{"from", from + ".scale"}});
  scale->set_name(name + "_scale");  // kernels know a value by what follows its last point
  return builder_.make(Op::kDequantise, {integers, scale}, {{"group", group}});
}

std::string Lowering::tensor_name(const NameTemplate& from, int64_t repetition) const {
  std::string result = from.parts[0];
  for (size_t i = 0; i < from.holes.size(); ++i) {
    Dim value = evaluate_shape(from.holes[i], [&](llvm::StringRef name) -> std::optional<Dim> {
      if (name == "i") return Dim(repetition);
      return dims_(name);
    });
    result += std::to_string(value.extent()) + from.parts[i + 1];
  }
  return result;
}

// `block` is "" at the top level. Weights of one tensor in the file are one node: a name without {..} is
// shared by all repetitions, and so is a computed table.
Operand Lowering::weight(const TensorDeclaration& declaration, const std::string& block, int64_t repetition) {
  if (!declaration.valid) return {};
  std::string own =
      block.empty() ? declaration.name : block + "." + std::to_string(repetition) + "." + declaration.name;
  bool shared = declaration.rope || (declaration.from && declaration.from->holes.empty());
  return guarded([&]() -> Operand {
    std::string from = declaration.rope   ? ""
                       : declaration.from ? tensor_name(*declaration.from, repetition)
                                          : own;
    auto [slot, is_new] = weights_.try_emplace({&declaration, from});
    if (is_new) {
      std::string name = shared && !block.empty() ? block + "." + declaration.name : own;
      slot->second = source(Op::kWeight, declaration, name, from);
    }
    return slot->second;
  });
}

Values& Lowering::sources(const BlockDeclaration& block, int64_t repetition) {
  auto [slot, is_new] = sources_.try_emplace({&block, repetition});
  if (!is_new) return slot->second;
  Values& values = slot->second;
  for (const auto& weight : block.weights) values[weight.name] = this->weight(weight, block.name, repetition);
  std::string prefix = block.name.empty() ? "" : block.name + "." + std::to_string(repetition) + ".";
  for (const auto& state : block.state)
    values[state.name] = source(Op::kState, state, prefix + state.name, "");
  return values;
}

// --- Bodies

void Body::run() {
  for (const Equation& equation : block_.body) {
    if (owner_.errors_.full()) return;
    run(equation);
  }
}

void Body::run(const Equation& equation) {
  if (equation.targets.empty()) return;
  Operands results(equation.targets.size(), Operand());
  if (equation.valid)
    owner_.guarded([&]() -> Operand {
      Operands values;
      try {
        values = evaluate_all(equation.value);
      } catch (const Error& error) {
        throw placed(error, equation.value.location);
      }
      if (values.size() != equation.targets.size())
        throw Error("this gives " + std::to_string(values.size()) +
                        (values.size() == 1 ? " value" : " values") + ", and " +
                        std::to_string(equation.targets.size()) +
                        (equation.targets.size() == 1 ? " name takes" : " names take") + " them",
                    equation.value.location);
      results = std::move(values);
      return {};
    });
  for (size_t i = 0; i < results.size(); ++i) {
    const std::string& name = equation.targets[i].name;
    if (results[i].is_tensor() && results[i].tensor->name().empty()) results[i].tensor->set_name(name);
    set(name, results[i]);
  }
}

Operand Body::value(llvm::StringRef name) const {
  if (auto found = values_.find(name); found != values_.end()) return found->second;
  if (auto found = owner_.inputs_.find(name); found != owner_.inputs_.end()) return found->second;
  return {};
}

Operand Body::name(const Expression& expression) const {
  Operand found = value(expression.text);
  if (found.kind != Operand::Kind::kPoison) return found;
  if (!values_.count(expression.text) && !owner_.inputs_.count(expression.text))
    if (auto dim = owner_.dims_(expression.text)) return Number::of(*dim);
  throw Poisoned();
}

Operand Body::evaluate(const Expression& expression) {
  Operands values = evaluate_all(expression);
  if (values.size() != 1)
    throw Error("this gives " + std::to_string(values.size()) + " values where one is needed",
                expression.location, "a, b = f(x) names each");
  if (values[0].kind == Operand::Kind::kPoison) throw Poisoned();
  return values[0];
}

Operands Body::evaluate_all(const Expression& expression) {
  struct Depth {
    explicit Depth(int& counter) : depth(counter) { ++depth; }
    ~Depth() { --depth; }
    int& depth;
  } depth(owner_.depth_);
  if (depth.depth > kMaxEvaluationDepth)
    throw Error("blocks and expressions nest too deep", expression.location);
  Operands results = dispatch(expression);
  for (const Operand& result : results)
    if (result.is_tensor()) result.tensor->type().bytes();  // throws where it overflows
  return results;
}

Operands Body::dispatch(const Expression& expression) {
  switch (expression.kind) {
    case Expression::Kind::kInteger: return {Number::of(Dim(expression.integer))};
    case Expression::Kind::kReal: return {Number::of(expression.real)};
    case Expression::Kind::kBool: return {Number::of(expression.integer != 0)};
    case Expression::Kind::kName: return {name(expression)};
    case Expression::Kind::kNegate: {
      Operand x = evaluate(expression.operands[0]);
      if (x.is_number() && x.number.boolean)
        throw Error("- does not take true or false", expression.location);
      if (x.is_number()) return {negate(x.number)};
      return {builder_at(expression).make(Op::kNeg, {x.tensor})};
    }
    case Expression::Kind::kBinary: {
      Operand a = evaluate(expression.operands[0]), b = evaluate(expression.operands[1]);
      return {lower_binary(builder_at(expression), expression.text, a, b, owner_.declarations_.tf32)};
    }
    case Expression::Kind::kCall: return call(expression);
    case Expression::Kind::kNone:
      throw Error("none is no value", expression.location, "it stands for an argument that is not given");
    case Expression::Kind::kString:
      throw Error("a string is no value", expression.location, "strings are keyword arguments");
    case Expression::Kind::kList:
      throw Error("a list is no value", expression.location, "lists are arguments");
  }
  return {};
}

Operands Body::call(const Expression& expression) {
  if (const Operation* operation = find_operation(expression.text))
    return call_operation(expression, *operation);
  return call_block(expression);
}

Operands Body::call_operation(const Expression& expression, const Operation& operation) {
  BoundArguments arguments = bind_arguments(expression, operation.parameters, operation.least_variadic,
                                            operation.signature, 0, nullptr);
  if (!arguments.complete || !operation.lower) throw Poisoned();
  // Arguments may be calls that set the builder's place themselves, so the lowering works with one of its
  // own.
  Builder builder(owner_.builder_.graph());
  builder.at(expression.location, scope_);
  Call call(expression, operation, arguments, *this, builder, owner_.declarations_.tf32);
  return operation.lower(call);
}

std::string Body::scope_of(const BlockDeclaration& block, int64_t repetition, bool repeated) const {
  std::string own = repeated || scope_.empty() ? block.name + "." + std::to_string(repetition) : block.name;
  return scope_.empty() ? own : scope_ + "." + own;
}

Operands Body::call_block(const Expression& expression) {
  bool repeated = expression.text == "repeat";
  if (repeated && expression.operands.size() < 2) throw Poisoned();
  const BlockDeclaration* block =
      owner_.declarations_.find_block(repeated ? expression.operands[0].text : expression.text);
  if (!block || (repeated && block->args.size() != block->returns.size())) throw Poisoned();
  BoundArguments bound =
      bind_arguments(expression, parameters_of(*block), 0, block->name, repeated ? 2 : 0, nullptr);
  if (!bound.complete) throw Poisoned();
  std::vector<Operand> values;
  for (const Expression* argument : bound.parameters) values.push_back(evaluate(*argument));
  if (!repeated) {
    values = run_block(*block, values, scope_of(*block, repetition_, false), repetition_);
    return Operands(values.begin(), values.end());
  }
  int64_t count = repeat_count(expression.operands[1], owner_.declarations_);
  for (int64_t i = 0; i < count; ++i) {
    std::vector<Operand> next = run_block(*block, values, scope_of(*block, i, true), i);
    for (size_t k = 0; k < next.size(); ++k) {
      if (next[k].kind == Operand::Kind::kPoison) throw Poisoned();
      bool same = next[k].kind == values[k].kind &&
                  (!next[k].is_tensor() || next[k].tensor->type() == values[k].tensor->type());
      if (!same)
        throw Error("repeat: block '" + block->name + "' takes " + describe(values[k]) + " for '" +
                        block->args[k].name + "' and returns " + describe(next[k]),
                    expression.location, "returns must match args in shape and type");
    }
    values = std::move(next);
  }
  return Operands(values.begin(), values.end());
}

std::vector<Operand> Body::run_block(const BlockDeclaration& block, llvm::ArrayRef<Operand> args,
                                     std::string scope, int64_t repetition) {
  Body body(owner_, block, std::move(scope), repetition);
  for (size_t i = 0; i < args.size(); ++i) body.set(block.args[i].name, args[i]);
  body.run();
  std::vector<Operand> results;
  for (const auto& name : block.returns) results.push_back(body.value(name.name));
  return results;
}

void Body::update_state(Value* state, Value* value, const Location& location) {
  const Node* node = state->node();
  if (node->op() != Op::kState)
    throw Error("cache: '" + state->name().str() + "' is no state", location,
                "cache writes what [state] or a block's state declares");
  auto [slot, is_new] = owner_.updated_.try_emplace(node, location.line);
  if (!is_new)
    throw Error("cache: the state '" + node->attributes.string("name").str() +
                    "' is written a second time; line " + std::to_string(slot->second) + " wrote it",
                location);
  owner_.builder_.graph().add_state_update(state->node(), value);
}

void Lowering::run() {
  for (const auto& input : declarations_.inputs)
    inputs_[input.name] = source(Op::kInput, input, input.name, "");
  Body graph(*this, declarations_.graph, "", 0);
  graph.run();
  for (const OutputDeclaration& output : declarations_.outputs) {
    Operand value = graph.value(output.from);
    if (value.is_number())
      errors_.add("output '" + output.name + "' is a number, not a tensor", output.location);
    if (!value.is_tensor()) continue;
    builder_.at(output.location);
    builder_.graph().add_output(output.name,
                                output.dtype ? builder_.cast(value.tensor, *output.dtype) : value.tensor);
  }
}

}  // namespace

DimLookup dims_of(const Declarations& declarations, const DimBinding& binding) {
  return [&](llvm::StringRef name) -> std::optional<Dim> {
    const ModelDim* dim = declarations.find_dim(name);
    auto found = dim ? binding.find(dim->name) : binding.end();
    if (found == binding.end()) return std::nullopt;
    return dim->fixed() ? Dim(found->second) : Dim(found->second, name);
  };
}

std::unique_ptr<Graph> lower(const Declarations& declarations, const DimBinding& binding, ErrorList& errors) {
  auto graph = std::make_unique<Graph>();
  Lowering(declarations, binding, *graph, errors).run();
  return graph;
}

}  // namespace tenon
