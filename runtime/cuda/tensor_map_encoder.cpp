// tensor_map_encoder.cpp: see tensor_map_encoder.h.
#include "runtime/cuda/tensor_map_encoder.h"

namespace tenon::cuda {

EncodedTensorMap encode(const DriverApi& api, const TensorTiling& map) {
  if (const std::string fault = fault_in(map); !fault.empty())
    throw machine_error("a tensor map that no driver takes: " + fault);
  EncodedTensorMap encoded;
  TENON_CUDA(api, cuTensorMapEncodeTiled, encoded.bytes, static_cast<int>(map.element),
             static_cast<unsigned>(map.rank), reinterpret_cast<void*>(map.base), map.dims, map.strides,
             map.box, map.element_strides, static_cast<int>(map.interleave), static_cast<int>(map.swizzle),
             static_cast<int>(map.promotion), static_cast<int>(map.fill));
  return encoded;
}

}  // namespace tenon::cuda
