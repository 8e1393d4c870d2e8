// Uploading weights once and keeping states.
#include "runtime/cuda/device_store.h"

#include <cassert>

#include "ir/print.h"

namespace tenon::cuda {
namespace {

// Equal keys pack equal bytes: the expression, and the weights that it reads.
std::string key_of(const Plan& plan, const Packing& packing) {
  std::string key = print(*packing.graph);
  for (const int input : packing.inputs) key += "\n" + plan.buffers[input].name;
  return key;
}

}  // namespace

DeviceStore::DeviceStore(std::shared_ptr<CudaDevice> device, HostWeights host)
    : device_(std::move(device)), host_(std::move(host)) {
  const ContextScope scope(device_->context());
  stream_ = device_->context().make_stream();
}

DeviceStore::Entry DeviceStore::upload(llvm::ArrayRef<char> bytes, const std::string& purpose) {
  const ContextScope scope(device_->context());
  const DriverApi& api = device_->api();
  Entry entry{device_->context().allocate(bytes.size(), purpose), static_cast<int64_t>(bytes.size())};
  bytes_ += entry.bytes;
  if (bytes.empty()) return entry;
  TENON_CUDA(api, cuMemcpyHtoDAsync_v2, entry.memory.get(), bytes.data(), bytes.size(), stream_.get());
  TENON_CUDA(api, cuStreamSynchronize, stream_.get());
  return entry;
}

void DeviceStore::adopt(const std::string& name, DevicePointer pointer) {
  require_alignment(name, pointer);
  adopted_[name] = pointer;
}

DevicePointer DeviceStore::weight(const Buffer& buffer) {
  if (const auto own = adopted_.find(buffer.name); own != adopted_.end()) return own->second;
  auto found = weights_.find(buffer.name);
  if (found == weights_.end())
    found = weights_.emplace(buffer.name, upload(host_.weight(buffer), "the weight " + buffer.name)).first;
  return found->second.memory.get();
}

DevicePointer DeviceStore::packed(const Plan& plan, const Packing& packing) {
  const std::string key = key_of(plan, packing);
  auto found = packed_.find(key);
  if (found == packed_.end())
    found = packed_.emplace(key, upload(host_.packed(plan, packing), "a packed weight")).first;
  return found->second.memory.get();
}

DevicePointer DeviceStore::state(const Buffer& buffer) {
  if (const auto own = adopted_.find(buffer.name); own != adopted_.end()) return own->second;
  const auto found = states_.find(buffer.name);
  if (found == states_.end()) {
    const ContextScope scope(device_->context());
    Entry entry{device_->context().allocate(buffer.bytes, "the state " + buffer.name), buffer.bytes};
    bytes_ += entry.bytes;
    clear(entry);
    return states_.emplace(buffer.name, std::move(entry)).first->second.memory.get();
  }
  if (found->second.bytes != buffer.bytes)
    throw Error("the state " + buffer.name + " has " + std::to_string(found->second.bytes) +
                    " bytes from an earlier binding of the dims, and " + std::to_string(buffer.bytes) +
                    " in this one",
                {}, "a state's shape must not depend on dims that change between runs");
  return found->second.memory.get();
}

void DeviceStore::clear(const Entry& entry) {
  if (entry.bytes == 0) return;
  TENON_CUDA(device_->api(), cuMemsetD8Async, entry.memory.get(), 0, entry.bytes, stream_.get());
  TENON_CUDA(device_->api(), cuStreamSynchronize, stream_.get());
}

void DeviceStore::write_state(const Buffer& buffer, llvm::ArrayRef<char> bytes) {
  assert(static_cast<int64_t>(bytes.size()) == buffer.bytes);
  const DevicePointer target = state(buffer);
  const ContextScope scope(device_->context());
  TENON_CUDA(device_->api(), cuMemcpyHtoDAsync_v2, target, bytes.data(), bytes.size(), stream_.get());
  TENON_CUDA(device_->api(), cuStreamSynchronize, stream_.get());
}

std::vector<char> DeviceStore::read_state(const Buffer& buffer) {
  std::vector<char> bytes(buffer.bytes);
  const DevicePointer source = state(buffer);
  const ContextScope scope(device_->context());
  TENON_CUDA(device_->api(), cuMemcpyDtoHAsync_v2, bytes.data(), source, bytes.size(), stream_.get());
  TENON_CUDA(device_->api(), cuStreamSynchronize, stream_.get());
  return bytes;
}

void DeviceStore::reset_states() {
  const ContextScope scope(device_->context());
  for (const auto& [name, entry] : states_) clear(entry);
}

}  // namespace tenon::cuda
