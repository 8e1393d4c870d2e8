// emulated_driver.cpp: the emulated driver's devices, memory, streams, graphs and events.
#include "runtime/emulator/device/emulated_driver.h"

#include <chrono>
#include <cstring>
#include <optional>

#include "runtime/emulator/device/driver_state.h"
#include "runtime/emulator/machine/tensor_map.h"

namespace tenon::emulator {
namespace {

using cuda::DevicePointer;
using cuda::DriverApi;
using cuda::DriverStatus;
using Clock = std::chrono::steady_clock;

constexpr int kVersion = 13000;
/// What the emulated device says it has; the host gives out less if it must.
constexpr size_t kMemoryBytes = size_t{64} << 30;

struct GraphObject {
  std::vector<Work> work;
};
struct EventObject {
  std::optional<Clock::time_point> time;
};

template <class Object, class Handle>
Object* object_of(Handle handle) {
  return reinterpret_cast<Object*>(handle);
}
template <class Object, class Handle>
DriverStatus make(Handle* handle, Object object = {}) {
  if (!handle) return fail(kInvalidValue, "no place for the handle");
  *handle = reinterpret_cast<Handle>(new Object(std::move(object)));
  return kSuccess;
}
template <class Object, class Handle>
DriverStatus destroy(Handle handle) {
  if (!handle) return fail(kInvalidHandle, "no handle");
  delete object_of<Object>(handle);
  return kSuccess;
}

std::optional<int> attribute_of(const EmulatedMachine& machine, cuda::DeviceAttribute attribute) {
  const Card& card = machine.architecture().card();
  switch (attribute) {
    case cuda::kMultiprocessorCount: return machine.options().multiprocessors;
    case cuda::kL2CacheSize: return static_cast<int>(machine.options().l2_bytes);
    case cuda::kComputeCapabilityMajor: return machine.architecture().major;
    case cuda::kComputeCapabilityMinor: return machine.architecture().minor;
    case cuda::kSharedMemoryPerMultiprocessor: return static_cast<int>(card.shared_bytes_per_sm);
    case cuda::kSharedMemoryPerBlockOptin: return static_cast<int>(card.shared_bytes_per_block);
  }
  return {};
}

void fill_errors(DriverApi& api) {
  api.version = kVersion;
  api.cuInit = [](unsigned) -> DriverStatus { return kSuccess; };
  api.cuDriverGetVersion = [](int* version) -> DriverStatus { return *version = kVersion, kSuccess; };
  api.cuGetErrorName = [](DriverStatus status, const char** text) -> DriverStatus {
    *text = name(status);
    return *text ? kSuccess : kInvalidValue;
  };
  api.cuGetErrorString = [](DriverStatus status, const char** text) -> DriverStatus {
    return *text = words(status), kSuccess;
  };
}

void fill_devices(DriverApi& api) {
  api.cuDeviceGetCount = [](int* count) -> DriverStatus {
    return *count = EmulatedMachine::count(), kSuccess;
  };
  api.cuDeviceGet = [](cuda::DeviceOrdinal* device, int ordinal) -> DriverStatus {
    if (!EmulatedMachine::find(ordinal)) return fail(kInvalidDevice, "no emulated device has this number");
    return *device = ordinal, kSuccess;
  };
  api.cuDeviceGetName = [](char* name, int length, cuda::DeviceOrdinal device) -> DriverStatus {
    const EmulatedMachine* machine = EmulatedMachine::find(device);
    if (!machine || length <= 0) return fail(kInvalidDevice, "no emulated device has this number");
    const std::string text = "emulated " + machine->architecture().card().title;
    std::strncpy(name, text.c_str(), static_cast<size_t>(length));
    name[length - 1] = '\0';
    return kSuccess;
  };
  api.cuDeviceTotalMem_v2 = [](size_t* bytes, cuda::DeviceOrdinal) -> DriverStatus {
    return *bytes = kMemoryBytes, kSuccess;
  };
  api.cuDeviceGetAttribute = [](int* value, cuda::DeviceAttribute attribute,
                                cuda::DeviceOrdinal device) -> DriverStatus {
    const EmulatedMachine* machine = EmulatedMachine::find(device);
    if (!machine) return fail(kInvalidDevice, "no emulated device has this number");
    const std::optional<int> known = attribute_of(*machine, attribute);
    if (!known) return fail(kInvalidValue, "an attribute that the emulator does not know");
    return *value = *known, kSuccess;
  };
}

void fill_contexts(DriverApi& api) {
  api.cuDevicePrimaryCtxRetain = [](cuda::Context* context, cuda::DeviceOrdinal device) -> DriverStatus {
    *context = reinterpret_cast<cuda::Context>(EmulatedMachine::find(device));
    return *context ? kSuccess : fail(kInvalidDevice, "no emulated device has this number");
  };
  api.cuDevicePrimaryCtxRelease_v2 = [](cuda::DeviceOrdinal) -> DriverStatus { return kSuccess; };
  api.cuCtxPushCurrent_v2 = [](cuda::Context context) -> DriverStatus {
    if (!context) return fail(kInvalidContext, "no context");
    contexts().push_back(object_of<EmulatedMachine>(context));
    return kSuccess;
  };
  api.cuCtxPopCurrent_v2 = [](cuda::Context* context) -> DriverStatus {
    if (contexts().empty()) return fail(kInvalidContext, "no context is current");
    if (context) *context = reinterpret_cast<cuda::Context>(contexts().back());
    contexts().pop_back();
    return kSuccess;
  };
}

void fill_memory(DriverApi& api) {
  api.cuMemAlloc_v2 = [](DevicePointer* pointer, size_t bytes) -> DriverStatus {
    if (bytes == 0) return fail(kInvalidValue, "an allocation of no bytes");
    return with_machine(kOutOfMemory, [&](EmulatedMachine& machine) {
      *pointer = machine.memory().allocate(static_cast<int64_t>(bytes), "an allocation");
      return kSuccess;
    });
  };
  api.cuMemFree_v2 = [](DevicePointer pointer) -> DriverStatus {
    if (!pointer) return kSuccess;
    return with_machine(kInvalidValue, [&](EmulatedMachine& machine) {
      machine.memory().release(pointer);
      return kSuccess;
    });
  };
  api.describe_memory = [](DevicePointer pointer, const char* name, bool read_only) {
    with_machine(kInvalidValue, [&](EmulatedMachine& machine) -> DriverStatus {
      Allocation* allocation = machine.memory().find(pointer, 1);
      if (!allocation) return fail(kInvalidValue, "no allocation is there");
      allocation->name = name;
      allocation->read_only = read_only;
      return kSuccess;
    });
  };
}

void fill_copies(DriverApi& api) {
  api.cuMemcpyHtoDAsync_v2 = [](DevicePointer target, const void* source, size_t bytes, cuda::Stream stream) {
    return submit(stream, [=](EmulatedMachine& machine) {
      machine.memory().write(target, {static_cast<const std::byte*>(source), bytes});
    });
  };
  api.cuMemcpyDtoHAsync_v2 = [](void* target, DevicePointer source, size_t bytes, cuda::Stream stream) {
    return submit(stream, [=](EmulatedMachine& machine) {
      machine.memory().read(source, {static_cast<std::byte*>(target), bytes});
    });
  };
  api.cuMemcpyDtoDAsync_v2 = [](DevicePointer target, DevicePointer source, size_t bytes,
                                cuda::Stream stream) {
    return submit(stream, [=](EmulatedMachine& machine) {
      machine.memory().copy(target, source, static_cast<int64_t>(bytes));
    });
  };
  api.cuMemsetD8Async = [](DevicePointer target, unsigned char value, size_t bytes, cuda::Stream stream) {
    return submit(stream, [=](EmulatedMachine& machine) {
      machine.memory().fill(target, std::byte{value}, static_cast<int64_t>(bytes));
    });
  };
}

DriverStatus begin_capture(cuda::Stream stream, int) {
  if (!stream) return fail(kInvalidValue, "the null stream cannot capture");
  StreamObject& object = *object_of<StreamObject>(stream);
  if (object.capturing) return fail(kIllegalState, "the stream captures already");
  object.capturing = true;
  return kSuccess;
}

DriverStatus end_capture(cuda::Stream stream, cuda::GraphHandle* graph) {
  if (!stream || !object_of<StreamObject>(stream)->capturing)
    return fail(kIllegalState, "the stream does not capture");
  StreamObject& object = *object_of<StreamObject>(stream);
  object.capturing = false;
  return make<GraphObject>(graph, {std::exchange(object.captured, {})});
}

DriverStatus launch_graph(cuda::GraphExec exec, cuda::Stream stream) {
  if (!exec) return fail(kInvalidHandle, "no graph");
  for (const Work& work : object_of<GraphObject>(exec)->work)
    if (const DriverStatus status = submit(stream, work)) return status;
  return kSuccess;
}

void fill_streams(DriverApi& api) {
  api.cuStreamCreate = [](cuda::Stream* stream, unsigned) { return make<StreamObject>(stream); };
  api.cuStreamDestroy_v2 = [](cuda::Stream stream) { return destroy<StreamObject>(stream); };
  api.cuStreamSynchronize = [](cuda::Stream stream) -> DriverStatus {
    if (stream && object_of<StreamObject>(stream)->capturing)
      return fail(kCaptureInvalidated, "a capturing stream cannot be waited for");
    return kSuccess;
  };
  api.cuStreamIsCapturing = [](cuda::Stream stream, int* status) -> DriverStatus {
    return *status = stream && object_of<StreamObject>(stream)->capturing, kSuccess;
  };
  api.cuStreamBeginCapture_v2 = begin_capture;
  api.cuStreamEndCapture = end_capture;
  api.cuGraphInstantiateWithFlags = [](cuda::GraphExec* exec, cuda::GraphHandle graph,
                                       unsigned long long) -> DriverStatus {
    if (!graph) return fail(kInvalidHandle, "no graph");
    return make<GraphObject>(exec, *object_of<GraphObject>(graph));
  };
  api.cuGraphLaunch = launch_graph;
  api.cuGraphExecDestroy = [](cuda::GraphExec exec) { return destroy<GraphObject>(exec); };
  api.cuGraphDestroy = [](cuda::GraphHandle graph) { return destroy<GraphObject>(graph); };
}

void fill_events(DriverApi& api) {
  api.cuEventCreate = [](cuda::Event* event, unsigned) { return make<EventObject>(event); };
  api.cuEventDestroy_v2 = [](cuda::Event event) { return destroy<EventObject>(event); };
  api.cuEventRecord = [](cuda::Event event, cuda::Stream stream) -> DriverStatus {
    if (!event) return fail(kInvalidHandle, "no event");
    return submit(stream, [event](EmulatedMachine&) { object_of<EventObject>(event)->time = Clock::now(); });
  };
  api.cuEventSynchronize = [](cuda::Event) -> DriverStatus { return kSuccess; };
  api.cuEventElapsedTime = [](float* milliseconds, cuda::Event start, cuda::Event end) -> DriverStatus {
    const auto *first = object_of<EventObject>(start), *last = object_of<EventObject>(end);
    if (!first || !last || !first->time || !last->time)
      return fail(kInvalidHandle, "an event that was not recorded");
    *milliseconds = std::chrono::duration<float, std::milli>(*last->time - *first->time).count();
    return kSuccess;
  };
}

/// What the driver is given for a map. Values that no enumerator has stay what they are: fault_in() refuses them.
TensorTiling tensor_map_of(int element, unsigned rank, void* base, const uint64_t* dims,
                           const uint64_t* strides, const uint32_t* box, const uint32_t* element_strides,
                           int interleave, int swizzle, int promotion, int fill) {
  TensorTiling map;
  map.base = reinterpret_cast<uint64_t>(base);
  map.rank = static_cast<int>(rank);
  map.element = static_cast<TensorElement>(element);
  map.interleave = static_cast<TensorInterleave>(interleave);
  map.swizzle = static_cast<TensorSwizzle>(swizzle);
  map.promotion = static_cast<TensorPromotion>(promotion);
  map.fill = static_cast<TensorFill>(fill);
  for (int i = 0; i < map.rank && i < TensorTiling::kMostRank; ++i) {
    map.dims[i] = dims[i];
    map.box[i] = box[i];
    map.element_strides[i] = element_strides[i];
    if (i + 1 < map.rank && i + 1 < TensorTiling::kMostRank) map.strides[i] = strides[i];
  }
  return map;
}

void fill_tensor_maps(DriverApi& api) {
  api.cuTensorMapEncodeTiled = [](void* opaque, int element, unsigned rank, void* base, const uint64_t* dims,
                                  const uint64_t* strides, const uint32_t* box,
                                  const uint32_t* element_strides, int interleave, int swizzle, int promotion,
                                  int outside) -> DriverStatus {
    if (!opaque || reinterpret_cast<uintptr_t>(opaque) % kTensorMapAlignment != 0)
      return fail(kInvalidValue, "the tensor map's place is not aligned to 64 bytes");
    const TensorTiling map = tensor_map_of(element, rank, base, dims, strides, box, element_strides,
                                           interleave, swizzle, promotion, outside);
    if (std::string fault = fault_in(map); !fault.empty()) return fail(kInvalidValue, std::move(fault));
    return encode_tensor_map(map, static_cast<std::byte*>(opaque)), kSuccess;
  };
}

}  // namespace

cuda::DriverApi emulated_driver_api() {
  DriverApi api;
  fill_errors(api);
  fill_devices(api);
  fill_contexts(api);
  fill_memory(api);
  fill_copies(api);
  fill_streams(api);
  fill_events(api);
  fill_tensor_maps(api);
  fill_launch_functions(api);
  return api;
}

}  // namespace tenon::emulator
