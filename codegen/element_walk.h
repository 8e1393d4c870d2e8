// element_walk.h: kernels that walk the elements of their outputs: the plan and the text that the elementwise
// and movement families share.
#pragma once
#include "codegen/family.h"
#include "codegen/pull.h"
#include "templates/config.cuh"

namespace tenon {

/// How a region's outputs are walked.
struct ElementWalk {
  PullProgram program;
  int width = 1;      ///< elements of a chunk: lanes of the vectors
  bool exact = true;  ///< the lane axis is a multiple of the width
  bool wide = false;  ///< indices need 64 bits
  Dim chunks_in_line = 1, chunks = 1;
  int loaded_bytes = 0;  ///< of one chunk
};

/// The walk of a region, or program.refusal.
ElementWalk plan_element_walk(const Region& region);

/// Candidates by the number of chunks that a thread keeps in flight.
std::vector<Candidate> element_candidates(const Region& region, const ElementWalk& walk,
                                          const Target& target);

EmittedKernel emit_element_walk(const KernelFamily& family, const Region& region, const Candidate& candidate,
                                const Target& target, llvm::StringRef name);

}  // namespace tenon
