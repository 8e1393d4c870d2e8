// evaluate_quantised.cpp: what `dequantise` means: small integers times the scale of their group.
#include "ir/evaluate_ops.h"

namespace tenon::evaluation {

HostTensor dequantise(const Node& node, Operands operands) {
  const HostTensor &values = *operands[0], &scales = *operands[1];
  const bool packed = values.type.dtype == DType::kU8;
  const int64_t group = node.attributes.integer("group");
  HostTensor result = HostTensor::zeros(node.type());
  for (int64_t i = 0; i < result.type.elements(); ++i) {
    int64_t value = packed ? values.integers[i / 2] >> (i % 2 * 4) & 15 : values.integers[i];
    if (packed && value > 7) value -= 16;
    result.reals[i] = static_cast<double>(value) * scales.reals[i / group];
  }
  return result;
}

}  // namespace tenon::evaluation
