// tensor_map_encoder.h: a tensor map as a driver's kernels want it.
#pragma once
#include <cstddef>

#include "runtime/cuda/driver_api.h"
#include "runtime/tensor_map.h"

namespace tenon::cuda {

/// CUtensorMap (64-byte aligned before CUDA 13): a kernel takes it as a `const __grid_constant__` parameter.
struct alignas(128) EncodedTensorMap {
  std::byte bytes[128];
};

/// By cuTensorMapEncodeTiled of the card's driver or the emulator's. Throws tenon::Error, with what fault_in() says of a map
/// that no driver takes.
EncodedTensorMap encode(const DriverApi& api, const TensorTiling& map);

}  // namespace tenon::cuda
