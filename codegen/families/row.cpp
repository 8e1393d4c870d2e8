// row.cpp: reductions and normalisations over rows, with elementwise ops before, between and after them.
#include "codegen/families/row.h"

#include <numeric>

#include "codegen/kernel_frame.h"
#include "codegen/pull_printer.h"
#include "codegen/row_order.h"
#include "codegen/row_plan.h"

namespace tenon {
namespace {

/// Prints the body of a row. In the streamed forms what varies along the row stands in functors that each
/// pass computes anew.
class RowPrinter : public PullPrinter {
 public:
  RowPrinter(const RowPlan& plan, const RowChoice& choice, Text& text, Names& names,
             KernelParameters& parameters)
      : PullPrinter(plan.program, text, names, parameters, choice.config.width * choice.config.vectors),
        plan_(plan),
        choice_(choice) {}

  void print() {
    for (int v = 0; v < program_.space.axis_count(); ++v)
      if (!is_reduced(v) && used(v)) index(Affine::variable(v));
    std::vector<const PullStore*> in_passing;
    for (const PullStore& store : program_.stores) {
      const bool full =
          llvm::any_of(store.index.terms, [&](const auto& term) { return is_reduced(term.first); });
      if (full && streamed())
        in_passing.push_back(&store);
      else
        print_store(store, full);
    }
    if (!in_passing.empty()) stream_stores(in_passing);
  }

  bool is_vector(int step) const override {
    const PullStep& s = at(step);
    if (plan_.reduced == 0) return false;
    if (s.kind == PullStep::kReduce) return plan_.column && is_vector(s.operands[0]);
    return PullPrinter::is_vector(step);
  }

 protected:
  std::string load(int step) override {
    const PullStep& s = at(step);
    const int64_t along = s.index.coefficient(lane_axis());
    if (!is_vector(step)) return "widen(" + pointer(s.value) + "[" + index(s.index) + "])";
    const std::string row = streamed() && varies(step) ? "at." : streamed() ? "" : "row.";
    if (row.empty()) return "load<" + lanes(s.index) + ">(" + address(pointer(s.value), s.index) + ")";
    if (along != 1)
      return row + "load_strided(" + address(pointer(s.value), place(s.index)) + ", " +
             parameters_.number(stride(s.index)) + ")";
    return row + "load" + aligned(s.index) + "(" + address(pointer(s.value), place(s.index)) + ")";
  }

  std::string reduce(int step) override {
    const PullStep& s = at(step);
    const std::string name = name_of(s.value->node()->op()).str();
    const std::string type = compute_type(s.value->node()->operand(0)->type().dtype).str();
    const std::string result = names_.fresh(names_.base(s.value));
    if (!streamed()) {
      const std::string x = as_vector(s.operands[0]);
      text_.from(s.value->node()->location);
      text_.line("const auto " + result + " = row." + name + "(" + x + ");");
      return result;
    }
    hoist(s.operands[0]);
    text_.open("const auto " + result + " = row." + name + "<" + type + ">([&](const Row::Chunk& at)");
    const auto outside = std::pair(steps_, variables_);
    const std::string x = as_vector(s.operands[0]);
    text_.line("return " + x + ";");
    std::tie(steps_, variables_) = outside;
    text_.close(");");
    return result;
  }

  std::string axis(int v) override {
    if (is_reduced(v))
      return divided(
          "at.place", v, [&](int other) { return is_reduced(other); }, Dim(1));
    return divided(
        "row.index", v, [&](int other) { return !is_reduced(other); }, plan_.column ? Dim(width_) : Dim(1));
  }

  std::string counting(const Affine& a) override {
    if (streamed()) return PullPrinter::counting(a);
    return "row.counting(" + index(place(a)) + ", Index(" + std::to_string(a.coefficient(lane_axis())) + "))";
  }

 private:
  bool streamed() const { return choice_.form != RowForm::kResident; }
  bool is_reduced(int v) const { return plan_.reduced >> v & 1; }
  bool used(int v) const {
    const auto reads = [&](const Affine& a) { return a.coefficient(v) != 0; };
    return llvm::any_of(program_.steps, [&](const PullStep& s) { return reads(s.index); }) ||
           llvm::any_of(program_.stores, [&](const PullStore& s) { return reads(s.index); });
  }
  /// True where the step's value differs along the reduced axes.
  bool varies(int step) const {
    const PullStep& s = at(step);
    if (s.kind == PullStep::kReduce) return false;
    if (s.kind == PullStep::kLoad || s.kind == PullStep::kIndex)
      return llvm::any_of(s.index.terms, [&](const auto& term) { return is_reduced(term.first); });
    return llvm::any_of(s.operands, [&](int operand) { return varies(operand); });
  }
  /// Prints, before a functor begins, what it needs and what does not vary in it.
  void hoist(int step) {
    if (!varies(step)) {
      (*this)(step);
      return;
    }
    for (int operand : at(step).operands) hoist(operand);
  }

  /// Coordinate v of a number that counts the axes for which `walks` holds; the last of them in steps of
  /// `unit`.
  template <class Walks>
  std::string divided(const std::string& number, int v, const Walks& walks, Dim unit) {
    Dim inner = 1;
    bool outermost = true, last = true;
    for (int other = 0; other < program_.space.axis_count(); ++other) {
      if (other == v || !walks(other) ||
          program_.space.variables[static_cast<size_t>(other)].extent.extent() == 1)
        continue;
      if (other < v) outermost = false;
      if (other > v)
        inner = inner * program_.space.variables[static_cast<size_t>(other)].extent, last = false;
    }
    const Dim extent = program_.space.variables[static_cast<size_t>(v)].extent;
    const bool in_runs = unit.extent() != 1;
    std::string text = number;
    if (!last && (inner.extent() != 1 || inner.dynamic()))
      text += " / " + parameters_.number(in_runs ? floor_div(inner, unit) : inner);
    if (!outermost)
      text += " % " + parameters_.number(last && in_runs        ? floor_div(extent, unit)
                                         : extent.extent() == 0 ? Dim(1)
                                                                : extent);
    if (last && in_runs) text += " * " + parameters_.number(unit);
    return text;
  }

  /// An index as the row's functions take it: without the column in the resident form, which adds it for each
  /// vector.
  Affine place(const Affine& a) const {
    Affine rest = a;
    if (!streamed()) llvm::erase_if(rest.terms, [&](const auto& term) { return term.first == lane_axis(); });
    return rest;
  }
  Dim stride(const Affine& a) const {
    for (const auto& [v, coefficient] : a.terms)
      if (v == lane_axis()) return coefficient;
    return 0;
  }
  std::string address(const std::string& pointer, const Affine& a) {
    const std::string text = index(a);
    return text == "0" ? pointer : pointer + " + " + text;
  }
  int64_t alignment(const Affine& a) const {
    int64_t aligned = choice_.config.width;
    for (const auto& [v, coefficient] : a.terms)
      if (v != lane_axis()) aligned = std::gcd(aligned, coefficient.extent());
    return std::gcd(aligned, a.constant.extent());
  }
  std::string aligned(const Affine& a) const {
    return alignment(a) < choice_.config.width ? "<" + std::to_string(alignment(a)) + ">" : "";
  }
  std::string lanes(const Affine& a) const {
    return std::to_string(choice_.config.width) +
           (alignment(a) < choice_.config.width ? ", " + std::to_string(alignment(a)) : "");
  }

  void print_store(const PullStore& store, bool full) {
    const bool spread = full || plan_.column;
    const std::string value = spread ? as_vector(store.step) : (*this)(store.step);
    const std::string target =
        parameters_.result(store.output, names_.base(store.target) + "_out", store.target->type().dtype);
    const std::string to = address(target, full ? place(store.index) : store.index);
    text_.line("row." + std::string(full ? "store" : "store_one") + (spread ? aligned(store.index) : "") +
               "(" + to + ", " + value + ");");
  }

  /// All of them in one pass.
  void stream_stores(llvm::ArrayRef<const PullStore*> stores) {
    for (const PullStore* store : stores) hoist(store->step);
    text_.open("row.each([&](const Row::Chunk& at)");
    const auto outside = std::pair(steps_, variables_);
    for (const PullStore* store : stores) {
      const std::string value = as_vector(store->step);
      const std::string target =
          parameters_.result(store->output, names_.base(store->target) + "_out", store->target->type().dtype);
      text_.line("at.store" + aligned(store->index) + "(" + address(target, store->index) + ", " + value +
                 ");");
    }
    std::tie(steps_, variables_) = outside;
    text_.close(");");
  }

  const RowPlan& plan_;
  const RowChoice& choice_;
};

class RowFamily final : public EmittingFamily {
 public:
  llvm::StringRef name() const override { return "row"; }

  std::string refuses(const Region& region, const Target&) const override {
    if (region.pattern != Pattern::kRow) return "no row region";
    if (ordered_node(region)) return refuses_ordered(region);
    return plan_rows(region).program.refusal;
  }

  std::vector<Candidate> candidates(const Region& region, const Target& target) const override {
    if (ordered_node(region)) return {ordered_candidate(region, target)};
    return row_candidates(region, plan_rows(region), target);
  }

  EmittedKernel emit(const Region& region, const Candidate& candidate, const Target& target,
                     llvm::StringRef name) const override;
};

EmittedKernel RowFamily::emit(const Region& region, const Candidate& candidate, const Target& target,
                              llvm::StringRef name) const {
  if (ordered_node(region)) return emit_ordered(region, candidate, target, name);
  const RowPlan plan = plan_rows(region);
  const auto choice = std::any_cast<RowChoice>(candidate.details);
  const RowConfig& config = choice.config;
  Names names(*plan.program.body);
  for (const Variable& v : plan.program.space.variables) names.reserve(v.name);
  KernelParameters parameters(names, plan.wide);
  Text body("", 2);
  RowPrinter(plan, choice, body, names, parameters).print();
  const std::string rows = parameters.number(plan.rows), columns = parameters.number(plan.columns);

  EmittedKernel kernel;
  kernel.includes = {"templates/elementwise.cuh", "templates/row.cuh"};
  const KernelTitle title{name, region, "row", target, candidate.config};
  Text text(name.str() + ".cu");
  open_file(text, title, kernel, plan.wide);
  text.line("static constexpr RowConfig kConfig{.width = " + llvm::Twine(config.width) + ", .vectors = " +
            llvm::Twine(config.vectors) + ", .threads_per_row = " + llvm::Twine(config.threads_per_row) +
            ", .rows = " + llvm::Twine(config.rows) +
            (config.slices > 1 ? ", .slices = " + std::to_string(config.slices) : std::string()) + "};");
  constexpr const char* kRows[] = {"ResidentRow", "StreamedRow", "StreamedColumn"};
  text.line(llvm::Twine("using Row = ") + kRows[static_cast<int>(choice.form)] + "<kConfig, Index>;");
  text.blank();
  text.open("struct Body");
  for (const auto& d : parameters.declarations()) text.line(d.type + " " + d.name + ";");
  text.blank();
  text.open("TENON_DEVICE void operator()(const Row& row) const");
  text.append(body);
  text.close();
  text.close(";");
  const std::string members = parameters.name_list();
  std::string walk = choice.form == RowForm::kStreamedColumn ? "walk_columns" : "walk_rows", shared;
  if (config.slices > 1) {
    walk = "walk_shared_rows";
    const std::string shares = parameters.scratch(KernelArgument::kWorkspace, "shares", DType::kU8);
    shared = shares + ", " + parameters.scratch(KernelArgument::kCounters, "arrivals", DType::kI32) + ", ";
    kernel.shared_bytes = 16;  // for the word that tells the last block
    kernel.workspace_bytes = plan.rows.extent() * config.slices * RowConfig::share_bytes();
    kernel.counter_bytes = plan.rows.extent() * int64_t{sizeof(int)};
  }
  close_file(text, title, parameters, "kConfig.threads()",
             walk + "<kConfig, Row>(" + rows + ", " + columns + ", " + shared + "Body{" + members + "});",
             kernel);
  kernel.grid[0] =
      static_cast<int>(std::max<int64_t>(1, (plan.rows.extent() + config.rows - 1) / config.rows)) *
      config.slices;
  kernel.block[0] = config.threads();
  return kernel;
}

}  // namespace

const EmittingFamily& row_family() {
  static const RowFamily family;
  return family;
}

}  // namespace tenon
