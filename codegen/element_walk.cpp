// element_walk.cpp: width and indices of a walk over elements, its estimate and its text.
#include "codegen/element_walk.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

#include "codegen/kernel_frame.h"
#include "codegen/pull_printer.h"
#include "passes/quantity.h"

namespace tenon {
namespace {

constexpr int kMaxWidth = 8, kVectorBytes = 16, kThreads = 256;
constexpr int kMaxLoadedBytes = 512;  // of one thread: what leaves room for the arithmetic without spills
constexpr double kLatencyUs = 0.8;    // from a load to its use, memory busy
constexpr double kIssueUs = 0.05;     // for each further chunk of a thread

int lane_axis(const IndexSpace& space) {
  for (int v = space.axis_count() - 1; v >= 0; --v)
    if (space.variables[static_cast<size_t>(v)].extent.extent() != 1) return v;
  return space.axis_count() - 1;
}

/// True when a chunk of `width` lanes lies on one side of both bounds.
bool uniform(const PullProgram& program, const Condition& c, int lane, int width) {
  if (!program.space.depends(c.index, lane)) return true;
  if (c.index.coefficient(lane) != 1) return false;
  for (const auto& [v, coefficient] : c.index.terms)
    if (v != lane &&
        (known_divisor(coefficient) % width != 0 || program.space.depends(Affine::variable(v), lane)))
      return false;
  if (c.index.constant.dynamic()) return false;
  const auto meets = [&](int64_t bound) {
    return bound == INT64_MIN || bound == INT64_MAX || (bound - c.index.constant.extent()) % width == 0;
  };
  return meets(c.low) && meets(c.high);
}

bool legal_width(const PullProgram& program, int lane, int width) {
  if (width == 1) return true;
  for (const Variable& v : program.space.variables)
    if (!v.axis() && (llvm::is_contained(v.reads, lane) || llvm::any_of(v.reads, [&](int r) {
                        return program.space.depends(Affine::variable(r), lane);
                      })))
      return false;
  const auto all_uniform = [&](llvm::ArrayRef<Condition> conditions) {
    return llvm::all_of(conditions, [&](const Condition& c) { return uniform(program, c, lane, width); });
  };
  return llvm::all_of(program.steps, [&](const PullStep& step) { return all_uniform(step.conditions); }) &&
         llvm::all_of(program.stores, [&](const PullStore& store) {
           return store.index.coefficient(lane) == 1 && all_uniform(store.conditions);
         });
}

int widest(const PullProgram& program, int lane) {
  int64_t bytes = kVectorBytes;
  for (const PullStore& store : program.stores) bytes = std::min(bytes, size_of(store.target->type().dtype));
  for (const PullStep& step : program.steps)
    if (step.kind == PullStep::kLoad && step.index.coefficient(lane) == 1)
      bytes = std::min(bytes, size_of(step.value->type().dtype));
  int width = std::min<int>(kMaxWidth, static_cast<int>(kVectorBytes / bytes));
  while (width > program.space.variables[static_cast<size_t>(lane)].extent.extent()) width /= 2;
  width = std::max(width, 1);
  while (!legal_width(program, lane, width)) width /= 2;
  return width;
}

/// Reads chunks: loads become members of `v`.
class ElementPrinter : public PullPrinter {
 public:
  ElementPrinter(const ElementWalk& walk, Text& text, Names& names, KernelParameters& parameters)
      : PullPrinter(walk.program, text, names, parameters, walk.width), walk_(walk) {}

  std::string load(int step) override {
    const PullStep& s = at(step);
    const std::string pointer = PullPrinter::pointer(s.value);
    const int64_t along = s.index.coefficient(lane_axis());
    const std::string place = index(s.index);
    const std::string address = place == "0" ? pointer : pointer + " + " + place;
    std::string expression;
    if (!is_vector(step)) {
      expression = "widen(" + pointer + "[" + place + "])";
    } else if (width_ == 1 || along == 1) {
      expression = "load<" + lanes(s.index) + ">(" + address +
                   (walk_.exact || width_ == 1 ? "" : ", " + count()) + ")";
    } else {
      Dim stride = 1;
      for (const auto& [v, coefficient] : s.index.terms)
        if (v == lane_axis()) stride = coefficient;
      expression = "load_strided<" + std::to_string(width_) + ">(" + address + ", " +
                   parameters_.number(stride) + ", " + (walk_.exact ? std::to_string(width_) : count()) + ")";
    }
    return zero_filled(step, expression);
  }

  void store(const PullStore& s) {
    const std::string value = as_vector(s.step);
    const std::string pointer =
        s.target->node()->op() == Op::kParameter
            ? parameters_.written(program_.original.lookup(s.target), names_.base(s.target))
            : parameters_.result(s.output, names_.base(s.target) + "_out", s.target->type().dtype);
    const std::string place = index(s.index), condition = conditions(s.conditions);
    const std::string aligned = lanes(s.index);
    const size_t comma = aligned.find(", ");
    text_.line((condition.empty() ? "" : "if (" + condition + ") ") + "store" +
               (comma == std::string::npos ? "" : "<" + aligned.substr(comma + 2) + ">") + "(" + pointer +
               (place == "0" ? "" : " + " + place) + ", " + value + (walk_.exact ? "" : ", " + count()) +
               ");");
  }

 protected:
  /// chunk / (chunks of the inner axes) % extent: of the lane axis, the first lane.
  std::string axis(int v) override {
    Dim inner = 1;
    for (int other = v + 1; other < program_.space.axis_count(); ++other) inner = inner * chunks_along(other);
    bool outermost = true;
    for (int other = 0; other < v; ++other)
      outermost &= program_.space.variables[static_cast<size_t>(other)].extent.extent() == 1;
    std::string text = "chunk";
    if (inner.extent() != 1 || inner.dynamic()) text += " / " + parameters_.number(inner);
    if (!outermost) text += " % " + parameters_.number(chunks_along(v));
    if (v == lane_axis() && width_ > 1) text += " * " + std::to_string(width_);
    return text;
  }

 private:
  Dim chunks_along(int v) const {
    if (v == lane_axis()) return walk_.chunks_in_line;
    const Dim extent = program_.space.variables[static_cast<size_t>(v)].extent;
    return extent.extent() == 0 ? Dim(1) : extent;
  }
  /// "8", or "8, 2" where the place is known to be a multiple of 2 elements alone.
  std::string lanes(const Affine& place) const {
    int64_t aligned = width_;
    for (const auto& [v, coefficient] : place.terms)
      if (v != lane_axis()) aligned = std::gcd(aligned, known_divisor(coefficient));
    if (place.constant.extent() != 0 || place.constant.dynamic())
      aligned = std::gcd(aligned, known_divisor(place.constant));
    return std::to_string(width_) + (aligned < width_ ? ", " + std::to_string(aligned) : "");
  }
  std::string count() {
    if (!count_.empty()) return count_;
    const std::string extent =
        parameters_.number(program_.space.variables[static_cast<size_t>(lane_axis())].extent);
    const std::string first = index(Affine::variable(lane_axis()));
    text_.line("const Index count = " + extent + " - " + first + ";");
    return count_ = "count";
  }

  const ElementWalk& walk_;
  std::string count_;
};

/// An index without the variables that are always 0.
Affine moving(const PullProgram& program, Affine index) {
  llvm::erase_if(index.terms, [&](const auto& term) {
    return program.space.variables[static_cast<size_t>(term.first)].extent.extent() == 1 &&
           program.space.variables[static_cast<size_t>(term.first)].axis();
  });
  return index;
}

/// Parameters of a body over which a store may write: as many bytes, of which every thread reads those alone that it writes.
std::vector<int> overwritable(const PullProgram& program, const PullStore& store) {
  std::map<int, bool> apart;
  const auto read = [&](const Value* value, bool own) {
    if (value->node()->op() == Op::kParameter)
      apart.try_emplace(static_cast<int>(value->node()->attributes.integer("index")), true).first->second &=
          own;
  };
  for (const PullStep& step : program.steps)
    if (step.kind == PullStep::kLoad)
      read(step.value, moving(program, step.index) == moving(program, store.index) &&
                           step.value->type().dtype == store.target->type().dtype &&
                           step.value->type().elements() == store.target->type().elements());
  for (const Variable& v : program.space.variables)  // all of them, one after the other
    if (v.origin == Variable::kLastWrite) read(program.steps[static_cast<size_t>(v.step)].value, false);
  std::vector<int> parameters;
  for (const auto& [parameter, own] : apart)
    if (own) parameters.push_back(parameter);
  return parameters;
}

/// Run-time variables that the writing half needs.
std::vector<int> carried_variables(const PullProgram& program) {
  std::vector<bool> needed(program.space.variables.size());
  const std::function<void(const Affine&)> need = [&](const Affine& a) {
    for (const auto& term : a.terms) {
      const Variable& variable = program.space.variables[static_cast<size_t>(term.first)];
      if (variable.run_time()) needed[static_cast<size_t>(term.first)] = true;
      if (!variable.axis() && !variable.run_time()) need(variable.argument);
    }
  };
  for (const PullStore& store : program.stores) {
    need(store.index);
    for (const Condition& c : store.conditions) need(c.index);
  }
  for (const PullStep& step : program.steps) {
    if (step.kind == PullStep::kSelect)
      for (const Condition& c : step.conditions) need(c.index);
    if (step.kind == PullStep::kIndex) need(step.index);
  }
  std::vector<int> carried;
  for (size_t v = 0; v < needed.size(); ++v)
    if (needed[v]) carried.push_back(static_cast<int>(v));
  return carried;
}

/// The Body struct of a kernel: pointers and numbers, what a chunk loads, and its two halves.
struct BodyText {
  const ElementWalk& walk;
  Names& names;
  KernelParameters& parameters;
  std::vector<std::pair<std::string, std::string>> members;  // of Loaded
  Text read{"", 2}, write{"", 2};

  void make() {
    const PullProgram& program = walk.program;
    Names own(*program.body);  // members have a scope of their own
    for (const Variable& v : program.space.variables) own.reserve(v.name);
    ElementPrinter reader(walk, read, names, parameters), writer(walk, write, names, parameters);
    for (size_t i = 0; i < program.steps.size(); ++i) {
      const PullStep& step = program.steps[i];
      if (step.kind != PullStep::kLoad || step.for_index) continue;
      const auto id = static_cast<int>(i);
      const std::string type = compute_type(step.value->type().dtype).str();
      const std::string member = own.fresh(names.base(step.value));
      members.push_back(
          {reader.is_vector(id) ? "Vec<" + type + ", " + std::to_string(walk.width) + ">" : type, member});
      read.line("v." + member + " = " + reader.load(id) + ";");
      reader.bind_step(id, "v." + member);
      writer.bind_step(id, "v." + member);
    }
    for (int v : carried_variables(program)) {
      const std::string& name = program.space.variables[static_cast<size_t>(v)].name;
      members.push_back({"Index", name});
      read.line("v." + name + " = " + reader.index(Affine::variable(v)) + ";");
      writer.bind_variable(v, "v." + name);
    }
    for (const PullStore& store : program.stores) writer.store(store);
  }

  void print(Text& text) const {
    text.open("struct Body");
    for (const auto& d : parameters.declarations()) text.line(d.type + " " + d.name + ";");
    text.blank();
    text.open("struct Loaded");
    for (const auto& [type, member] : members) text.line(type + " " + member + ";");
    text.close(";");
    text.open("TENON_DEVICE Loaded read(Index chunk) const");
    text.line("Loaded v;");
    text.append(read);
    text.line("return v;");
    text.close();
    text.open("TENON_DEVICE void write(Index chunk, const Loaded& v) const");
    text.append(write);
    text.close();
    text.close(";");
  }
};

}  // namespace

ElementWalk plan_element_walk(const Region& region) {
  ElementWalk walk;
  walk.program = pull_elements(*region.body);
  if (!walk.program.refusal.empty()) return walk;
  merge_axes(walk.program);
  const IndexSpace& space = walk.program.space;
  const int lane = lane_axis(space);
  walk.width = widest(walk.program, lane);
  const Variable& line = space.variables[static_cast<size_t>(lane)];
  walk.exact = line.multiple % walk.width == 0;
  walk.chunks_in_line = walk.width == 1 ? line.extent
                        : walk.exact    ? floor_div(line.extent, walk.width)
                                        : floor_div(line.extent + Dim(walk.width - 1), walk.width);
  walk.chunks = walk.chunks_in_line;
  for (int v = 0; v < space.axis_count(); ++v)
    if (v != lane) walk.chunks = space.variables[static_cast<size_t>(v)].extent * walk.chunks;
  if (walk.chunks_in_line.extent() == 0) walk.chunks_in_line = 1;
  for (const auto& node : walk.program.body->nodes())
    for (int i = 0; i < node.result_count(); ++i)
      walk.wide |= node.type(i).elements() > INT32_MAX - kThreads * kMaxWidth * 8;
  for (const PullStep& step : walk.program.steps)
    if (step.kind == PullStep::kLoad && !step.for_index)
      walk.loaded_bytes += 4 * (space.depends(step.index, lane) ? walk.width : 1);
  return walk;
}

std::vector<Candidate> element_candidates(const Region& region, const ElementWalk& walk,
                                          const Target& target) {
  std::vector<Candidate> candidates;
  Estimate work;
  count_work(region, work);
  const Card& card = target.card;
  for (int vectors : {1, 2, 4}) {
    Candidate c;
    c.implementation = "generated";
    const ElementwiseConfig config{.width = walk.width, .vectors = vectors, .threads = kThreads};
    c.config = std::to_string(walk.width) + "x" + std::to_string(vectors);
    c.details = config;
    c.estimate = work;
    if (vectors > 1 && vectors * walk.loaded_bytes > kMaxLoadedBytes)
      c.why_not = "would keep more in registers than there are";
    const double blocks = std::ceil(static_cast<double>(walk.chunks.extent()) / (config.threads * vectors));
    const double rounds = std::ceil(blocks / (card.sms * std::max(1, card.threads_per_sm / config.threads)));
    const double bytes = static_cast<double>(work.bytes_read + work.bytes_written);
    const double rate = card.dram_gb_s * card.dram_efficiency;
    const double dram = bytes / (rate * 1e3), waiting = rounds * (kLatencyUs + kIssueUs * (vectors - 1));
    const double arithmetic = static_cast<double>(work.flops) / (card.f32_tflops * 1e6);
    c.estimate.terms = {
        {"launch", card.launch_us, "a kernel boundary"},
        {"DRAM", dram, tell_bytes(bytes) + " at " + std::to_string(static_cast<int64_t>(rate)) + " GB/s"},
        {"latency", waiting, tell_count(static_cast<int64_t>(rounds), "round of blocks", "rounds of blocks")},
        {"arithmetic", arithmetic, tell_flops(static_cast<double>(work.flops))}};
    c.estimate.us = card.launch_us + std::max({dram, waiting, arithmetic});
    c.estimate.basis = card.basis;
    candidates.push_back(std::move(c));
  }
  return candidates;
}

EmittedKernel emit_element_walk(const KernelFamily& family, const Region& region, const Candidate& candidate,
                                const Target& target, llvm::StringRef name) {
  const ElementWalk walk = plan_element_walk(region);
  const auto config = std::any_cast<ElementwiseConfig>(candidate.details);
  Names names(*walk.program.body);
  for (const Variable& v : walk.program.space.variables) names.reserve(v.name);
  KernelParameters parameters(names, walk.wide);
  BodyText body{walk, names, parameters, {}};
  body.make();
  const std::string chunks = parameters.number(walk.chunks);

  EmittedKernel kernel;
  kernel.includes = {"templates/elementwise.cuh", "templates/elementwise_kernel.cuh", "templates/memory.cuh"};
  const KernelTitle title{
      name, region, family.name(), target,
      "width " + std::to_string(config.width) + ", " + std::to_string(config.vectors) + " chunks a thread"};
  Text text(name.str() + ".cu");
  open_file(text, title, kernel, walk.wide);
  text.line("static constexpr ElementwiseConfig kConfig{.width = " + llvm::Twine(config.width) +
            ", .vectors = " + llvm::Twine(config.vectors) + ", .threads = " + llvm::Twine(config.threads) +
            "};");
  text.blank();
  body.print(text);
  // Without the 1 ptxas spills some kernels to make room for more blocks than are asked for.
  close_file(text, title, parameters, "kConfig.threads, 1",
             "walk_elements<kConfig, Index>(" + chunks + ", Body{" + parameters.name_list() + "});", kernel);
  const int64_t per_block = int64_t{config.threads} * config.vectors;
  kernel.grid[0] = static_cast<int>(std::max<int64_t>(1, (walk.chunks.extent() + per_block - 1) / per_block));
  kernel.block[0] = config.threads;
  kernel.overwrites.resize(kernel.aliases.size());
  for (const PullStore& store : walk.program.stores)
    if (store.target->node()->op() == Op::kParameter)
      kernel.aliases[static_cast<size_t>(store.output)] =
          static_cast<int>(store.target->node()->attributes.integer("index"));
    else
      kernel.overwrites[static_cast<size_t>(store.output)] = overwritable(walk.program, store);
  return kernel;
}

}  // namespace tenon
