// check_names.cpp: one walk over the equations of each body, in their order.
#include "ir/check_names.h"

#include <utility>

#include "ir/number.h"
#include "ir/operations.h"
#include "llvm/ADT/StringSet.h"

namespace tenon {
namespace {

constexpr int kMaxBlockDepth = 64;

// How much building a body makes, and whether its blocks call each other in a circle.
class Extent {
 public:
  Extent(const Declarations& declarations, ErrorList& errors)
      : declarations_(declarations), errors_(errors) {}
  double of(const BlockDeclaration& body) {
    double total = static_cast<double>(body.weights.size() + body.state.size());
    for (const Equation& equation : body.body) total += 1 + (equation.valid ? of(equation.value) : 0);
    return total;
  }
  bool bounded() const { return bounded_; }
  /// A block that nothing calls is checked too.
  void check(const BlockDeclaration& block) {
    if (!known_.count(&block)) enter(block);
  }

 private:
  double of(const Expression& expression) {
    bool call = expression.kind == Expression::Kind::kCall;
    bool node =
        call || expression.kind == Expression::Kind::kBinary || expression.kind == Expression::Kind::kNegate;
    double total = node;
    for (const Expression& operand : expression.operands) total += of(operand);
    if (!call) return total;
    double times = 1;
    const std::string* name = &expression.text;
    if (*name == "repeat" && expression.operands.size() >= 2) {
      name = &expression.operands[0].text;
      try {
        times = static_cast<double>(repeat_count(expression.operands[1], declarations_));
      } catch (const Error&) {
        return total;  // reported where the call is checked
      }
    }
    if (const BlockDeclaration* block = declarations_.find_block(*name))
      total += times * (1 + of(*block, expression));
    if (total > kMaxNodes && bounded_) {
      bounded_ = false;
      errors_.add(
          "the graph would have more than " + std::to_string(static_cast<int64_t>(kMaxNodes)) + " nodes",
          expression.location);
    }
    return total;
  }

  double of(const BlockDeclaration& block, const Expression& call) {
    if (llvm::is_contained(stack_, &block)) {
      bounded_ = false;
      errors_.add("block '" + block.name + "' calls itself" +
                      (stack_.back() == &block ? "" : " through '" + stack_.back()->name + "'"),
                  call.location, "blocks may call other blocks; repeat(block, n, x) calls one n times");
      return 0;
    }
    if (auto known = known_.find(&block); known != known_.end()) return known->second;
    if (stack_.size() >= kMaxBlockDepth) {
      if (std::exchange(bounded_, false))
        errors_.add("blocks nest more than " + std::to_string(kMaxBlockDepth) + " deep", call.location);
      return 0;
    }
    return enter(block);
  }

  double enter(const BlockDeclaration& block) {
    stack_.push_back(&block);
    double total = of(block);
    stack_.pop_back();
    known_[&block] = total;
    return total;
  }

  const Declarations& declarations_;
  ErrorList& errors_;
  std::vector<const BlockDeclaration*> stack_;
  llvm::DenseMap<const BlockDeclaration*, double> known_;
  bool bounded_ = true;
};

class BodyChecker {
 public:
  BodyChecker(const Declarations& declarations, BlockDeclaration& body, ErrorList& errors)
      : declarations_(declarations), body_(body), errors_(errors) {
    for (const auto& input : declarations.inputs) visible_.insert(input.name);
    for (const auto& arg : body.args) declare(arg);
    for (const auto& weight : body.weights) visible_.insert(weight.name);
    for (const auto& state : body.state) {
      visible_.insert(state.name);
      states_.insert(state.name);
    }
  }

  void check() {
    for (Equation& equation : body_.body) {
      size_t before = errors_.count();
      if (equation.valid) check(equation.value);
      if (errors_.count() != before) equation.valid = false;
      for (const auto& target : equation.targets) declare(target);
    }
    for (const auto& name : body_.returns) check_value(name.name, name.location);
    if (&body_ != &declarations_.graph) return;
    for (const OutputDeclaration& output : declarations_.outputs) check_value(output.from, output.location);
  }

 private:
  void declare(const Equation::Target& target) {
    if (declarations_.find_dim(target.name))
      errors_.add("'" + target.name + "' is a dim; a value needs another name", target.location);
    if (states_.contains(target.name))
      errors_.add("'" + target.name + "' is a state; only cache writes it", target.location,
                  "give the new value a name of its own");
    visible_.insert(target.name);
  }

  std::vector<llvm::StringRef> values() const {
    std::vector<llvm::StringRef> names;
    for (const auto& entry : visible_) names.push_back(entry.getKey());
    return names;
  }

  void check_value(const std::string& name, const Location& location) {
    if (!visible_.contains(name) && body_.valid)
      errors_.add("unknown value '" + name + "'", location, did_you_mean(name, values()));
  }

  void check_name(const Expression& expression) {
    if (visible_.contains(expression.text) || declarations_.find_dim(expression.text)) return;
    if (errors_.full()) return errors_.add("unknown name '" + expression.text + "'", expression.location);
    std::vector<llvm::StringRef> names = values();
    for (const ModelDim& dim : declarations_.dims) names.push_back(dim.name);
    std::string hint = did_you_mean(expression.text, names);
    if (find_operation(expression.text) || declarations_.find_block(expression.text))
      hint = "to call it, write " + expression.text + "(..)";
    else if (parse_dtype(expression.text))
      hint = "data types are strings: \"" + expression.text + "\"";
    else if (llvm::any_of(declarations_.graph.weights,
                          [&](const auto& w) { return w.name == expression.text; }))
      hint = "a block sees its args, its weights and state, the dims and the inputs; pass it as an arg";
    errors_.add("unknown name '" + expression.text + "'", expression.location, hint);
  }

  void check(const Expression& expression) {
    if (expression.kind == Expression::Kind::kName) return check_name(expression);
    bool repeat = expression.kind == Expression::Kind::kCall && expression.text == "repeat";
    size_t skip = repeat && !expression.operands.empty() ? 1 : 0;  // repeat's block is no value
    for (const Expression& operand : llvm::ArrayRef<Expression>(expression.operands).drop_front(skip))
      check(operand);
    if (expression.kind != Expression::Kind::kCall) return;
    if (repeat) return check_repeat(expression);
    if (const Operation* operation = find_operation(expression.text)) {
      if (!operation->lower) errors_.add_missing_feature(operation->name, expression.location);
      bind_arguments(expression, operation->parameters, operation->least_variadic, operation->signature, 0,
                     &errors_);
    } else if (const BlockDeclaration* block = declarations_.find_block(expression.text)) {
      bind_arguments(expression, parameters_of(*block), 0, signature_of(*block), 0, &errors_);
    } else {
      std::vector<llvm::StringRef> names{"repeat"};
      for (const Operation& known : operations()) names.push_back(known.name);
      for (const BlockDeclaration& known : declarations_.blocks) names.push_back(known.name);
      errors_.add("unknown operation or block '" + expression.text + "'", expression.location,
                  did_you_mean(expression.text, names));
    }
  }

  void check_repeat(const Expression& call) {
    constexpr llvm::StringLiteral kSignature = "repeat(block, n, x, ..)";
    if (call.operands.size() < 2 || !call.keywords[0].name.empty() || !call.keywords[1].name.empty())
      return errors_.add("repeat: needs a block and a count", call.location, kSignature.str());
    const Expression& name = call.operands[0];
    const BlockDeclaration* block =
        name.kind == Expression::Kind::kName ? declarations_.find_block(name.text) : nullptr;
    if (!block) {
      std::vector<llvm::StringRef> names;
      for (const BlockDeclaration& known : declarations_.blocks) names.push_back(known.name);
      return errors_.add("repeat: '" + name.text + "' is no block", name.location,
                         did_you_mean(name.text, names));
    }
    try {
      repeat_count(call.operands[1], declarations_);
    } catch (const Error& error) {
      errors_.add(error);
    }
    std::string signature = "repeat(" + block->name + ", n";
    for (const auto& arg : block->args) signature += ", " + arg.name;
    bind_arguments(call, parameters_of(*block), 0, signature + ")", 2, &errors_);
    if (block->valid && block->args.size() != block->returns.size())
      errors_.add("repeat: block '" + block->name + "' has " + std::to_string(block->args.size()) +
                      " args and " + std::to_string(block->returns.size()) +
                      " returns; to be repeated they must match",
                  name.location);
  }

  const Declarations& declarations_;
  BlockDeclaration& body_;
  ErrorList& errors_;
  llvm::StringSet<> visible_, states_;
};

}  // namespace

int64_t repeat_count(const Expression& count, const Declarations& declarations) {
  Dim value = evaluate_shape(count, [&](llvm::StringRef name) -> std::optional<Dim> {
    const ModelDim* dim = declarations.find_dim(name);
    if (dim && !dim->fixed())
      throw Error("a repeat count must be fixed, and dim '" + name.str() + "' is dynamic", count.location);
    if (!dim) throw Error("a repeat count is a fixed dim or a number", count.location);
    return Dim(dim->lower);
  });
  if (value.extent() < 0) throw Error("a negative repeat count", count.location);
  return value.extent();
}

std::vector<Parameter> parameters_of(const BlockDeclaration& block) {
  std::vector<Parameter> result;
  for (const auto& arg : block.args) result.push_back({arg.name, true, {}});
  return result;
}

std::string signature_of(const BlockDeclaration& block) {
  std::string text = block.name + "(";
  for (const auto& arg : block.args) text += (text.back() == '(' ? "" : ", ") + arg.name;
  return text + ")";
}

std::string did_you_mean(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates) {
  constexpr size_t kMaxCandidates = 5000;
  if (candidates.size() > kMaxCandidates) return "";
  std::string near = nearest(name, candidates);
  return near.empty() ? "" : "did you mean '" + near + "'?";
}

bool check_names(Declarations& declarations, ErrorList& errors) {
  BodyChecker(declarations, declarations.graph, errors).check();
  for (BlockDeclaration& block : declarations.blocks) BodyChecker(declarations, block, errors).check();
  Extent extent(declarations, errors);
  extent.of(declarations.graph);
  for (const BlockDeclaration& block : declarations.blocks) extent.check(block);
  return extent.bounded();
}

}  // namespace tenon
