// Uploading weights once and keeping states.
#include "runtime/cuda/device_store.h"

#include <cassert>

#include "ir/evaluate.h"
#include "ir/print.h"
#include "runtime/cpu/cpu_device.h"

namespace tenon::cuda {
namespace {

// Equal keys pack equal bytes: the expression, and the weights that it reads.
std::string key_of(const Plan& plan, const Packing& packing) {
  std::string key = print(*packing.graph);
  for (const int input : packing.inputs) key += "\n" + plan.buffers[input].name;
  return key;
}

// A table of rope's inverse frequencies is computed instead of read.
Tensor frequencies(const Node& table) { return Tensor::of(table.type(), rope_table(table)); }

}  // namespace

DeviceStore::DeviceStore(std::shared_ptr<GpuContext> gpu, TensorMap weights, const TensorMap& states)
    : gpu_(std::move(gpu)), host_weights_(std::move(weights)) {
  const ContextScope scope(gpu_->context());
  stream_ = gpu_->context().make_stream();
  for (const auto& [name, tensor] : states) {
    State state{tensor.type(), upload(tensor, "the state " + name, false)};
    state.place = state.memory.get();
    states_.emplace(name, std::move(state));
  }
}

void DeviceStore::copy_in(DevicePointer target, const Tensor& tensor) {
  if (tensor.bytes() == 0) return;
  TENON_CUDA(gpu_->api(), cuMemcpyHtoDAsync_v2, target, tensor.data(), tensor.bytes(), stream_.get());
  TENON_CUDA(gpu_->api(), cuStreamSynchronize, stream_.get());
}

OwnedMemory DeviceStore::upload(const Tensor& tensor, const std::string& purpose, bool read_only) {
  const ContextScope scope(gpu_->context());
  OwnedMemory memory = gpu_->context().allocate(tensor.bytes(), purpose, read_only);
  bytes_ += tensor.bytes();
  copy_in(memory.get(), tensor);
  return memory;
}

void DeviceStore::adopt(const std::string& name, DevicePointer pointer) {
  require_alignment(name, pointer);
  adopted_[name] = pointer;
  const auto state = states_.find(name);
  if (state == states_.end()) return;
  if (state->second.memory) bytes_ -= state->second.type.bytes();
  state->second.memory.reset();
  state->second.place = pointer;
}

Tensor DeviceStore::host_weight(const Buffer& buffer) {
  const auto found = host_weights_.find(buffer.name);
  if (found != host_weights_.end()) return found->second;
  assert(buffer.node && buffer.node->op() == Op::kRopeTable && "hold() was given all weights");
  return host_weights_[buffer.name] = frequencies(*buffer.node);
}

DevicePointer DeviceStore::weight(const Buffer& buffer) {
  if (const auto own = adopted_.find(buffer.name); own != adopted_.end()) return own->second;
  const Tensor tensor = host_weight(buffer);
  const std::pair storage{tensor.data(), tensor.bytes()};
  auto found = weights_.find(storage);
  if (found == weights_.end())
    found = weights_.emplace(storage, upload(tensor, "the weight " + buffer.name, true)).first;
  return found->second.get();
}

DevicePointer DeviceStore::packed(const Plan& plan, const Packing& packing) {
  const std::string key = key_of(plan, packing);
  if (const auto found = packed_.find(key); found != packed_.end()) return found->second.get();
  const auto source = [&](const Node& parameter) {
    const int buffer = packing.inputs[parameter.attributes.integer("index")];
    return host_weight(plan.buffers[buffer]).reshaped(parameter.type().shape);
  };
  const Tensor value = cpu::evaluate(*packing.graph, source).outputs.front();  // in f32, with threads
  return packed_.emplace(key, upload(value, "a packed weight", true)).first->second.get();
}

DevicePointer DeviceStore::state(const Buffer& buffer) {
  const State& state = states_.at(buffer.name);
  if (state.type.bytes() != buffer.bytes)
    throw Error("the state " + buffer.name + " was made as " + state.type.text() + " and is now wanted as " +
                    buffer.type.text(),
                {}, "a state's shape must not depend on dims that change between runs");
  return state.place;
}

Tensor DeviceStore::state(const std::string& name) const {
  const ContextScope scope(gpu_->context());
  const State& state = states_.at(name);
  Tensor tensor = Tensor::uninitialised(state.type);
  if (tensor.bytes() > 0)
    TENON_CUDA(gpu_->api(), cuMemcpyDtoHAsync_v2, tensor.mutable_data(), state.place, tensor.bytes(),
               stream_.get());
  TENON_CUDA(gpu_->api(), cuStreamSynchronize, stream_.get());
  return tensor;
}

TensorMap DeviceStore::state() const {
  TensorMap result;
  for (const auto& [name, unread] : states_) result.emplace(name, state(name));
  return result;
}

void DeviceStore::set_state(const TensorMap& states) {
  const ContextScope scope(gpu_->context());
  for (const auto& [name, tensor] : states) {
    const State& state = states_.at(name);
    assert(state.type == tensor.type());
    copy_in(state.place, tensor);
  }
}

}  // namespace tenon::cuda
