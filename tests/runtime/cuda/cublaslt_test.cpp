// cuBLASLt: absence is an error; our values and structures equal cublasLt.h's; descriptors are the library's
// own business.
#include "runtime/cuda/cublaslt.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "runtime/cuda/cublaslt_values.h"

#if __has_include("/usr/local/cuda/include/cublasLt.h")
#define TENON_HAS_CUBLASLT_H
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "/usr/local/cuda/include/cublasLt.h"
#pragma GCC diagnostic pop
#endif

using namespace tenon;
using namespace tenon::cuda;

TEST_CASE("an absent cuBLASLt is an error that lists the places") {
  const LibrarySearch search = find_library("cuBLASLt", {"libcublasLt_absent.so"}, {"/nowhere"});
  CHECK_THROWS_WITH_AS(CublasLt{search},
                       doctest::Contains("cuBLASLt was not found; looked at /nowhere/libcublasLt_absent.so"),
                       Error);
  CHECK(cublaslt_version(search) == 0);
}

TEST_CASE("the library at hand tells its version") {
  const LibrarySearch search = find_cublaslt();
  if (!search.library) {
    MESSAGE("skipped: " << search.summary());
    return;
  }
  CHECK(cublaslt_version(search) >= 120000);
}

#ifdef TENON_HAS_CUBLASLT_H
TEST_CASE("values and structures agree with cublasLt.h") {
  CHECK(kComputeF32 == CUBLAS_COMPUTE_32F);
  CHECK(kComputeFastTf32 == CUBLAS_COMPUTE_32F_FAST_TF32);
  CHECK(CUBLAS_OP_N == 0);
  CHECK(CUBLAS_OP_T == 1);
  CHECK(static_cast<int>(LibraryType::f32) == CUDA_R_32F);
  CHECK(static_cast<int>(LibraryType::f16) == CUDA_R_16F);
  CHECK(static_cast<int>(LibraryType::bf16) == CUDA_R_16BF);
  CHECK(static_cast<int>(LibraryEpilogue::none) == CUBLASLT_EPILOGUE_DEFAULT);
  CHECK(static_cast<int>(LibraryEpilogue::relu) == CUBLASLT_EPILOGUE_RELU);
  CHECK(static_cast<int>(LibraryEpilogue::bias) == CUBLASLT_EPILOGUE_BIAS);
  CHECK(static_cast<int>(LibraryEpilogue::relu_bias) == CUBLASLT_EPILOGUE_RELU_BIAS);
  CHECK(static_cast<int>(LibraryEpilogue::gelu_tanh) == CUBLASLT_EPILOGUE_GELU);
  CHECK(static_cast<int>(LibraryEpilogue::gelu_tanh_bias) == CUBLASLT_EPILOGUE_GELU_BIAS);
  CHECK(kDescTransposeA == CUBLASLT_MATMUL_DESC_TRANSA);
  CHECK(kDescTransposeB == CUBLASLT_MATMUL_DESC_TRANSB);
  CHECK(kDescEpilogue == CUBLASLT_MATMUL_DESC_EPILOGUE);
  CHECK(kDescBiasPointer == CUBLASLT_MATMUL_DESC_BIAS_POINTER);
  CHECK(kLayoutBatchCount == CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
  CHECK(kLayoutBatchStride == CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
  CHECK(kPreferenceWorkspaceBytes == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
  CHECK(kPreferenceAlignmentA == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES);
  CHECK(kPreferenceAlignmentB == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES);
  CHECK(kPreferenceAlignmentC == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES);
  CHECK(kPreferenceAlignmentD == CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES);
  CHECK(sizeof(LtAlgorithm) == sizeof(cublasLtMatmulAlgo_t));
  CHECK(sizeof(LtHeuristicResult) == sizeof(cublasLtMatmulHeuristicResult_t));
  CHECK(offsetof(LtHeuristicResult, workspace_bytes) ==
        offsetof(cublasLtMatmulHeuristicResult_t, workspaceSize));
  CHECK(offsetof(LtHeuristicResult, status) == offsetof(cublasLtMatmulHeuristicResult_t, state));
}
#endif
