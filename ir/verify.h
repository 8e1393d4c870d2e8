// verify.h: the invariants of a graph, checked after every pass.
//
//   V1  every operand is defined before its use, in the same graph
//   V2  operand and result counts are those of ops.def; attributes' flags announce the optional operands that
//   are there V3  result types are those that infer.h gives V4  users lists hold exactly the operand slots,
//   held counts exactly the outputs and state updates V5  a region's body has one parameter for each operand
//   and one output for each result, of the same types, and its
//       parameters come first, numbered 0, 1, 2, ...
//   V6  a state is updated at most once, by a value of its type
//   V7  no extent is negative
#pragma once
#include <string>

#include "ir/graph.h"

namespace tenon {

/// The first broken invariant in words with its number and node ("V3: %h = ... : should be bf16[4]"), or "".
std::string verify(const Graph& graph);

}  // namespace tenon
