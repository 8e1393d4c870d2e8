// fold_constants.cpp: computes what depends on constants alone, in f64.
#include <cmath>

#include "ir/evaluate.h"
#include "passes/passes.h"
#include "passes/rewrite.h"

namespace tenon {
namespace {

constexpr int64_t kMostElements = 256;        // of a folded tensor: a constant travels in the kernel's text
constexpr double kExactIntegers = 1LL << 53;  // constants are kept as doubles

bool is_splat(const Value* value) {
  return value->node()->op() == Op::kConstant && value->node()->attributes.find("value");
}

bool fits(const HostTensor& tensor) {
  return llvm::all_of(tensor.integers,
                      [](int64_t x) { return std::fabs(static_cast<double>(x)) <= kExactIntegers; });
}

/// Every element of every operand is one number: so is every element of the result, whatever its shape.
std::optional<double> splat_result(const Node& node) {
  if (node.kind() == OpKind::kMovement) {
    bool keeps = node.op() == Op::kReshape || node.op() == Op::kTranspose || node.op() == Op::kExpand ||
                 node.op() == Op::kSlice;
    return keeps ? std::optional(node.operand(0)->node()->attributes.number("value")) : std::nullopt;
  }
  if (!is_elementwise(node.op())) return std::nullopt;
  Graph one;
  Builder builder(one);
  llvm::SmallVector<Value*, 3> scalars;
  for (const Value* operand : node.operands())
    scalars.push_back(builder.constant(operand->node()->attributes.number("value"), operand->type().dtype));
  Type scalar{node.type().dtype, {}};
  one.add_output("y", builder.make(node.op(), scalars, node.attributes, &scalar));
  HostTensor result = evaluate(one, nullptr).outputs[0];
  return fits(result) ? std::optional(result.at(0)) : std::nullopt;
}

bool is_small(const Type& type) {
  return type.elements() <= kMostElements && llvm::none_of(type.shape, [](Dim d) { return d.dynamic(); });
}

/// Small tensors of fixed shape: by the evaluator.
std::optional<std::vector<double>> small_result(const Node& node) {
  if (node.result_count() != 1 || !is_small(node.type())) return std::nullopt;
  std::vector<HostTensor> operands;
  for (const Value* operand : node.operands()) {
    if (!is_small(operand->type())) return std::nullopt;
    operands.push_back(std::move(evaluate_node(*operand->node(), {})[0]));
  }
  llvm::SmallVector<const HostTensor*, 4> pointers;
  for (const HostTensor& operand : operands) pointers.push_back(&operand);
  HostTensor result = std::move(evaluate_node(node, pointers)[0]);
  if (!fits(result)) return std::nullopt;
  std::vector<double> values;
  for (int64_t i = 0; i < result.type.elements(); ++i) values.push_back(result.at(i));
  return values;
}

Value* constant(const Node& node, Attribute value, llvm::StringRef name) {
  Builder builder = Builder::before(const_cast<Node*>(&node));
  Attributes attributes;
  attributes.set(name, std::move(value));
  return builder.make(Op::kConstant, {}, std::move(attributes), &node.type());
}

/// An index out of range and the like stay in the graph: the run reports them at their place.
bool can_fail(const Node& node) {
  return node.op() == Op::kGather || node.op() == Op::kScatter || node.op() == Op::kCacheWrite;
}

}  // namespace

bool fold_constants(Graph& graph) {
  Rewriter rewriter(graph);
  return rewriter.sweep([&](Node& node) {
    bool constants =
        node.operand_count() > 0 && !node.body && !can_fail(node) &&
        llvm::all_of(node.operands(), [](const Value* v) { return v->node()->op() == Op::kConstant; });
    if (!constants) return;
    if (llvm::all_of(node.operands(), is_splat))
      if (auto value = splat_result(node))
        return rewriter.replace(node.result(), constant(node, *value, "value"));
    if (auto values = small_result(node))
      rewriter.replace(node.result(), constant(node, std::move(*values), "values"));
  });
}

}  // namespace tenon
