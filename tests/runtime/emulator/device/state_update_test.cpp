// New values of states: written over the old ones where nothing needs those any more, else kept apart until it is over.
// Plans, and the values of several runs against the f64 evaluator.
#include <doctest/doctest.h>

#include <functional>

#include "codegen/lower.h"
#include "ir/builder.h"
#include "ir/evaluate.h"
#include "runtime/emulator/device/emulator_device.h"

using namespace tenon;
using emulator::EmulatorDevice;

namespace {

/// A graph over states of f32 and an input x of [n], filled with small whole numbers, which f32 computes without rounding.
struct Machine {
  static constexpr int64_t kElements = 3000;  // several blocks, the last not full
  Graph graph;
  Builder builder{graph};

  Value* state(const char* name, llvm::ArrayRef<Dim> shape = {Dim(kElements)}) {
    return builder.source(Op::kState, name, {DType::kF32, Shape(shape.begin(), shape.end())});
  }
  Value* input(const char* name, Type type = {DType::kF32, {Dim(kElements)}}) {
    return builder.source(Op::kInput, name, std::move(type));
  }
  Value* add(Value* a, double b) { return builder.make(Op::kAdd, {a, builder.constant(b, DType::kF32)}); }
  Value* add(Value* a, Value* b) { return builder.make(Op::kAdd, {a, b}); }
  void update(Value* state, Value* value) { graph.add_state_update(state->node(), value); }

  std::shared_ptr<Plan> plan(const EmulatorDevice& device) const {
    LowerOptions options;
    options.target.card = device.card();
    options.target.library = false;
    return lower(graph.clone(), options);
  }
};

Tensor whole_numbers(const Type& type, int64_t seed, int64_t below) {
  std::vector<double> values(static_cast<size_t>(type.elements()));
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<double>((static_cast<int64_t>(i) * 7 + seed) % below);
  return Tensor::of(type, values);
}

TensorMap drawn(const Graph& graph, Op op) {
  TensorMap tensors;
  for (const Node& node : graph.nodes())
    if (node.op() == op) {
      const std::string name = node.attributes.string("name").str();
      const int64_t below = is_integer(node.type().dtype) ? 3 : 11;
      tensors[name] = whole_numbers(node.type(), static_cast<int64_t>(name.size() + name[0]), below);
    }
  return tensors;
}

bool equal(const Tensor& got, const HostTensor& wanted) {
  for (int64_t i = 0; i < wanted.type.elements(); ++i)
    if (got.at(i) != wanted.at(i)) return false;
  return true;
}

/// Three runs on the emulator give the evaluator's outputs and states, without a finding. Returns the plan.
std::shared_ptr<Plan> run(const Machine& machine) {
  const auto device = EmulatorDevice::open("sm_80");
  const Graph& graph = machine.graph;
  const auto plan = machine.plan(*device);
  const TensorMap inputs = drawn(graph, Op::kInput);
  TensorMap states = drawn(graph, Op::kState);
  const auto residents = device->hold({}, states);
  const auto program = device->prepare(graph, plan.get(), residents);
  for (int turn = 0; turn < 3; ++turn) {
    const Evaluation wanted = evaluate(graph, [&](const Node& node) {
      return to_host((node.op() == Op::kInput ? inputs : states).at(node.attributes.string("name").str()));
    });
    const RunResult result = program->run(inputs);
    CHECK(emulator::findings_text(device->machine()) == "");
    for (size_t i = 0; i < wanted.outputs.size(); ++i) CHECK(equal(result.outputs[i], wanted.outputs[i]));
    states = residents->state();
    for (size_t i = 0; i < wanted.state_updates.size(); ++i) {
      const std::string name = graph.state_updates()[i].state->attributes.string("name").str();
      INFO("state ", name, " after run ", turn);
      CHECK(equal(states.at(name), wanted.state_updates[i]));
    }
  }
  return plan;
}

struct Moves {
  int kernels = 0, copies = 0;  // copies: of old values that are needed later, and of new ones at the end
  friend bool operator==(const Moves& a, const Moves& b) {
    return a.kernels == b.kernels && a.copies == b.copies;
  }
};
std::ostream& operator<<(std::ostream& out, const Moves& moves) {
  return out << moves.kernels << " kernels, " << moves.copies << " copies";
}

Moves moves_of(const Plan& plan) {
  Moves moves{0, static_cast<int>(plan.state_copies.size())};
  for (const Step& step : plan.steps) ++(step.kernel < 0 ? moves.copies : moves.kernels);
  return moves;
}

bool have_nvrtc() {
  if (cuda::find_nvrtc().library) return true;
  MESSAGE("SKIPPED: NVRTC is not installed");
  return false;
}

}  // namespace

TEST_CASE("states: an elementwise kernel writes over what it reads, others over what is read no more") {
  if (!have_nvrtc()) return;
  Machine counter;
  Value* s = counter.state("s");
  counter.update(s, counter.add(s, 1));
  CHECK(moves_of(*run(counter)) == Moves{1, 0});

  Machine reshaped;  // the new value and the old one seen under other shapes
  Value* wide = reshaped.state("s", {Dim(30), Dim(100)});
  Value* flat = reshaped.builder.reshape(wide, {Dim(3000)});
  reshaped.update(wide,
                  reshaped.builder.reshape(reshaped.add(flat, reshaped.input("x")), {Dim(30), Dim(100)}));
  CHECK(moves_of(*run(reshaped)) == Moves{1, 0});

  Machine unread;
  Value* last = unread.state("s");
  unread.update(last, unread.builder.make(Op::kFloor, {unread.input("x")}));
  CHECK(moves_of(*run(unread)) == Moves{1, 0});

  Machine rows;  // a kernel of another family, that does not read the state
  Value* sums = rows.state("s", {Dim(30)});
  rows.update(sums,
              rows.builder.reduce(Op::kSum, rows.input("x", {DType::kF32, {Dim(30), Dim(100)}}), {1}, false));
  CHECK(moves_of(*run(rows)) == Moves{1, 0});
}

TEST_CASE("states: a kernel that reads other elements than it writes leaves the state alone") {
  if (!have_nvrtc()) return;
  constexpr int64_t n = Machine::kElements;
  Machine shifted;
  Value* s = shifted.state("s");
  Value* x = shifted.input("x");
  Builder& b = shifted.builder;
  shifted.update(s, b.make(Op::kConcat, {b.slice(s, 0, 1, n - 1), b.slice(x, 0, 0, 1)}, {{"axis", Dim(0)}}));
  CHECK(moves_of(*run(shifted)) == Moves{1, 1});

  Machine turned;  // read at its place and at another
  Value* square = turned.state("s", {Dim(40), Dim(40)});
  turned.update(square, turned.add(square, turned.builder.transpose(square, {1, 0})));
  CHECK(moves_of(*run(turned)) == Moves{1, 1});

  Machine rows;  // every thread of a row needs the sum of all of it
  Value* norm = rows.state("s", {Dim(30), Dim(100)});
  rows.update(norm, rows.builder.make(Op::kSub, {norm, rows.builder.reduce(Op::kMax, norm, {1}, true)}));
  CHECK(moves_of(*run(rows)).copies == 1);
}

TEST_CASE("states: an old value that a later kernel reads stays until it has") {
  if (!have_nvrtc()) return;
  Machine later;  // %y needs the old value and what is made of the new one
  Value* s = later.state("s", {Dim(30), Dim(100)});
  Value* next = later.add(s, 1);
  Value* sum = later.builder.reduce(Op::kSum, next, {0, 1}, true);
  later.update(s, next);
  later.graph.add_output("y", later.builder.make(Op::kMul, {later.builder.transpose(s, {1, 0}), sum}));
  CHECK(moves_of(*run(later)).copies == 1);

  Machine kept;  // the old value itself is an output
  Value* old_value = kept.state("s");
  kept.update(old_value, kept.add(old_value, 1));
  kept.graph.add_output("y", old_value);
  CHECK(moves_of(*run(kept)) == Moves{1, 2});
}

TEST_CASE("states: exchanged values, and one value for two states") {
  if (!have_nvrtc()) return;
  Machine swapped;
  Value *a = swapped.state("a"), *b = swapped.state("b");
  swapped.update(a, b);
  swapped.update(b, a);
  CHECK(moves_of(*run(swapped)) == Moves{0, 4});

  Machine crossed;  // two kernels, each reads what the other writes
  Value *c = crossed.state("c"), *d = crossed.state("d");
  crossed.update(c, crossed.add(d, 1));
  crossed.update(d, crossed.add(c, 2));
  CHECK(moves_of(*run(crossed)).copies == 1);

  Machine shared;
  Value *e = shared.state("e"), *f = shared.state("f");
  Value* sum = shared.add(e, f);
  shared.update(e, sum);
  shared.update(f, sum);
  CHECK(moves_of(*run(shared)) == Moves{1, 1});

  Machine followed;  // g becomes what h was, which a kernel overwrites
  Value *g = followed.state("g"), *h = followed.state("h");
  followed.update(g, h);
  followed.update(h, followed.add(h, 1));
  CHECK(moves_of(*run(followed)).copies == 3);
}

TEST_CASE("states: cache writes and scatters go into the state; what a cache held stays for who needs it") {
  if (!have_nvrtc()) return;
  const Shape cache{Dim(2), Dim(1), Dim(10), Dim(4)};
  Machine written;
  Value* s = written.state("s", cache);
  Builder& b = written.builder;
  Value *rows = written.input("k", {DType::kF32, {Dim(2), Dim(1), Dim(1), Dim(4)}}),
        *position = written.input("position", {DType::kI32, {Dim(2)}});
  written.update(s, b.make(Op::kCacheWrite, {s, rows, position}));
  CHECK(moves_of(*run(written)) == Moves{1, 0});
  Value* other = written.state("other", cache);  // becomes what the cache was
  written.update(other, s);
  CHECK(moves_of(*run(written)) == Moves{1, 2});

  Machine scattered;
  Value* table = scattered.state("s");
  Value *ids = scattered.input("ids", {DType::kI32, {Dim(5)}}),
        *updates = scattered.input("x", {DType::kF32, {Dim(5)}});
  scattered.update(table, scattered.builder.make(Op::kScatter, {table, ids, updates}, {{"axis", Dim(0)}}));
  CHECK(moves_of(*run(scattered)) == Moves{1, 0});
}

TEST_CASE("states: a counter, a token and its place in a history are one kernel") {
  if (!have_nvrtc()) return;
  for (int64_t rows : {1, 5}) {
    Machine step;
    Builder& b = step.builder;
    const Dim n(rows);
    Value* position = b.source(Op::kState, "position", {DType::kI32, {n}});
    Value* token = b.source(Op::kState, "token", {DType::kI32, {n, Dim(1)}});
    Value* history = b.source(Op::kState, "history", {DType::kI32, {n, Dim(1), Dim(16), Dim(1)}});
    Value* chosen = b.cast(step.input("chosen", {DType::kI64, {n}}), DType::kI32);
    step.update(history,
                b.make(Op::kCacheWrite, {history, b.reshape(chosen, {n, Dim(1), Dim(1), Dim(1)}), position}));
    step.update(token, b.reshape(chosen, {n, Dim(1)}));
    step.update(position, b.make(Op::kAdd, {position, b.constant(1, DType::kI32)}));
    CHECK(moves_of(*run(step)) == Moves{1, 0});
  }
}
