// pull.h: what a kernel must load and compute to produce its outputs, each read through index maps from where
// it is needed back to the parameters. A plain program that emitters print.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codegen/index_map.h"
#include "ir/graph.h"

namespace tenon {

/// low <= index < high.
struct Condition {
  Affine index;
  int64_t low, high;
  friend bool operator==(const Condition& a, const Condition& b) {
    return a.index == b.index && a.low == b.low && a.high == b.high;
  }
};

/// One step of the program, in an order in which they can run.
struct PullStep {
  enum Kind {
    kLoad,    ///< element `index` of the parameter or packed value `value`
    kNumber,  ///< the uniform constant `value`
    kIndex,   ///< `index` itself, as `value`'s type (iota)
    kOp,      ///< the elementwise node of `value` over `operands`
    kSelect,  ///< the first of `operands` whose condition holds, else the last
    kFill,    ///< the number `fill`
    kReduce,  ///< the reduction node of `value` over `operands[0]`, along the space's reduced axes
  } kind = kLoad;
  const Value* value = nullptr;
  Affine index;
  std::vector<int> operands;          ///< steps
  std::vector<Condition> conditions;  ///< kLoad: all must hold, or the element is not read; kSelect: one for
                                      ///< each operand but the last
  double fill = 0;
  bool for_index = false;  ///< an index is computed from it
};

/// Where an output goes.
struct PullStore {
  const Value* target = nullptr;  ///< the output, or the cache parameter that is written in place
  int output = 0;
  int step = 0;
  Affine index;
  std::vector<Condition> conditions;
};

/// The program for one region.
struct PullProgram {
  std::unique_ptr<Graph> body;  ///< decomposed; steps point into it
  llvm::DenseMap<const Value*, const Value*>
      original;  ///< of the body's values: the region's own, where there is one
  IndexSpace space{{}};
  std::vector<PullStep> steps;
  std::vector<PullStore> stores;
  std::string refusal;  ///< why there is no program; "" when there is
};

/// Pulls every output of `region_body` over the elements of the first output (of the new rows, for a cache
/// write). All outputs must have as many elements.
PullProgram pull_elements(const Graph& region_body);

/// Pulls a region around reductions: walks the elements of the widest value that is reduced. `reduced`
/// receives a mask of the space's axes that its reductions run over.
PullProgram pull_rows(const Graph& region_body, uint64_t& reduced);

/// Joins neighbouring axes that every index walks as one. Axes in `keep_apart` (a mask of the first of each
/// pair) stay.
void merge_axes(PullProgram& program, uint64_t keep_apart = 0);

}  // namespace tenon
