// pull_printer.h: the steps of a pull program as lines of CUDA. What a load looks like, and where coordinates
// come from, is the family's.
#pragma once
#include "codegen/expression_printer.h"
#include "codegen/kernel_parameters.h"
#include "codegen/pull.h"

namespace tenon {

/// Prints steps where they are needed, each once. Lines go to the place where the text stands.
class PullPrinter {
 public:
  PullPrinter(const PullProgram& program, Text& text, Names& names, KernelParameters& parameters, int width)
      : program_(program), text_(text), names_(names), parameters_(parameters), width_(width) {}
  virtual ~PullPrinter() = default;

  /// The expression of a step; first prints what it needs.
  std::string operator()(int step);
  /// An index; first prints the variables that it needs.
  std::string index(const Affine& a);
  /// All of them, joined by &&.
  std::string conditions(llvm::ArrayRef<Condition> all);
  /// Binds a step or variable to an expression that holds it.
  void bind_step(int step, std::string expression) { steps_[step] = std::move(expression); }
  void bind_variable(int variable, std::string expression) { variables_[variable] = std::move(expression); }

  /// True where lanes of the step differ.
  virtual bool is_vector(int step) const;
  /// The axis along which lanes run: the last that is longer than 1 (the last where none is).
  int lane_axis() const;

 protected:
  virtual std::string load(int step) = 0;  ///< the expression of a load
  virtual std::string axis(
      int variable) = 0;  ///< the expression of a coordinate; printed as a line of its own
  virtual std::string counting(const Affine& index);  ///< first, first + step, ... along the lanes
  virtual std::string reduce(int step);               ///< prints a reduction and names its result
  std::string zero_filled(int step,
                          const std::string& loaded);  ///< `loaded` where the step's conditions hold
  std::string pointer(const Value* leaf);              ///< to the elements of a parameter or packed value
  std::string as_vector(int step);                     ///< the step, as a Vec even where its lanes are equal
  const PullStep& at(int step) const { return program_.steps[static_cast<size_t>(step)]; }

  const PullProgram& program_;
  Text& text_;
  Names& names_;
  KernelParameters& parameters_;
  int width_;
  std::map<int, std::string> steps_;
  std::map<int, std::string> variables_;

 private:
  std::string variable(int v);
  std::string one_lane(int step);  // of a step that vectors of one lane hold: what indices are computed from
  std::string definition(int v);
  std::string select(const PullStep& step, int id);
};

}  // namespace tenon
