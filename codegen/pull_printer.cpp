// pull_printer.cpp: steps, indices and conditions as text.
#include "codegen/pull_printer.h"

#include <cassert>

namespace tenon {

int PullPrinter::lane_axis() const {
  int last = program_.space.axis_count() - 1;
  for (int v = last; v >= 0; --v)
    if (program_.space.variables[static_cast<size_t>(v)].extent.extent() != 1) return v;
  return last;
}

bool PullPrinter::is_vector(int step) const {
  const PullStep& s = at(step);
  const auto differs = [&](const Affine& a) { return program_.space.depends(a, lane_axis()); };
  switch (s.kind) {
    case PullStep::kLoad:
    case PullStep::kIndex:
      return differs(s.index) ||
             llvm::any_of(s.conditions, [&](const Condition& c) { return width_ == 1 && differs(c.index); });
    case PullStep::kNumber:
    case PullStep::kFill:
    case PullStep::kReduce: return false;
    case PullStep::kOp:
    case PullStep::kSelect: return llvm::any_of(s.operands, [&](int operand) { return is_vector(operand); });
  }
  return false;
}

std::string PullPrinter::pointer(const Value* leaf) {
  return parameters_.operand(program_.original.lookup(leaf), names_.base(leaf));
}

std::string PullPrinter::variable(int v) {
  if (auto found = variables_.find(v); found != variables_.end()) return found->second;
  const std::string value = definition(v);
  const std::string& name = program_.space.variables[static_cast<size_t>(v)].name;
  text_.line("const Index " + name + " = " + value + ";");
  return variables_[v] = name;
}

std::string PullPrinter::definition(int v) {
  const Variable& variable = program_.space.variables[static_cast<size_t>(v)];
  switch (variable.origin) {
    case Variable::kAxis: return axis(v);
    case Variable::kQuotient:
      return "(" + index(variable.argument) + ") / " + parameters_.number(variable.divisor);
    case Variable::kRemainder:
      return "(" + index(variable.argument) + ") % " + parameters_.number(variable.divisor);
    case Variable::kGathered:
      return "wrap_index<Index>(" + one_lane(variable.step) + ", " + parameters_.number(variable.extent) +
             ")";
    case Variable::kLoaded: return "cast<Index>(" + one_lane(variable.step) + ")";
    case Variable::kLastWrite: break;
  }
  return "last_write<Index>(" + pointer(at(variable.step).value) + ", " +
         parameters_.number(variable.extent) + ", " + index(variable.argument) + ", " +
         parameters_.number(variable.divisor) + ")";
}

std::string PullPrinter::index(const Affine& a) {
  std::string out;
  for (const auto& [v, coefficient] : a.terms) {
    if (!out.empty()) out += " + ";
    out += variable(v);
    if (coefficient.extent() != 1 || coefficient.dynamic()) out += " * " + parameters_.number(coefficient);
  }
  if (out.empty()) return parameters_.number(a.constant);
  if (a.constant.extent() != 0 || a.constant.dynamic()) out += " + " + parameters_.number(a.constant);
  return out;
}

std::string PullPrinter::conditions(llvm::ArrayRef<Condition> all) {
  std::string out;
  for (const Condition& c : all) {
    const auto [least, most] = program_.space.range(c.index);
    const std::string place = index(c.index);
    const bool run_time = llvm::any_of(c.index.terms, [&](const auto& term) {
      return program_.space.variables[static_cast<size_t>(term.first)].run_time();
    });
    if (c.low != INT64_MIN && (least < c.low || run_time))
      out += (out.empty() ? "" : " && ") + place + " >= " + std::to_string(c.low);
    if (c.high != INT64_MAX && (most >= c.high || run_time))
      out += (out.empty() ? "" : " && ") + place + " < " + std::to_string(c.high);
  }
  return out;
}

std::string PullPrinter::one_lane(int step) {
  const std::string expression = (*this)(step);
  return is_vector(step) ? expression + "[0]" : expression;
}

std::string PullPrinter::as_vector(int step) {
  const std::string expression = (*this)(step);
  return is_vector(step) ? expression : "splat<" + std::to_string(width_) + ">(" + expression + ")";
}

std::string PullPrinter::zero_filled(int step, const std::string& loaded) {
  const std::string condition = conditions(at(step).conditions);
  if (condition.empty()) return loaded;
  const std::string zero = literal(0, at(step).value->type().dtype);
  return condition + " ? " + loaded + " : " +
         (is_vector(step) ? "splat<" + std::to_string(width_) + ">(" + zero + ")" : zero);
}

std::string PullPrinter::select(const PullStep& step, int id) {
  std::string out;
  for (size_t i = 0; i < step.operands.size(); ++i) {
    const std::string operand = is_vector(id) ? as_vector(step.operands[i]) : (*this)(step.operands[i]);
    out += i + 1 < step.operands.size() ? conditions(step.conditions[i]) + " ? " + operand + " : " : operand;
  }
  return out;
}

std::string PullPrinter::reduce(int) {
  assert(false && "a reduction in a kernel that has none");
  return "";
}

std::string PullPrinter::counting(const Affine& a) {
  return "counting<" + std::to_string(width_) + ">(" + index(a) + ", Index(" +
         std::to_string(a.coefficient(lane_axis())) + "))";
}

std::string PullPrinter::operator()(int id) {
  if (auto found = steps_.find(id); found != steps_.end()) return found->second;
  const PullStep& step = at(id);
  std::string expression;
  switch (step.kind) {
    case PullStep::kNumber:
      return literal(step.value->node()->attributes.number("value"), step.value->type().dtype);
    case PullStep::kFill: return literal(step.fill, step.value->type().dtype);
    case PullStep::kLoad: expression = load(id); break;
    case PullStep::kSelect: expression = select(step, id); break;
    case PullStep::kReduce: return steps_[id] = reduce(id);
    case PullStep::kIndex: {
      const std::string type = compute_type(step.value->type().dtype).str();
      expression = is_vector(id) ? "cast<" + type + ">(" + counting(step.index) + ")"
                                 : "cast<" + type + ">(Index(" + index(step.index) + "))";
      break;
    }
    case PullStep::kOp: {
      std::vector<std::string> operands;
      for (int operand : step.operands) operands.push_back((*this)(operand));
      expression = ExpressionPrinter::expression(*step.value->node(), operands);
      if (step.value->node()->op() == Op::kCast && expression == operands[0]) return steps_[id] = expression;
      text_.from(step.value->node()->location);
      break;
    }
  }
  const std::string name = names_.fresh(names_.base(step.value));
  text_.line("const auto " + name + " = " + expression + ";");
  return steps_[id] = name;
}

}  // namespace tenon
