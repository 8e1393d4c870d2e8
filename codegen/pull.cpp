// pull.cpp: follows index maps from outputs to parameters.
#include "codegen/pull.h"

#include <algorithm>

#include "codegen/decompose.h"
#include "codegen/expression_printer.h"
#include "codegen/puller.h"
#include "ir/builder.h"
#include "ir/print.h"
#include "passes/region.h"

namespace tenon {
namespace {

std::string text_of(const Affine& a) {
  std::string out = std::to_string(a.constant.extent());
  for (const auto& [v, coefficient] : a.terms)
    out += "+" + std::to_string(v) + "*" + std::to_string(coefficient.extent());
  return out;
}

}  // namespace

int Puller::add(PullStep step) {
  step.for_index = for_index;
  program.steps.push_back(std::move(step));
  return static_cast<int>(program.steps.size()) - 1;
}

std::optional<bool> Puller::decided(const Affine& index, int64_t low, int64_t high) const {
  const auto [least, most] = space.range(index);
  if (least >= low && most < high) return true;
  if (most < low || least >= high) return false;
  return std::nullopt;
}

int Puller::load(const Value* value, const Index& index) {
  PullStep step;
  step.value = value;
  step.index = IndexSpace::offset(index, value->type().shape);
  step.conditions = guards;
  return add(std::move(step));
}

int Puller::pull(const Value* value, const Index& index) {
  std::string key = std::to_string(reinterpret_cast<uintptr_t>(value)) + (for_index ? "i" : "");
  for (const Affine& a : index) key += "," + text_of(a);
  for (const Condition& c : guards)
    key += "?" + text_of(c.index) + ":" + std::to_string(c.low) + ":" + std::to_string(c.high);
  if (auto found = memo.find(key); found != memo.end()) return found->second;
  const int step = make(value, index);
  memo[key] = step;
  return step;
}

int Puller::make(const Value* value, const Index& index) {
  const Node& node = *value->node();
  if (is_uniform(value))
    return add({.kind = PullStep::kNumber, .value = value, .index = {}, .operands = {}, .conditions = {}});
  const Value* original = program.original.lookup(value);
  const bool leaf = node.op() == Op::kParameter || (original && is_packed(original));
  if (leaf) return load(value, index);
  if (node.op() == Op::kIota)
    return add(
        {.kind = PullStep::kIndex, .value = value, .index = index[0], .operands = {}, .conditions = {}});
  if (is_elementwise(node.op())) return elementwise(value, index);
  if (node.kind() == OpKind::kReduction) return reduction(value, index);
  return movement(node, index);
}

Index Puller::broadcast(const Index& index, const Type& operand) {
  Index result(operand.shape.size());
  const size_t ahead = index.size() - operand.shape.size();
  for (size_t i = 0; i < operand.shape.size(); ++i)
    if (operand.shape[i].extent() != 1) result[i] = index[ahead + i];
  return result;
}

int Puller::elementwise(const Value* value, const Index& index) {
  PullStep step;
  step.kind = PullStep::kOp;
  step.value = value;
  for (const Value* operand : value->node()->operands())
    step.operands.push_back(pull(operand, broadcast(index, operand->type())));
  return add(std::move(step));
}

int Puller::reduction(const Value* value, const Index& index) {
  const Node& node = *value->node();
  const Value* x = node.operand(0);
  const int64_t rank = x->type().rank();
  if (row_of_axis.empty()) throw Refusal{(name_of(node.op()) + " is a reduction").str()};
  uint64_t axes = 0;
  for (int64_t axis : node.attributes.integers("axes")) axes |= uint64_t{1} << ((axis + rank) % rank);
  if (node.attributes.integers("axes").empty()) axes = (uint64_t{1} << rank) - 1;
  const bool keep = node.attributes.flag("keepdims");
  Index inner(static_cast<size_t>(rank));
  size_t at = 0;
  for (int64_t i = 0; i < rank; ++i) {
    const bool over = axes >> i & 1;
    if (!over || keep) inner[static_cast<size_t>(i)] = index[at++];
    if (over && x->type().shape[static_cast<size_t>(i)].extent() != 1) {
      const int variable =
          static_cast<size_t>(i) < row_of_axis.size() ? row_of_axis[static_cast<size_t>(i)] : -1;
      if (variable < 0 || !(reduced >> variable & 1) ||
          x->type().shape[static_cast<size_t>(i)] != space.variables[static_cast<size_t>(variable)].extent)
        throw Refusal{(name_of(node.op()) + " reduces other axes than the rest of the region").str()};
      inner[static_cast<size_t>(i)] = Affine::variable(variable);
    }
  }
  for (const Affine& a : inner)
    for (const auto& term : a.terms)
      if (!space.variables[static_cast<size_t>(term.first)].axis())
        throw Refusal{"a reduced value is read through an index found at run time"};
  if (!guards.empty()) throw Refusal{(name_of(node.op()) + " is read through a concat or pad").str()};
  PullStep step;
  step.kind = PullStep::kReduce;
  step.value = value;
  step.operands.push_back(pull(x, inner));
  return add(std::move(step));
}

void Puller::store_output(int output, const Index& first, llvm::ArrayRef<Dim> first_shape) {
  const Value* value = program.body->outputs()[static_cast<size_t>(output)].value;
  const bool cached = value->node()->op() == Op::kCacheWrite;
  const Type& type = cached ? value->node()->operand(1)->type() : value->type();
  const Index index = type.shape == Shape(first_shape.begin(), first_shape.end())
                          ? first
                          : space.reshape(first, first_shape, type.shape);
  if (cached) return store_cache(*value->node(), output, index);
  PullStore store;
  store.target = value;
  store.output = output;
  store.step = pull(value, index);
  store.index = IndexSpace::offset(index, type.shape);
  program.stores.push_back(std::move(store));
}

namespace {

/// The index of every element of a tensor whose long axes are the axes of `space`, in order.
Index identity(llvm::ArrayRef<Dim> shape, const llvm::SmallVector<int, 4>& axis_of) {
  Index index(shape.size());
  for (size_t i = 0; i < shape.size(); ++i)
    if (axis_of[i] >= 0) index[i] = Affine::variable(axis_of[i]);
  return index;
}

void start(PullProgram& program, const Graph& region_body) {
  llvm::DenseMap<const Value*, Value*> map;
  program.body = decompose(region_body, map);
  for (const auto& [original, copy] : map) program.original[copy] = original;
}

const Type& walked_type(const Value* output) {
  return output->node()->op() == Op::kCacheWrite ? output->node()->operand(1)->type() : output->type();
}

/// An axis of the walk, and the shape of the first output seen through it: splitting refines both.
Shape split_axis(const Shape& axes, std::pair<int, int64_t> split) {
  Shape result;
  for (size_t i = 0; i < axes.size(); ++i) {
    if (static_cast<int>(i) != split.first) {
      result.push_back(axes[i]);
      continue;
    }
    result.push_back(floor_div(axes[i], Dim(split.second)));
    result.push_back(Dim(split.second));
  }
  return result;
}

}  // namespace

PullProgram pull_elements(const Graph& region_body) {
  PullProgram program;
  start(program, region_body);
  const Type walked = walked_type(program.body->outputs()[0].value);
  for (const auto& output : program.body->outputs())
    if (walked_type(output.value).elements() != walked.elements()) {
      program.refusal = "its outputs have different numbers of elements";
      return program;
    }
  Shape axes;
  for (const Dim& extent : walked.shape)
    if (extent.extent() != 1) axes.push_back(extent);
  if (axes.empty()) axes.push_back(Dim(1));
  try {
    for (;;) {
      program.space = IndexSpace(axes);
      program.steps.clear();
      program.stores.clear();
      Puller puller(program);
      llvm::SmallVector<int, 4> axis_of(axes.size());
      for (size_t i = 0; i < axes.size(); ++i) axis_of[i] = static_cast<int>(i);
      const Index all = identity(axes, axis_of);
      for (size_t i = 0; i < program.body->outputs().size(); ++i)
        puller.store_output(static_cast<int>(i), all, axes);
      if (program.space.wanted_split.first < 0) break;
      axes = split_axis(axes, program.space.wanted_split);
    }
  } catch (const Refusal& refusal) {
    program.refusal = refusal.why;
  }
  return program;
}

namespace {

Shape without_ones(const Shape& shape) {
  Shape result;
  for (const Dim& extent : shape)
    if (extent.extent() != 1) result.push_back(extent);
  return result;
}

/// The widest operand of a reduction, and the axes that it is reduced over.
const Node* widest_reduction(const Graph& body) {
  const Node* widest = nullptr;
  for (const Node& node : body.nodes())
    if (node.kind() == OpKind::kReduction &&
        (!widest || node.operand(0)->type().elements() > widest->operand(0)->type().elements()))
      widest = &node;
  return widest;
}

}  // namespace

PullProgram pull_rows(const Graph& region_body, uint64_t& reduced) {
  PullProgram program;
  start(program, region_body);
  const Node* widest = widest_reduction(*program.body);
  if (!widest) {
    program.refusal = "it has no reduction";
    return program;
  }
  const Shape shape = widest->operand(0)->type().shape;
  const auto rank = static_cast<int64_t>(shape.size());
  uint64_t over = 0;
  for (int64_t axis : widest->attributes.integers("axes")) over |= uint64_t{1} << ((axis + rank) % rank);
  if (widest->attributes.integers("axes").empty()) over = (uint64_t{1} << rank) - 1;
  Shape axes;
  llvm::SmallVector<int, 4> axis_of;
  reduced = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool walked = shape[i].extent() != 1;
    axis_of.push_back(walked ? static_cast<int>(axes.size()) : -1);
    if (!walked) continue;
    if (over >> i & 1) reduced |= uint64_t{1} << axes.size();
    axes.push_back(shape[i]);
  }
  program.space = IndexSpace(axes);
  Puller puller(program);
  puller.reduced = reduced;
  puller.row_of_axis = axis_of;
  const Index all = identity(shape, axis_of);
  Index row = all;  // the index of a value that keeps extents of 1
  Shape kept_shape, dropped_shape;
  Index dropped;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (over >> i & 1) row[i] = Affine();
    kept_shape.push_back(over >> i & 1 ? Dim(1) : shape[i]);
    if (!(over >> i & 1)) dropped_shape.push_back(shape[i]), dropped.push_back(all[i]);
  }
  try {
    for (size_t i = 0; i < program.body->outputs().size(); ++i) {
      const Shape& out = program.body->outputs()[i].value->type().shape;
      if (out == shape)
        puller.store_output(static_cast<int>(i), all, shape);
      else if (out == kept_shape)
        puller.store_output(static_cast<int>(i), row, kept_shape);
      else if (without_ones(out) == without_ones(dropped_shape))
        puller.store_output(static_cast<int>(i), dropped, dropped_shape);
      else
        throw Refusal{"an output has neither the shape of the rows nor one value for each"};
    }
  } catch (const Refusal& refusal) {
    program.refusal = refusal.why;
  }
  if (program.space.wanted_split.first >= 0 && program.refusal.empty()) program.space.wanted_split = {-1, 0};
  return program;
}

void merge_axes(PullProgram& program, uint64_t keep_apart) {
  IndexSpace& space = program.space;
  std::vector<Affine*> indices;
  for (PullStep& step : program.steps) {
    if (step.kind == PullStep::kLoad || step.kind == PullStep::kIndex) indices.push_back(&step.index);
    for (Condition& c : step.conditions) indices.push_back(&c.index);
  }
  for (PullStore& store : program.stores) {
    indices.push_back(&store.index);
    for (Condition& c : store.conditions) indices.push_back(&c.index);
  }
  for (Variable& variable : space.variables) indices.push_back(&variable.argument);
  for (int v = space.axis_count() - 2; v >= 0; --v) {
    if (keep_apart >> v & 1) continue;
    int next = v + 1;
    while (next < space.axis_count() && space.variables[static_cast<size_t>(next)].extent.extent() == 1)
      ++next;
    if (next >= space.axis_count()) continue;
    const Dim inner = space.variables[static_cast<size_t>(next)].extent;
    const bool together = llvm::all_of(
        indices, [&](const Affine* a) { return a->coefficient(v) == a->coefficient(next) * inner.extent(); });
    if (!together) continue;
    for (Affine* a : indices) llvm::erase_if(a->terms, [&](const auto& term) { return term.first == v; });
    Variable &joined = space.variables[static_cast<size_t>(next)],
             &gone = space.variables[static_cast<size_t>(v)];
    joined.extent = gone.extent * inner;
    joined.multiple *= gone.multiple;
    gone.extent = 1;
    for (Variable& variable : space.variables)
      std::replace(variable.reads.begin(), variable.reads.end(), v, next);
  }
}

}  // namespace tenon
