// residence.cpp: buffers by who reads them.
#include "codegen/residence.h"

#include "passes/sites.h"

namespace tenon {

std::vector<bool> used_buffers(const Plan& plan) {
  std::vector<bool> used(plan.buffers.size(), false);
  const auto use = [&](const BufferRef& place) {
    if (place.buffer >= 0) used[place.buffer] = true;
  };
  for (const Step& step : plan.steps) {
    for (const BufferRef& place : step.arguments) use(place);
    use(step.workspace);
    use(step.counters);
  }
  for (const auto& [state, from] : plan.state_copies) {
    used[state] = true;
    use(from);
  }
  for (const auto& [name, from] : plan.outputs) use(from);
  return used;
}

WeightMemory weight_memory(const Plan& plan) {
  const std::vector<bool> used = used_buffers(plan);
  std::vector<bool> packed_from(plan.buffers.size(), false);
  for (const Packing& packing : plan.packings)
    if (used[packing.output])
      for (const int input : packing.inputs) packed_from[input] = true;
  WeightMemory memory;
  for (size_t i = 0; i < plan.buffers.size(); ++i) {
    const Buffer& buffer = plan.buffers[i];
    if (buffer.kind != Buffer::kWeight && buffer.kind != Buffer::kPacked) continue;
    if (used[i])
      memory.held += buffer.bytes;
    else if (packed_from[i])
      memory.dropped[without_repetitions(buffer.name)] += buffer.bytes;
    if (used[i] && buffer.kind == Buffer::kPacked) memory.packed += buffer.bytes;
  }
  return memory;
}

int64_t WeightMemory::dropped_bytes() const {
  int64_t bytes = 0;
  for (const auto& [name, original] : dropped) bytes += original;
  return bytes;
}

}  // namespace tenon
