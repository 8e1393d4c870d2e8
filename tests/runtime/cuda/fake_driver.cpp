// The fake driver's functions. Kernels, copies and fills run at once, or are kept where their stream is
// capturing.
#include "tests/runtime/cuda/fake_driver.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace tenon::cuda {
namespace {

using Work = std::function<void()>;
constexpr DriverStatus kInvalidValue = 1, kOutOfMemory = 2, kNotFound = 500;

struct FakeStream {
  bool capturing = false;
  std::vector<Work> captured;
};
struct FakeGraph {
  std::vector<Work> work;
};

FakeDriver* driver = nullptr;
FakeStream null_stream;
std::map<DevicePointer, size_t> allocations;

FakeStream& stream_of(Stream stream) { return stream ? *reinterpret_cast<FakeStream*>(stream) : null_stream; }

DriverStatus record(const char* name) {
  driver->calls.push_back(name);
  return 0;
}

DriverStatus submit(Stream stream, Work work) {
  FakeStream& target = stream_of(stream);
  if (target.capturing)
    target.captured.push_back(std::move(work));
  else
    work();
  return 0;
}

template <class Object, class Handle>
DriverStatus make(Handle* handle, Object object = {}) {
  *handle = reinterpret_cast<Handle>(new Object(std::move(object)));
  ++driver->live_objects;
  return 0;
}

template <class Object, class Handle>
DriverStatus release(Handle handle) {
  delete reinterpret_cast<Object*>(handle);
  --driver->live_objects;
  return 0;
}

DriverStatus launch(const LaunchConfig* config, Function function, void** parameters, void**) {
  const auto* entry = reinterpret_cast<const std::pair<const std::string, FakeKernel>*>(function);
  driver->calls.push_back("launch " + entry->first);
  std::vector<std::vector<char>> copies;
  for (size_t i = 0; i < entry->second.parameter_bytes.size(); ++i) {
    const char* bytes = static_cast<const char*>(parameters[i]);
    copies.emplace_back(bytes, bytes + entry->second.parameter_bytes[i]);
  }
  return submit(config->stream, [entry, config = *config, copies]() mutable {
    std::vector<void*> pointers;
    for (std::vector<char>& copy : copies) pointers.push_back(copy.data());
    entry->second.run(config, pointers.data());
  });
}

DriverStatus allocate(DevicePointer* pointer, size_t bytes) {
  record("cuMemAlloc");
  if (driver->fail_allocation) return kOutOfMemory;
  if (bytes == 0) return kInvalidValue;
  void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(memory, 0xA5, bytes);  // device memory is not zero at first
  *pointer = reinterpret_cast<DevicePointer>(memory);
  allocations[*pointer] = bytes;
  driver->allocated_bytes += bytes;
  return 0;
}

DriverStatus free_memory(DevicePointer pointer) {
  record("cuMemFree");
  if (!pointer) return 0;
  const auto found = allocations.find(pointer);
  if (found == allocations.end()) return kInvalidValue;
  driver->allocated_bytes -= found->second;
  std::free(reinterpret_cast<void*>(found->first));
  allocations.erase(found);
  return 0;
}

DriverStatus copy(const char* name, void* target, const void* source, size_t bytes, Stream stream) {
  record(name);
  return submit(stream, [=] { std::memcpy(target, source, bytes); });
}

void* host(DevicePointer pointer) { return reinterpret_cast<void*>(pointer); }

void fill_device(DriverApi& api) {
  api.version = 13000;
  api.cuGetErrorName = [](DriverStatus status, const char** text) {
    *text = status == kOutOfMemory ? "CUDA_ERROR_OUT_OF_MEMORY"
            : status == kNotFound  ? "CUDA_ERROR_NOT_FOUND"
                                   : "CUDA_ERROR_OTHER";
    return 0;
  };
  api.cuGetErrorString = [](DriverStatus, const char** text) { return *text = "as the fake driver says", 0; };
  api.cuDeviceGetCount = [](int* count) { return *count = 1, 0; };
  api.cuDeviceGet = [](DeviceOrdinal* device, int ordinal) {
    return *device = ordinal, ordinal == 0 ? 0 : kInvalidValue;
  };
  api.cuDeviceGetName = [](char* name, int, DeviceOrdinal) { return std::strcpy(name, "Fake GPU"), 0; };
  api.cuDeviceTotalMem_v2 = [](size_t* bytes, DeviceOrdinal) { return *bytes = size_t{1} << 30, 0; };
  api.cuDeviceGetAttribute = [](int* value, DeviceAttribute attribute, DeviceOrdinal) {
    *value = attribute == kComputeCapabilityMajor ? 9 : attribute == kComputeCapabilityMinor ? 0 : 132;
    return 0;
  };
  api.cuDevicePrimaryCtxRetain = [](Context* context, DeviceOrdinal) {
    static int primary;
    *context = reinterpret_cast<Context>(&primary);
    return ++driver->live_objects, 0;
  };
  api.cuDevicePrimaryCtxRelease_v2 = [](DeviceOrdinal) { return --driver->live_objects, 0; };
  api.cuCtxPushCurrent_v2 = [](Context) { return 0; };
  api.cuCtxPopCurrent_v2 = [](Context*) { return 0; };
}

void fill_modules(DriverApi& api) {
  api.cuModuleLoadData = [](Module* module, const void*) {
    return record("cuModuleLoadData"), make<int>(module);
  };
  api.cuModuleUnload = [](Module module) { return release<int>(module); };
  api.cuModuleGetFunction = [](Function* function, Module, const char* name) {
    const auto found = driver->kernels.find(name);
    if (found == driver->kernels.end()) return kNotFound;
    *function = reinterpret_cast<Function>(&*found);
    return 0;
  };
  api.cuFuncGetAttribute = [](int* value, FunctionAttribute, Function) { return *value = 0, 0; };
  api.cuFuncSetAttribute = [](Function, FunctionAttribute, int) { return record("cuFuncSetAttribute"); };
  api.cuLaunchKernelEx = launch;
  api.cuOccupancyMaxActiveBlocksPerMultiprocessor = [](int* blocks, Function, int, size_t) {
    return *blocks = 1, 0;
  };
}

void fill_memory(DriverApi& api) {
  api.cuMemAlloc_v2 = allocate;
  api.cuMemFree_v2 = free_memory;
  api.cuMemcpyHtoDAsync_v2 = [](DevicePointer target, const void* source, size_t bytes, Stream stream) {
    return copy("cuMemcpyHtoDAsync", host(target), source, bytes, stream);
  };
  api.cuMemcpyDtoHAsync_v2 = [](void* target, DevicePointer source, size_t bytes, Stream stream) {
    return copy("cuMemcpyDtoHAsync", target, host(source), bytes, stream);
  };
  api.cuMemcpyDtoDAsync_v2 = [](DevicePointer target, DevicePointer source, size_t bytes, Stream stream) {
    return copy("cuMemcpyDtoDAsync", host(target), host(source), bytes, stream);
  };
  api.cuMemsetD8Async = [](DevicePointer target, unsigned char value, size_t bytes, Stream stream) {
    record("cuMemsetD8Async");
    return submit(stream, [=] { std::memset(host(target), value, bytes); });
  };
}

void fill_streams(DriverApi& api) {
  api.cuStreamCreate = [](Stream* stream, unsigned) { return make<FakeStream>(stream); };
  api.cuStreamDestroy_v2 = [](Stream stream) { return release<FakeStream>(stream); };
  api.cuStreamSynchronize = [](Stream) { return record("cuStreamSynchronize"); };
  api.cuStreamIsCapturing = [](Stream stream, int* status) {
    return *status = stream_of(stream).capturing, 0;
  };
  api.cuStreamBeginCapture_v2 = [](Stream stream, int) {
    stream_of(stream).capturing = true;
    return record("cuStreamBeginCapture");
  };
  api.cuStreamEndCapture = [](Stream stream, GraphHandle* graph) {
    FakeStream& source = stream_of(stream);
    source.capturing = false;
    make<FakeGraph>(graph, {std::move(source.captured)});
    source.captured.clear();
    return record("cuStreamEndCapture");
  };
  api.cuGraphInstantiateWithFlags = [](GraphExec* exec, GraphHandle graph, unsigned long long) {
    make<FakeGraph>(exec, *reinterpret_cast<FakeGraph*>(graph));
    return record("cuGraphInstantiate");
  };
  api.cuGraphLaunch = [](GraphExec exec, Stream stream) {
    record("cuGraphLaunch");
    for (const Work& work : reinterpret_cast<FakeGraph*>(exec)->work) submit(stream, work);
    return 0;
  };
  api.cuGraphExecDestroy = [](GraphExec exec) { return release<FakeGraph>(exec); };
  api.cuGraphDestroy = [](GraphHandle graph) { return release<FakeGraph>(graph); };
  api.cuEventCreate = [](Event* event, unsigned) { return make<int>(event); };
  api.cuEventDestroy_v2 = [](Event event) { return release<int>(event); };
  api.cuEventRecord = [](Event, Stream) { return record("cuEventRecord"); };
  api.cuEventSynchronize = [](Event) { return record("cuEventSynchronize"); };
  api.cuEventElapsedTime = [](float* milliseconds, Event, Event) { return *milliseconds = 1.5f, 0; };
}

}  // namespace

FakeDriver::FakeDriver() {
  assert(!driver && "one fake driver at a time");
  driver = this;
  fill_device(api_);
  fill_modules(api_);
  fill_memory(api_);
  fill_streams(api_);
}

FakeDriver::~FakeDriver() { driver = nullptr; }

int FakeDriver::count(const std::string& call) const {
  return static_cast<int>(std::count(calls.begin(), calls.end(), call));
}

}  // namespace tenon::cuda
