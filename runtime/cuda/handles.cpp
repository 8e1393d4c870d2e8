// Acquiring what handles.h owns.
#include "runtime/cuda/handles.h"

namespace tenon::cuda {

PrimaryContext::PrimaryContext(const DriverApi& api, int ordinal) : api_(api) {
  TENON_CUDA(api_, cuDeviceGet, &device_, ordinal);
  TENON_CUDA(api_, cuDevicePrimaryCtxRetain, &context_, device_);
}

OwnedMemory PrimaryContext::allocate(size_t bytes, const std::string& purpose, bool read_only) const {
  if (bytes == 0) return {};
  DevicePointer pointer = 0;
  api_.check(api_.cuMemAlloc_v2(&pointer, bytes), "cuMemAlloc",
             std::to_string(bytes) + " bytes for " + purpose);
  if (api_.describe_memory) api_.describe_memory(pointer, purpose.c_str(), read_only);
  return {ref(), pointer};
}

OwnedModule PrimaryContext::load_module(const std::string& image, const std::string& name) const {
  Module module = nullptr;
  api_.check(api_.cuModuleLoadData(&module, image.data()), "cuModuleLoadData", "kernel " + name);
  return {ref(), module};
}

OwnedStream PrimaryContext::make_stream() const {
  Stream stream = nullptr;
  TENON_CUDA(api_, cuStreamCreate, &stream, kStreamNonBlocking);
  return {ref(), stream};
}

OwnedEvent PrimaryContext::make_event() const {
  Event event = nullptr;
  TENON_CUDA(api_, cuEventCreate, &event, 0);
  return {ref(), event};
}

void require_alignment(llvm::StringRef name, DevicePointer pointer) {
  if (pointer % kPointerAlignment != 0)
    throw Error("the memory bound to '" + name.str() + "' is not 16-byte aligned");
}

}  // namespace tenon::cuda
