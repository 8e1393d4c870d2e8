// generation.cpp: prompts in chunks, then a step that feeds itself.
#include "runtime/generation.h"

#include <algorithm>
#include <cassert>
#include <chrono>
#include <cstring>

#include "ir/diagnostics.h"
#include "runtime/convert.h"
#include "runtime/generation_checks.h"
#include "runtime/generation_graphs.h"

namespace tenon {
namespace {

using namespace generation;

constexpr int64_t kStepsBetweenLooks = 16;  // the host looks for stop tokens that often
constexpr double kWatchedUs = 1e5;  // and shows tokens to who watches that often, where steps are slow

Tensor integers(Type type, llvm::ArrayRef<int64_t> values) {
  Tensor tensor = Tensor::uninitialised(std::move(type));
  from_i64(values.data(), tensor.elements(), tensor.dtype(), tensor.mutable_data());
  return tensor;
}

double microseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

/// A graph ready to run, with all that it refers to.
struct Ready {
  std::shared_ptr<const Graph> graph;
  std::shared_ptr<const Plan> plan;
  std::unique_ptr<Program> program;
};

int64_t launches_of(const Plan& plan) {
  int64_t count = static_cast<int64_t>(plan.state_copies.size());
  for (const Step& step : plan.steps) count += step.grid[0] > 0 && step.grid[1] > 0 && step.grid[2] > 0;
  return count;
}

/// Copies rows [from_row, from_row + count) of each batch row of `from` to `to`, both [B, rows, V].
void copy_rows(const Tensor& from, int64_t from_row, Tensor& to, int64_t to_row, int64_t count) {
  const int64_t batch = to.type().shape[0].extent();
  if (batch == 0 || count == 0) return;
  const int64_t row = to.type().shape[2].extent() * size_of(to.dtype());
  const int64_t from_stride = from.bytes() / batch, to_stride = to.bytes() / batch;
  for (int64_t b = 0; b < batch; ++b)
    std::memcpy(to.mutable_data() + b * to_stride + to_row * row,
                from.data() + b * from_stride + from_row * row, static_cast<size_t>(count * row));
}

}  // namespace

struct Generation::Impl {
  GenerationModel model;
  Prompts prompts;
  GenerationOptions options;
  std::vector<int64_t> start;                          // position of each row's first token
  std::map<int64_t, std::shared_ptr<Graph>> prompted;  // the model's graph, by the tokens of a run
  std::shared_ptr<Graph> step_model;
  Type token_type, position_type, logits_type;  // at T = 1
  TensorMap numbers;                            // of sampling
  std::shared_ptr<Residents> residents;
  std::map<int64_t, Ready> prefills;
  Ready decode;

  Impl(GenerationModel given, Prompts rows, GenerationOptions wanted);
  void read_position();
  TensorMap states() const;
  int64_t history_places() const;
  Ready ready(std::unique_ptr<Graph> graph) const;
  Tensor position_at(llvm::ArrayRef<int64_t> places) const;
  int64_t chunk() const { return options.chunk > 0 ? std::min(options.chunk, prompts.width) : prompts.width; }
  /// Calls body(first, count) for each chunk of the prompts.
  template <class Body>
  void each_chunk(Body body) const {
    for (int64_t at = 0; at < prompts.width; at += chunk()) body(at, std::min(chunk(), prompts.width - at));
  }
  std::vector<int64_t> prefill(Generated& result);
  TensorMap chunk_inputs(int64_t first, int64_t count) const;
  std::vector<int64_t> decode_from(llvm::ArrayRef<int64_t> chosen, Generated& result);
  int64_t steps_before_look(const Generated& result) const;
  std::vector<int64_t> history(llvm::ArrayRef<int64_t> chosen, int64_t steps) const;
  std::vector<int64_t> ends_of(llvm::ArrayRef<int64_t> tokens) const;
  std::vector<int64_t> ends_of_prompts() const;
  void keep(llvm::ArrayRef<int64_t> tokens, Generated& result) const;
};

Generation::Impl::Impl(GenerationModel given, Prompts rows, GenerationOptions wanted)
    : model(std::move(given)), prompts(std::move(rows)), options(std::move(wanted)) {
  assert(static_cast<int64_t>(prompts.tokens.size()) == prompts.rows * prompts.width);
  step_model = model.build(1);
  const GenerationPorts ports = generation_ports(*step_model);
  token_type = ports.tokens->type();
  position_type = ports.position->type();
  logits_type = ports.logits->type();
  read_position();
  check_generation(*step_model, prompts, start, options);
  each_chunk([&](int64_t, int64_t count) {
    auto& graph = prompted[count];
    if (!graph) graph = model.build(count);
    check_same_sources(*graph, *step_model);
  });
  if (options.sampling) {
    const Sampling& s = *options.sampling;
    numbers[kSettings] = Tensor::of({DType::kF32, {2}}, {s.temperature, s.top_p});
    numbers[kLimits] = integers({DType::kI64, {2}}, {s.top_k, static_cast<int64_t>(s.seed)});
  }
  residents = model.device->hold(model.binding.weights, states());
  for (const auto& [count, graph] : prompted)
    prefills[count] = ready(prefill_graph(*graph, options.sampling.has_value(), options.keep_logits));
  if (options.steps > 0)
    decode = ready(decode_graph(*step_model, options.sampling.has_value(), history_places(),
                                options.keep_logits ? options.steps : 0));
}

void Generation::Impl::read_position() {
  const Tensor& position = model.binding.inputs.at("position");
  for (int64_t b = 0; b < prompts.rows; ++b)
    start.push_back(position.integer_at(position.elements() > 1 ? b : 0));
}

/// Where the first token after each prompt stands.
std::vector<int64_t> Generation::Impl::ends_of_prompts() const {
  std::vector<int64_t> places;
  for (int64_t b = 0; b < prompts.rows; ++b) places.push_back(start[b] + prompts.lengths[b]);
  return places;
}

int64_t Generation::Impl::history_places() const {
  const std::vector<int64_t> places = ends_of_prompts();
  return *std::max_element(places.begin(), places.end()) + options.steps;
}

/// The model's own and, where tokens follow, those of the step.
TensorMap Generation::Impl::states() const {
  TensorMap all = model.binding.state;
  if (options.steps == 0) return all;
  all[kToken] = Tensor::zeros(token_type);
  all[kPosition] = Tensor::zeros(position_type);
  all[kHistory] = Tensor::zeros({token_type.dtype, {prompts.rows, 1, history_places(), 1}});
  if (options.keep_logits)
    all[kLogits] = Tensor::zeros({logits_type.dtype, {prompts.rows, 1, options.steps, logits_type.shape[2]}});
  return all;
}

Ready Generation::Impl::ready(std::unique_ptr<Graph> graph) const {
  Ready result;
  if (model.device->needs_plan()) result.plan = model.plan(graph->clone());
  result.graph = std::move(graph);
  result.program = model.device->prepare(*result.graph, result.plan.get(), residents);
  return result;
}

Tensor Generation::Impl::position_at(llvm::ArrayRef<int64_t> places) const {
  return integers(position_type, places.take_front(position_type.elements()));
}

/// Inputs of the run that takes tokens [first, first + count) of each row. Padding that is no token is read as 0.
TensorMap Generation::Impl::chunk_inputs(int64_t first, int64_t count) const {
  const int64_t bound = id_bound(*step_model).value_or(INT64_MAX);
  std::vector<int64_t> ids, places, last, draws;
  for (int64_t b = 0; b < prompts.rows; ++b) {
    for (int64_t t = first; t < first + count; ++t) {
      const int64_t id = prompts.tokens[b * prompts.width + t];
      ids.push_back(id >= 0 && id < bound ? id : 0);
    }
    places.push_back(start[b] + first);
    const int64_t end = prompts.lengths[b] - 1;
    last.push_back(b * count + std::clamp<int64_t>(end - first, 0, count - 1));
    draws.push_back(start[b] + end);
  }
  TensorMap inputs = model.binding.inputs;
  inputs["tokens"] = integers({token_type.dtype, {prompts.rows, count}}, ids);
  inputs["position"] = position_at(places);
  inputs[kRows] = integers({DType::kI64, {prompts.rows}}, last);
  if (options.sampling) inputs[kDrawPosition] = integers({DType::kI64, {prompts.rows}}, draws);
  inputs.insert(numbers.begin(), numbers.end());
  return inputs;
}

std::vector<int64_t> Generation::Impl::prefill(Generated& result) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<int64_t> chosen(prompts.rows);
  if (options.keep_logits)
    result.prefill_logits =
        Tensor::uninitialised({logits_type.dtype, {prompts.rows, prompts.width, logits_type.shape[2]}});
  each_chunk([&](int64_t first, int64_t count) {
    const RunResult run = prefills.at(count).program->run(chunk_inputs(first, count));
    if (model.after_run) model.after_run();
    for (int64_t b = 0; b < prompts.rows; ++b)
      if (const int64_t end = prompts.lengths[b] - 1; end >= first && end < first + count)
        chosen[b] = run.outputs[0].integer_at(b);
    if (options.keep_logits) copy_rows(run.outputs[1], 0, result.prefill_logits, first, count);
  });
  result.prefill_us = microseconds_since(began);
  return chosen;
}

/// [B, steps + 1]: the first tokens, then what the steps so far chose.
std::vector<int64_t> Generation::Impl::history(llvm::ArrayRef<int64_t> chosen, int64_t steps) const {
  const Tensor kept = residents->state(kHistory);
  const int64_t places = kept.type().shape[2].extent();
  std::vector<int64_t> tokens;
  for (int64_t b = 0; b < prompts.rows; ++b) {
    tokens.push_back(chosen[b]);
    for (int64_t i = 0; i < steps; ++i)
      tokens.push_back(kept.integer_at(b * places + start[b] + prompts.lengths[b] + i));
  }
  return tokens;
}

/// By row of tokens [B, columns]: the column of its first stop token, or `columns`.
std::vector<int64_t> Generation::Impl::ends_of(llvm::ArrayRef<int64_t> tokens) const {
  const int64_t columns = static_cast<int64_t>(tokens.size()) / prompts.rows;
  std::vector<int64_t> ends;
  for (int64_t b = 0; b < prompts.rows; ++b) {
    const auto row = tokens.slice(b * columns, columns);
    const auto stop =
        llvm::find_if(row, [&](int64_t token) { return llvm::is_contained(options.stop, token); });
    ends.push_back(stop - row.begin());
  }
  return ends;
}

/// How many steps run before the host looks at their tokens.
int64_t Generation::Impl::steps_before_look(const Generated& result) const {
  const int64_t done = result.decode_steps, left = options.steps - done;
  if (!options.watch) return options.stop.empty() ? left : std::min(left, kStepsBetweenLooks);
  const double in_time = done ? kWatchedUs * static_cast<double>(done) / std::max(result.decode_us, 1.0) : 1;
  return std::min(left, static_cast<int64_t>(std::clamp<double>(in_time, 1, kStepsBetweenLooks)));
}

/// Runs the step until all tokens are there, or all rows have finished. Returns [B, steps that ran + 1].
std::vector<int64_t> Generation::Impl::decode_from(llvm::ArrayRef<int64_t> chosen, Generated& result) {
  std::vector<int64_t> tokens = chosen.vec();
  if (options.watch) options.watch(tokens);
  if (options.steps == 0) return tokens;
  const Tensor places = position_at(ends_of_prompts());
  residents->set_state({{kToken, integers(token_type, chosen)}, {kPosition, places}});
  if (decode.plan) result.decode_launches = launches_of(*decode.plan);
  TensorMap inputs = model.binding.inputs;
  inputs[kStart] = places;
  inputs.insert(numbers.begin(), numbers.end());
  int64_t& done = result.decode_steps;
  while (done < options.steps && llvm::is_contained(ends_of(tokens), done + 1)) {
    const int64_t count = steps_before_look(result);
    const auto began = std::chrono::steady_clock::now();
    decode.program->repeat(inputs, count);
    done += count;
    tokens = history(chosen, done);
    result.decode_us += microseconds_since(began);
    if (model.after_run) model.after_run();
    if (options.watch) options.watch(tokens);
  }
  return tokens;
}

/// Takes of tokens [B, columns] what was made before the last row finished.
void Generation::Impl::keep(llvm::ArrayRef<int64_t> tokens, Generated& result) const {
  const int64_t columns = static_cast<int64_t>(tokens.size()) / prompts.rows;
  const std::vector<int64_t> ends = ends_of(tokens);
  const int64_t kept = std::min(*std::max_element(ends.begin(), ends.end()) + 1, columns);
  std::vector<int64_t> cut;
  for (int64_t b = 0; b < prompts.rows; ++b) {
    for (int64_t i = 0; i < kept; ++i) cut.push_back(tokens[b * columns + std::min(i, ends[b])]);
    result.next.push_back(start[b] + prompts.lengths[b] + kept - 1);
  }
  result.tokens = integers({DType::kI64, {prompts.rows, kept}}, cut);
  if (!options.keep_logits) return;
  result.decode_logits =
      Tensor::uninitialised({logits_type.dtype, {prompts.rows, kept - 1, logits_type.shape[2]}});
  if (kept > 1) copy_rows(residents->state(kLogits), 0, result.decode_logits, 0, kept - 1);
}

Generation::Generation(GenerationModel model, Prompts prompts, GenerationOptions options)
    : impl_(std::make_unique<Impl>(std::move(model), std::move(prompts), std::move(options))) {}
Generation::~Generation() = default;

Generated Generation::run() {
  Generated result;
  const std::vector<int64_t> chosen = impl_->prefill(result);
  impl_->keep(impl_->decode_from(chosen, result), result);
  return result;
}

TensorMap Generation::state() const {
  TensorMap own;
  for (const auto& [name, initial] : impl_->model.binding.state) own[name] = impl_->residents->state(name);
  return own;
}

}  // namespace tenon
