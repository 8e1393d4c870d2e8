// evaluate.h: what the ops mean: a simple f64 evaluator of any graph at any stage of compilation: the oracle
// of every test.
#pragma once
#include <cstdint>
#include <functional>
#include <vector>

#include "ir/graph.h"

namespace tenon {

/// A dense row-major tensor of f64 (floats, bool) or of i64 (integers): one of the two vectors is used.
struct HostTensor {
  Type type;
  std::vector<double> reals;
  std::vector<int64_t> integers;

  bool integral() const { return is_integer(type.dtype); }
  double at(int64_t i) const { return integral() ? static_cast<double>(integers[i]) : reals[i]; }
  static HostTensor zeros(Type type);
};

/// How values are rounded on the way.
enum class Rounding {
  kNone,     ///< everything in f64: the exact meaning; casts still round
  kDeclared  ///< every value is rounded to its declared type: what an unfused run with perfect kernels gives
};

struct Evaluation {
  std::vector<HostTensor> outputs;        ///< in the order of the graph's outputs
  std::vector<HostTensor> state_updates;  ///< in the order of the graph's state updates
};

/// Evaluates a graph. `source` gives the value of each input, weight, state and parameter node; constants,
/// iota and rope tables are computed. No library, no threads: loops that follow the definition of each op.
/// Throws Error with the node's location for what the data can cause: an index out of range, a cache write
/// past the capacity.
Evaluation evaluate(const Graph& graph, const std::function<HostTensor(const Node&)>& source,
                    Rounding rounding = Rounding::kNone);

/// The values of one node's results from its operands' (a fused region's by its body).
std::vector<HostTensor> evaluate_node(const Node& node, llvm::ArrayRef<const HostTensor*> operands,
                                      Rounding rounding = Rounding::kNone);

/// The inverse frequencies of a kRopeTable node, by its {theta, scheme}: "" theta^(-2i/d); "linear" {factor};
/// "llama3" {factor, low, high, original}; "yarn" {factor, original, beta_fast, beta_slow}; "longrope"
/// {factors}. Throws Error unless there is one factor a frequency.
std::vector<double> rope_table(const Node& node);

}  // namespace tenon
