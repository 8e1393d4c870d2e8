// cublaslt.h: the family of products that the library computes, with the epilogues that it has.
#pragma once
#include "codegen/family.h"

namespace tenon {

/// Takes regions of pattern kProduct that are D = act(A B + C + bias): act relu, gelu_tanh or nothing, bias a vector of columns, C of D's
/// shape. Predicted by a roofline, since nothing of the library's choices is known before it is asked.
const EmittingFamily& cublaslt_family();

}  // namespace tenon
