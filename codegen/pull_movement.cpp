// pull_movement.cpp: what each movement does to an index: strides, conditions, and indices found at run time.
#include "codegen/puller.h"

namespace tenon {

int Puller::movement(const Node& node, const Index& index) {
  const Value* x = node.operand_count() ? node.operand(0) : nullptr;
  switch (node.op()) {
    case Op::kReshape: return pull(x, space.reshape(index, node.type().shape, x->type().shape));
    case Op::kExpand: return pull(x, broadcast(index, x->type()));
    case Op::kTranspose: {
      Index inner(index.size());
      const Extents perm = node.attributes.integers("perm");
      for (size_t i = 0; i < index.size(); ++i) inner[static_cast<size_t>(perm[i])] = index[i];
      return pull(x, inner);
    }
    case Op::kSlice: {
      Index inner = index;
      Affine& along = inner[static_cast<size_t>(node.attributes.integer("axis"))];
      Affine moved(node.attributes.dim("start"));
      moved.add(along, node.attributes.dim("step", 1));
      along = moved;
      return pull(x, inner);
    }
    case Op::kConcat: return concat(node, index);
    case Op::kPad: return pad(node, index);
    case Op::kGather: return gather(node, index);
    case Op::kScatter: return scatter(node, index);
    default: throw Refusal{(name_of(node.op()) + " is not an elementwise op or an index map").str()};
  }
}

int Puller::concat(const Node& node, const Index& index) {
  const auto axis = static_cast<size_t>(node.attributes.integer("axis"));
  PullStep step;
  step.kind = PullStep::kSelect;
  step.value = node.result();
  Dim start = 0;
  for (const Value* part : node.operands()) {
    const Dim extent = part->type().shape[axis];
    const Condition here{index[axis], start.extent(), start.extent() + extent.extent()};
    const auto inside = decided(here.index, here.low, here.high);
    if (inside != false) {
      Index inner = index;
      inner[axis].add(Affine(start), Dim(-1));
      if (!inside) guards.push_back(here);
      step.operands.push_back(pull(part, inner));
      step.conditions.push_back(here);
      if (!inside) guards.pop_back();
    }
    start = start + extent;
  }
  if (step.operands.size() == 1) return step.operands[0];
  if (step.operands.empty())
    return add(
        {.kind = PullStep::kFill, .value = node.result(), .index = {}, .operands = {}, .conditions = {}});
  step.conditions.pop_back();
  return add(std::move(step));
}

int Puller::pad(const Node& node, const Index& index) {
  const Value* x = node.operand(0);
  const llvm::ArrayRef<Dim> before = node.attributes.dims("before");
  Index inner = index;
  std::vector<Condition> conditions;
  for (size_t i = 0; i < index.size(); ++i) {
    inner[i].add(Affine(before[i]), Dim(-1));
    if (auto inside = decided(inner[i], 0, x->type().shape[i].extent()); inside != true)
      conditions.push_back({inner[i], 0, x->type().shape[i].extent()});
  }
  if (conditions.empty()) return pull(x, inner);
  const double fill = node.attributes.number("value");
  const int outside = add({.kind = PullStep::kFill,
                           .value = node.result(),
                           .index = {},
                           .operands = {},
                           .conditions = {},
                           .fill = fill});
  const size_t depth = guards.size();
  guards.insert(guards.end(), conditions.begin(), conditions.end());
  int result = pull(x, inner);
  guards.resize(depth);
  for (const Condition& condition : conditions)
    result = add({.kind = PullStep::kSelect,
                  .value = node.result(),
                  .index = {},
                  .operands = {result, outside},
                  .conditions = {condition}});
  return result;
}

int Puller::run_time_index(Variable::Origin origin, int step, Dim extent, const Affine& argument,
                           Dim divisor) {
  Variable variable{
      .extent = extent, .origin = origin, .argument = argument, .divisor = divisor, .step = step};
  variable.reads = variables_of(step);
  for (const auto& term : argument.terms) variable.reads.push_back(term.first);
  return space.add_variable(std::move(variable));
}

llvm::SmallVector<int, 2> Puller::variables_of(int step) const {
  llvm::SmallVector<int, 2> found;
  const PullStep& s = program.steps[static_cast<size_t>(step)];
  for (const auto& term : s.index.terms) found.push_back(term.first);
  for (const Condition& c : s.conditions)
    for (const auto& term : c.index.terms) found.push_back(term.first);
  for (int operand : s.operands) found.append(variables_of(operand));
  return found;
}

int Puller::gather(const Node& node, const Index& index) {
  const Value *x = node.operand(0), *ids = node.operand(1);
  const auto axis = static_cast<size_t>(node.attributes.integer("axis"));
  const size_t id_rank = ids->type().shape.size();
  const Index id_index(index.begin() + static_cast<long>(axis),
                       index.begin() + static_cast<long>(axis + id_rank));
  const bool outer = for_index;
  for_index = true;
  const int id = pull(ids, id_index);
  for_index = outer;
  Index inner(index.begin(), index.begin() + static_cast<long>(axis));
  inner.push_back(Affine::variable(run_time_index(Variable::kGathered, id, x->type().shape[axis])));
  inner.append(index.begin() + static_cast<long>(axis + id_rank), index.end());
  return pull(x, inner);
}

int Puller::scatter(const Node& node, const Index& index) {
  const Value *x = node.operand(0), *ids = node.operand(1), *updates = node.operand(2);
  const auto axis = static_cast<size_t>(node.attributes.integer("axis"));
  if (ids->node()->op() != Op::kParameter) throw Refusal{"scatter's index is computed in the region"};
  const bool outer = for_index;
  for_index = true;
  const int first_id = pull(ids, Index(1));
  for_index = outer;
  const Dim writes = ids->type().shape[0];
  if (writes.extent() == 0) return pull(x, index);
  const int variable =
      run_time_index(Variable::kLastWrite, first_id, writes, index[axis], x->type().shape[axis]);
  Condition written{Affine::variable(variable), 0, writes.extent()};
  Index inner = index;
  inner[axis] = written.index;
  guards.push_back(written);
  const int update = pull(updates, inner);
  guards.pop_back();
  guards.push_back({written.index, INT64_MIN, 0});
  const int old = pull(x, index);
  guards.pop_back();
  return add({.kind = PullStep::kSelect,
              .value = node.result(),
              .index = {},
              .operands = {update, old},
              .conditions = {written}});
}

Affine Puller::loaded(const Value* value, const Index& index, Dim extent) {
  const bool outer = for_index;
  for_index = true;
  const int step = pull(value, index);
  for_index = outer;
  return Affine::variable(run_time_index(Variable::kLoaded, step, extent));
}

Index Puller::place_in_pool(const Node& write, const Index& place, std::vector<Condition>& inside) {
  const Value* pages = write.operand(3);
  const Dim pool = write.type().shape[0], page = write.type().shape[2], count = pages->type().shape[1];
  const auto part = [&](Variable::Origin origin, Dim extent) {
    Variable variable{.extent = extent, .origin = origin, .argument = place[2], .divisor = page};
    for (const auto& term : place[2].terms) variable.reads.push_back(term.first);
    return Affine::variable(space.add_variable(std::move(variable)));
  };
  guards.push_back(inside.back());  // the table holds nothing for what lies beyond it
  const Affine number = loaded(pages, {place[0], part(Variable::kQuotient, count)}, pool);
  guards.pop_back();
  inside.push_back({number, 0, pool.extent()});
  return {number, place[1], part(Variable::kRemainder, page), place[3]};
}

void Puller::store_cache(const Node& node, int output, const Index& index) {
  const Value *cache = node.operand(0), *rows = node.operand(1), *position = node.operand(2);
  const bool paged = node.attributes.flag("pages");
  if (cache->node()->op() != Op::kParameter || cache->users().size() != 1)
    throw Refusal{"the written cache is read in the same region"};
  PullStore store;
  store.target = cache;
  store.output = output;
  store.step = pull(rows, index);
  Dim capacity = cache->type().shape[2];
  if (paged) capacity = capacity * node.operand(3)->type().shape[1];
  Index place = index;
  place[2].add(loaded(position, position->type().rank() ? Index{index[0]} : Index{}, capacity));
  store.conditions.push_back({place[2], 0, capacity.extent()});
  if (paged) place = place_in_pool(node, place, store.conditions);
  store.index = IndexSpace::offset(place, cache->type().shape);
  program.stores.push_back(std::move(store));
}

}  // namespace tenon
