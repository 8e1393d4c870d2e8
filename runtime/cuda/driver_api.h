// The part of the CUDA driver's interface that Tenon uses, declared here so that no toolkit header is needed
// to build. Names and values are those of cuda.h (12.0 and later); tests compare them with the real header
// where there is one.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

#include "runtime/cuda/library_search.h"

namespace tenon::cuda {

using DriverStatus = int;  ///< CUresult; 0 is success
using DeviceOrdinal = int;
using DevicePointer = uint64_t;
using Context = struct ContextHandle*;
using Module = struct ModuleHandle*;
using Function = struct FunctionHandle*;
using Stream = struct StreamHandle*;
using Event = struct EventHandle*;
using GraphHandle = struct GraphOpaque*;
using GraphExec = struct GraphExecOpaque*;

enum DeviceAttribute : int {
  kMultiprocessorCount = 16,
  kL2CacheSize = 38,
  kComputeCapabilityMajor = 75,
  kComputeCapabilityMinor = 76,
  kSharedMemoryPerMultiprocessor = 81,
  kSharedMemoryPerBlockOptin = 97,
};
enum FunctionAttribute : int {
  kLocalBytes = 3,
  kRegisters = 4,
  kMaxDynamicSharedBytes = 8,
  kNonPortableClusterAllowed = 14
};
enum LaunchAttributeId : int { kCooperative = 2, kClusterDimension = 4, kProgrammaticSerialization = 6 };
constexpr unsigned kStreamNonBlocking = 1;  ///< CU_STREAM_NON_BLOCKING
constexpr int kCaptureThreadLocal = 1;      ///< CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
constexpr DriverStatus kNoDevice = 100, kNotReady = 600;

struct LaunchAttribute {
  LaunchAttributeId id;
  char pad[8 - sizeof(LaunchAttributeId)];
  union {
    char bytes[64];
    struct {
      unsigned x, y, z;
    } cluster;
    int flag;  ///< cooperative, programmatic serialization
  } value;
};
struct LaunchConfig {
  unsigned grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

/// One row a function: its exported name with the version suffix of its ABI, and its parameters. All return a
/// DriverStatus.
#define TENON_DRIVER_FUNCTIONS(X)                                                                           \
  X(cuInit, (unsigned flags))                                                                               \
  X(cuDriverGetVersion, (int* version))                                                                     \
  X(cuGetErrorName, (DriverStatus status, const char** text))                                               \
  X(cuGetErrorString, (DriverStatus status, const char** text))                                             \
  X(cuDeviceGetCount, (int* count))                                                                         \
  X(cuDeviceGet, (DeviceOrdinal * device, int ordinal))                                                     \
  X(cuDeviceGetName, (char* name, int length, DeviceOrdinal device))                                        \
  X(cuDeviceTotalMem_v2, (size_t * bytes, DeviceOrdinal device))                                            \
  X(cuDeviceGetAttribute, (int* value, DeviceAttribute attribute, DeviceOrdinal device))                    \
  X(cuDevicePrimaryCtxRetain, (Context * context, DeviceOrdinal device))                                    \
  X(cuDevicePrimaryCtxRelease_v2, (DeviceOrdinal device))                                                   \
  X(cuCtxPushCurrent_v2, (Context context))                                                                 \
  X(cuCtxPopCurrent_v2, (Context * context))                                                                \
  X(cuModuleLoadData, (Module * module, const void* image))                                                 \
  X(cuModuleUnload, (Module module))                                                                        \
  X(cuModuleGetFunction, (Function * function, Module module, const char* name))                            \
  X(cuFuncGetAttribute, (int* value, FunctionAttribute attribute, Function function))                       \
  X(cuFuncSetAttribute, (Function function, FunctionAttribute attribute, int value))                        \
  X(cuLaunchKernelEx, (const LaunchConfig* config, Function function, void** parameters, void** extra))     \
  X(cuMemAlloc_v2, (DevicePointer * pointer, size_t bytes))                                                 \
  X(cuMemFree_v2, (DevicePointer pointer))                                                                  \
  X(cuMemcpyHtoDAsync_v2, (DevicePointer target, const void* source, size_t bytes, Stream stream))          \
  X(cuMemcpyDtoHAsync_v2, (void* target, DevicePointer source, size_t bytes, Stream stream))                \
  X(cuMemcpyDtoDAsync_v2, (DevicePointer target, DevicePointer source, size_t bytes, Stream stream))        \
  X(cuMemsetD8Async, (DevicePointer target, unsigned char value, size_t bytes, Stream stream))              \
  X(cuStreamCreate, (Stream * stream, unsigned flags))                                                      \
  X(cuStreamDestroy_v2, (Stream stream))                                                                    \
  X(cuStreamSynchronize, (Stream stream))                                                                   \
  X(cuStreamIsCapturing, (Stream stream, int* status))                                                      \
  X(cuStreamBeginCapture_v2, (Stream stream, int mode))                                                     \
  X(cuStreamEndCapture, (Stream stream, GraphHandle * graph))                                               \
  X(cuGraphInstantiateWithFlags, (GraphExec * exec, GraphHandle graph, unsigned long long flags))           \
  X(cuGraphLaunch, (GraphExec exec, Stream stream))                                                         \
  X(cuGraphExecDestroy, (GraphExec exec))                                                                   \
  X(cuGraphDestroy, (GraphHandle graph))                                                                    \
  X(cuEventCreate, (Event * event, unsigned flags))                                                         \
  X(cuEventDestroy_v2, (Event event))                                                                       \
  X(cuEventRecord, (Event event, Stream stream))                                                            \
  X(cuEventSynchronize, (Event event))                                                                      \
  X(cuEventElapsedTime, (float* milliseconds, Event start, Event end))                                      \
  X(cuOccupancyMaxActiveBlocksPerMultiprocessor,                                                            \
    (int* blocks, Function function, int threads, size_t shared))                                           \
  X(cuTensorMapEncodeTiled, (void* map, int element, unsigned rank, void* base, const uint64_t* dims,       \
                             const uint64_t* strides, const uint32_t* box, const uint32_t* element_strides, \
                             int interleave, int swizzle, int promotion, int fill))

/// The driver, loaded and initialised. All members are safe to call from any thread, as the driver's are.
struct DriverApi {
#define TENON_DECLARE(name, parameters) DriverStatus(*name) parameters = nullptr;
  TENON_DRIVER_FUNCTIONS(TENON_DECLARE)
#undef TENON_DECLARE
  /// Of a driver that watches what kernels touch (the emulator's); null in a real one. Names an allocation for reports, and
  /// says whether a kernel that writes it is wrong.
  void (*describe_memory)(DevicePointer pointer, const char* name, bool read_only) = nullptr;
  int version = 0;  ///< 1000 * major + 10 * minor of the newest CUDA that the driver supports

  /// Throws tenon::Error with the driver's own name and words for `status`, the call, and what was being
  /// done.
  void check(DriverStatus status, const char* call, const std::string& doing = "") const;
};

/// Loads the functions out of an opened libcuda and calls cuInit. Throws tenon::Error: an elder driver that
/// lacks a function, or a cuInit that fails (no GPU, driver and kernel module of different versions).
DriverApi load_driver_api(const LibrarySearch& search);

}  // namespace tenon::cuda

/// Calls a driver function of `api` and throws where it fails.
#define TENON_CUDA(api, name, ...) (api).check((api).name(__VA_ARGS__), #name)
