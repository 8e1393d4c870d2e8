// Values and structures of cublasLt.h that Tenon passes to the library; tests compare them with the real
// header.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tenon::cuda {

constexpr int kComputeF32 = 68, kComputeFastTf32 = 77;  ///< cublasComputeType_t

/// cublasLtMatmulDescAttributes_t
constexpr int kDescTransposeA = 3, kDescTransposeB = 4, kDescEpilogue = 7, kDescBiasPointer = 8;
/// cublasLtMatrixLayoutAttribute_t
constexpr int kLayoutBatchCount = 5, kLayoutBatchStride = 6;
/// cublasLtMatmulPreferenceAttributes_t
constexpr int kPreferenceWorkspaceBytes = 1, kPreferenceAlignmentA = 5, kPreferenceAlignmentB = 6,
              kPreferenceAlignmentC = 7, kPreferenceAlignmentD = 8;

struct LtAlgorithm {  ///< cublasLtMatmulAlgo_t
  uint64_t data[8];
};
struct LtHeuristicResult {  ///< cublasLtMatmulHeuristicResult_t
  LtAlgorithm algorithm;
  size_t workspace_bytes;
  int status;
  float waves;
  int reserved[4];
};

}  // namespace tenon::cuda
