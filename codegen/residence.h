// residence.h: what of a plan a device must hold: the buffers that a run touches, and the weights among them.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "codegen/plan.h"

namespace tenon {

/// By buffer: whether a step, an output or a state's update reads or writes it. Others need no place on a device: inputs
/// that the model ignores, weights that are only packed.
std::vector<bool> used_buffers(const Plan& plan);

/// Bytes of a plan's weights, each value counted once.
struct WeightMemory {
  int64_t held = 0;    ///< of weights that a run reads, as they are or packed
  int64_t packed = 0;  ///< of them, those packed at load
  /// Of weights that only packing reads, which no device holds: by name without repetitions ("layer.attn_w").
  std::map<std::string, int64_t> dropped;
  int64_t dropped_bytes() const;
};
WeightMemory weight_memory(const Plan& plan);

}  // namespace tenon
