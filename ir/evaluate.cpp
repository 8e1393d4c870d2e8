// evaluate.cpp: the walk over a graph's nodes, its sources, and the rounding of values.
#include "ir/evaluate.h"

#include <cassert>

#include "ir/evaluate_ops.h"

namespace tenon {

HostTensor HostTensor::zeros(Type type) {
  HostTensor tensor;
  int64_t count = type.elements();
  tensor.type = std::move(type);
  if (tensor.integral())
    tensor.integers.assign(count, 0);
  else
    tensor.reals.assign(count, 0);
  return tensor;
}

namespace evaluation {

int64_t to_integer(DType type, double value) {
  double saturated = round_to(type, value);
  constexpr double kTwoTo63 = 9223372036854775808.0;
  return saturated >= kTwoTo63 ? INT64_MAX : static_cast<int64_t>(saturated);
}

void wrap(HostTensor& tensor) {
  switch (tensor.type.dtype) {
    case DType::kI8:
      for (int64_t& x : tensor.integers) x = static_cast<int8_t>(x);
      break;
    case DType::kU8:
      for (int64_t& x : tensor.integers) x = static_cast<uint8_t>(x);
      break;
    case DType::kI32:
      for (int64_t& x : tensor.integers) x = static_cast<int32_t>(x);
      break;
    default: break;
  }
}

Extents broadcast_strides(llvm::ArrayRef<Dim> shape, size_t rank) {
  Extents own = row_major_strides(shape), strides(rank, 0);
  for (size_t i = 0; i < shape.size(); ++i)
    if (shape[i].extent() != 1) strides[rank - shape.size() + i] = own[i];
  return strides;
}

namespace {

HostTensor constant(const Node& node) {
  HostTensor result = HostTensor::zeros(node.type());
  llvm::ArrayRef<double> values = node.attributes.numbers("values");
  double value = node.attributes.number("value");
  int64_t count = result.type.elements();
  assert((values.empty() || static_cast<int64_t>(values.size()) == count) && "one value for each element");
  for (int64_t i = 0; i < count; ++i) {
    double element = values.empty() ? value : values[i];
    if (result.integral())
      result.integers[i] = to_integer(result.type.dtype, element);
    else
      result.reals[i] = element;
  }
  return result;
}

HostTensor iota(const Node& node) {
  HostTensor result = HostTensor::zeros(node.type());
  for (int64_t i = 0; i < result.type.elements(); ++i)
    if (result.integral())
      result.integers[i] = i;
    else
      result.reals[i] = static_cast<double>(i);
  wrap(result);
  return result;
}

HostTensor table(const Node& node) {
  HostTensor result = HostTensor::zeros(node.type());
  result.reals = rope_table(node);
  return result;
}

std::vector<HostTensor> region(const Node& node, Operands operands, Rounding rounding) {
  auto parameter = [&](const Node& source) { return *operands[source.attributes.integer("index")]; };
  return evaluate(*node.body, parameter, rounding).outputs;
}

std::vector<HostTensor> one(HostTensor tensor) {
  std::vector<HostTensor> results;
  results.push_back(std::move(tensor));
  return results;
}

HostTensor composite(const Node& node, Operands operands) {
  switch (node.op()) {
    case Op::kRope: return rope(node, operands);
    case Op::kGroupedMatmul: return grouped_matmul(node, operands);
    case Op::kDequantise: return dequantise(node, operands);
    case Op::kSample: return sample(node, operands);
    default: return attention(node, operands);
  }
}

std::vector<HostTensor> compute(const Node& node, Operands operands, Rounding rounding) {
  switch (node.kind()) {
    case OpKind::kSource:
      assert((node.op() == Op::kConstant || node.op() == Op::kIota || node.op() == Op::kRopeTable) &&
             "the caller gives the other sources' values");
      return one(node.op() == Op::kIota       ? iota(node)
                 : node.op() == Op::kConstant ? constant(node)
                                              : table(node));
    case OpKind::kElementwise: return one(elementwise(node, operands));
    case OpKind::kReduction: return one(reduction(node, operands));
    case OpKind::kNormalisation: return normalisation(node, operands);
    case OpKind::kContraction: return one(matmul(node, operands));
    case OpKind::kMovement: return one(movement(node, operands));
    case OpKind::kComposite: return one(composite(node, operands));
    case OpKind::kState: return one(cache_write(node, operands));
    case OpKind::kRegion: return region(node, operands, rounding);
  }
  assert(false && "a kind without a meaning");
  return {};
}

void round_reals(HostTensor& tensor) {
  if (is_float(tensor.type.dtype))
    for (double& x : tensor.reals) x = round_to(tensor.type.dtype, x);
}

/// The values that are still to be read; each leaves with its last use, so that a deep model fits in memory.
struct Evaluator {
  Evaluator(const Graph& g, const std::function<HostTensor(const Node&)>& s, Rounding r)
      : graph(g), source(s), rounding(r) {}
  const Graph& graph;
  const std::function<HostTensor(const Node&)>& source;
  Rounding rounding;
  llvm::DenseMap<const Value*, HostTensor> values;
  llvm::DenseMap<const Value*, int64_t> uses_left;

  std::vector<HostTensor> results_of(const Node& node);
  void step(const Node& node);
  Evaluation run();
};

std::vector<HostTensor> Evaluator::results_of(const Node& node) {
  bool given = node.op() == Op::kInput || node.op() == Op::kWeight || node.op() == Op::kState ||
               node.op() == Op::kParameter;
  if (given) {
    std::vector<HostTensor> results = one(source(node));
    assert(results[0].type == node.type() && "a source's value has its type");
    if (rounding == Rounding::kDeclared) round_reals(results[0]);
    return results;
  }
  llvm::SmallVector<const HostTensor*, 4> operands;
  for (const Value* operand : node.operands()) operands.push_back(&values.find(operand)->second);
  return evaluate_node(node, operands, rounding);
}

void Evaluator::step(const Node& node) {
  bool wanted = false;
  for (int i = 0; i < node.result_count(); ++i) wanted |= !node.result(i)->unused();
  if (node.kind() == OpKind::kSource && !wanted) return;  // a declared weight that nothing reads
  std::vector<HostTensor> results = results_of(node);
  for (const Value* operand : node.operands())
    if (--uses_left[operand] == 0) values.erase(operand);
  for (int i = 0; i < node.result_count(); ++i) {
    const Value* value = node.result(i);
    if (value->unused()) continue;
    uses_left[value] = static_cast<int64_t>(value->users().size()) + value->is_result();
    values[value] = std::move(results[i]);
  }
}

Evaluation Evaluator::run() {
  for (const Node& node : graph.nodes()) step(node);
  Evaluation evaluation;
  for (const Graph::Output& output : graph.outputs())
    evaluation.outputs.push_back(values.find(output.value)->second);
  for (const Graph::StateUpdate& update : graph.state_updates())
    evaluation.state_updates.push_back(values.find(update.value)->second);
  return evaluation;
}

}  // namespace
}  // namespace evaluation

std::vector<HostTensor> evaluate_node(const Node& node, llvm::ArrayRef<const HostTensor*> operands,
                                      Rounding rounding) {
  std::vector<HostTensor> results = evaluation::compute(node, operands, rounding);
  if (rounding == Rounding::kDeclared)
    for (HostTensor& result : results) evaluation::round_reals(result);
  return results;
}

Evaluation evaluate(const Graph& graph, const std::function<HostTensor(const Node&)>& source,
                    Rounding rounding) {
  return evaluation::Evaluator(graph, source, rounding).run();
}

}  // namespace tenon
