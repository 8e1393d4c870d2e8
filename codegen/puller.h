// puller.h: the walk from outputs to parameters behind pull.h; private to pull.cpp and pull_movement.cpp.
#pragma once
#include <optional>

#include "codegen/pull.h"

namespace tenon {

using Index = llvm::SmallVector<Affine, 4>;  // of an element: one for each axis

/// Thrown where a region cannot be pulled; ends as PullProgram::refusal.
struct Refusal {
  std::string why;
};

/// The state of one pull. Methods return steps.
struct Puller {
  explicit Puller(PullProgram& program) : program(program), space(program.space) {}

  PullProgram& program;
  IndexSpace& space;
  std::vector<Condition> guards;          // of what is being pulled
  std::map<std::string, int> memo;        // steps by value and index
  uint64_t reduced = 0;                   // axes of the space
  llvm::SmallVector<int, 4> row_of_axis;  // rows: the space axis of each axis of the reduced shape
  bool for_index = false;                 // what is pulled becomes an index

  int add(PullStep step);

  /// True where `index` surely lies in [low, high), false where it surely does not, nothing where it depends.
  std::optional<bool> decided(const Affine& index, int64_t low, int64_t high) const;
  int load(const Value* value, const Index& index);
  /// The step that holds the element of `value` at `index`.
  int pull(const Value* value, const Index& index);
  int make(const Value* value, const Index& index);

  /// The index of an operand that is broadcast to a value at `index`.
  static Index broadcast(const Index& index, const Type& operand);
  int elementwise(const Value* value, const Index& index);
  int reduction(const Value* value, const Index& index);
  int movement(const Node& node, const Index& index);
  int concat(const Node& node, const Index& index);
  int pad(const Node& node, const Index& index);
  /// A variable computed from a step.
  int run_time_index(Variable::Origin origin, int step, Dim extent, const Affine& argument = {},
                     Dim divisor = 1);

  /// Variables that a step's value depends on.
  llvm::SmallVector<int, 2> variables_of(int step) const;
  int gather(const Node& node, const Index& index);

  /// The last write to this place, if there is one, else x.
  int scatter(const Node& node, const Index& index);

  /// A variable that is element `index` of the integers `value`, to be kept in [0, extent) by conditions.
  Affine loaded(const Value* value, const Index& index, Dim extent);
  /// The place in the pool of token `place` of the row's cache; `inside` receives what keeps it there.
  Index place_in_pool(const Node& write, const Index& place, std::vector<Condition>& inside);
  /// A cache write: its new rows, stored at the position, those that the cache or the pool has a place for.
  void store_cache(const Node& node, int output, const Index& index);
  void store_output(int output, const Index& first, llvm::ArrayRef<Dim> first_shape);
};

}  // namespace tenon
