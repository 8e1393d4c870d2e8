// The driver's table: absence is an error that says where it was looked for; our declarations equal cuda.h's.
#include "runtime/cuda/driver_api.h"

#include <doctest/doctest.h>

#include "ir/diagnostics.h"
#include "runtime/cuda/tensor_map_encoder.h"

#if __has_include("/usr/local/cuda/include/cuda.h")
#define TENON_HAS_CUDA_H
#include "/usr/local/cuda/include/cuda.h"
#endif

using namespace tenon;
using namespace tenon::cuda;

TEST_CASE("an absent driver is an error that lists the places") {
  const LibrarySearch search = find_library("the CUDA driver", {"libcuda_absent.so.1"}, {"/nowhere"});
  CHECK_THROWS_WITH_AS(
      load_driver_api(search),
      doctest::Contains("the CUDA driver was not found; looked at /nowhere/libcuda_absent.so.1"), Error);
}

TEST_CASE("a library without the driver's functions is refused by name") {
  const LibrarySearch search = find_library("the CUDA driver", {"libm.so.6"}, {""});
  CHECK_THROWS_WITH_AS(load_driver_api(search), doctest::Contains("lacks cuInit"), Error);
}

TEST_CASE("a failed call tells the call, what was being done, and the driver's own words") {
  DriverApi api;
  api.cuGetErrorName = [](DriverStatus, const char** text) { return *text = "CUDA_ERROR_OUT_OF_MEMORY", 0; };
  api.cuGetErrorString = [](DriverStatus, const char** text) { return *text = "out of memory", 0; };
  CHECK_NOTHROW(api.check(0, "cuMemAlloc_v2"));
  CHECK_THROWS_WITH_AS(
      api.check(2, "cuMemAlloc_v2", "the arena of 64 bytes"),
      doctest::Contains(
          "cuMemAlloc_v2 failed (the arena of 64 bytes): CUDA_ERROR_OUT_OF_MEMORY, out of memory"),
      Error);
}

#ifdef TENON_HAS_CUDA_H
TEST_CASE("declarations agree with cuda.h") {
  CHECK(kMultiprocessorCount == static_cast<int>(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT));
  CHECK(kL2CacheSize == static_cast<int>(CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE));
  CHECK(kComputeCapabilityMajor == static_cast<int>(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR));
  CHECK(kComputeCapabilityMinor == static_cast<int>(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR));
  CHECK(kSharedMemoryPerMultiprocessor ==
        static_cast<int>(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_MULTIPROCESSOR));
  CHECK(kSharedMemoryPerBlockOptin ==
        static_cast<int>(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN));
  CHECK(kLocalBytes == static_cast<int>(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES));
  CHECK(kRegisters == static_cast<int>(CU_FUNC_ATTRIBUTE_NUM_REGS));
  CHECK(kMaxDynamicSharedBytes == static_cast<int>(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES));
  CHECK(kNonPortableClusterAllowed == static_cast<int>(CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED));
  CHECK(kCooperative == static_cast<int>(CU_LAUNCH_ATTRIBUTE_COOPERATIVE));
  CHECK(kClusterDimension == static_cast<int>(CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION));
  CHECK(kProgrammaticSerialization ==
        static_cast<int>(CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION));
  CHECK(kStreamNonBlocking == static_cast<unsigned>(CU_STREAM_NON_BLOCKING));
  CHECK(kCaptureThreadLocal == static_cast<int>(CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  CHECK(kNoDevice == static_cast<int>(CUDA_ERROR_NO_DEVICE));
  CHECK(static_cast<int>(TensorElement::kU8) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_UINT8));
  CHECK(static_cast<int>(TensorElement::kU16) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_UINT16));
  CHECK(static_cast<int>(TensorElement::kU32) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_UINT32));
  CHECK(static_cast<int>(TensorElement::kI32) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_INT32));
  CHECK(static_cast<int>(TensorElement::kU64) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_UINT64));
  CHECK(static_cast<int>(TensorElement::kI64) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_INT64));
  CHECK(static_cast<int>(TensorElement::kF16) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_FLOAT16));
  CHECK(static_cast<int>(TensorElement::kF32) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_FLOAT32));
  CHECK(static_cast<int>(TensorElement::kF64) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_FLOAT64));
  CHECK(static_cast<int>(TensorElement::kBf16) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_BFLOAT16));
  CHECK(static_cast<int>(TensorElement::kF32Ftz) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_FLOAT32_FTZ));
  CHECK(static_cast<int>(TensorElement::kTf32) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_TFLOAT32));
  CHECK(static_cast<int>(TensorElement::kTf32Ftz) == static_cast<int>(CU_TENSOR_MAP_DATA_TYPE_TFLOAT32_FTZ));
  CHECK(static_cast<int>(TensorSwizzle::kNone) == static_cast<int>(CU_TENSOR_MAP_SWIZZLE_NONE));
  CHECK(static_cast<int>(TensorSwizzle::k32) == static_cast<int>(CU_TENSOR_MAP_SWIZZLE_32B));
  CHECK(static_cast<int>(TensorSwizzle::k64) == static_cast<int>(CU_TENSOR_MAP_SWIZZLE_64B));
  CHECK(static_cast<int>(TensorSwizzle::k128) == static_cast<int>(CU_TENSOR_MAP_SWIZZLE_128B));
  CHECK(static_cast<int>(TensorInterleave::kNone) == static_cast<int>(CU_TENSOR_MAP_INTERLEAVE_NONE));
  CHECK(static_cast<int>(TensorInterleave::k16) == static_cast<int>(CU_TENSOR_MAP_INTERLEAVE_16B));
  CHECK(static_cast<int>(TensorInterleave::k32) == static_cast<int>(CU_TENSOR_MAP_INTERLEAVE_32B));
  CHECK(static_cast<int>(TensorFill::kZero) == static_cast<int>(CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE));
  CHECK(static_cast<int>(TensorFill::kNan) ==
        static_cast<int>(CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA));
  CHECK(static_cast<int>(TensorPromotion::kNone) == static_cast<int>(CU_TENSOR_MAP_L2_PROMOTION_NONE));
  CHECK(static_cast<int>(TensorPromotion::k64) == static_cast<int>(CU_TENSOR_MAP_L2_PROMOTION_L2_64B));
  CHECK(static_cast<int>(TensorPromotion::k128) == static_cast<int>(CU_TENSOR_MAP_L2_PROMOTION_L2_128B));
  CHECK(static_cast<int>(TensorPromotion::k256) == static_cast<int>(CU_TENSOR_MAP_L2_PROMOTION_L2_256B));
  CHECK(sizeof(EncodedTensorMap) == sizeof(CUtensorMap));
  CHECK(alignof(EncodedTensorMap) % alignof(CUtensorMap) == 0);
  CHECK(sizeof(LaunchAttribute) == sizeof(CUlaunchAttribute));
  CHECK(offsetof(LaunchAttribute, value) == offsetof(CUlaunchAttribute, value));
  CHECK(sizeof(LaunchConfig) == sizeof(CUlaunchConfig));
  CHECK(offsetof(LaunchConfig, stream) == offsetof(CUlaunchConfig, hStream));
  CHECK(offsetof(LaunchConfig, attributes) == offsetof(CUlaunchConfig, attrs));
  CHECK(offsetof(LaunchConfig, attribute_count) == offsetof(CUlaunchConfig, numAttrs));
  CUlaunchAttribute theirs{};
  theirs.value.clusterDim.y = 7;
  CHECK(reinterpret_cast<const LaunchAttribute&>(theirs).value.cluster.y == 7);
}
#endif
