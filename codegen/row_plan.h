// row_plan.h: how the rows of a region are laid over threads: the decisions behind a row kernel.
#pragma once
#include "codegen/pull.h"
#include "passes/family.h"
#include "templates/config.cuh"

namespace tenon {

/// Which of templates/row.cuh's rows a kernel uses.
enum class RowForm {
  kResident,       ///< in registers
  kStreamed,       ///< passed over once for each reduction and store
  kStreamedColumn  ///< reduced along an axis that is not the last
};

/// A region of rows, ready to be printed.
struct RowPlan {
  PullProgram program;
  uint64_t reduced = 0;       ///< axes of the space
  bool column = false;        ///< the last axis is not reduced
  int width = 1;              ///< widest legal vectors
  bool wide = false;          ///< indices need 64 bits
  Dim rows = 1, columns = 1;  ///< rows: runs of `width` neighbouring rows in the column form
  int live = 1;               ///< vectors of a row that are needed at once, about
  int passes = 1;             ///< over the row, in the streamed forms
};

RowPlan plan_rows(const Region& region);

/// A candidate's decisions.
struct RowChoice {
  RowForm form = RowForm::kResident;
  RowConfig config;
};
std::vector<Candidate> row_candidates(const Region& region, const RowPlan& plan, const Target& target);

}  // namespace tenon
