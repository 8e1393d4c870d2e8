// quantise.cpp: symmetric quantisation by groups along the last axis.
#include "runtime/quantise.h"

#include <atomic>
#include <cmath>
#include <vector>

#include "ir/diagnostics.h"
#include "runtime/convert.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon {
namespace {

/// Quantises one group: returns false where an element is not finite.
bool quantise_group(const float* x, int64_t count, float most, DType scale_type, std::byte* scale,
                    int8_t* out) {
  float largest = 0;
  bool finite = true;
  for (int64_t i = 0; i < count; ++i) {
    finite &= std::isfinite(x[i]);
    largest = std::max(largest, std::fabs(x[i]));
  }
  float step = largest / most;
  from_f32(&step, 1, scale_type, scale);
  to_f32(scale_type, scale, 1, &step);
  for (int64_t i = 0; i < count; ++i)
    out[i] = step > 0 && finite
                 ? static_cast<int8_t>(std::min(most, std::max(-most, std::nearbyint(x[i] / step))))
                 : 0;
  return finite && std::isfinite(step);
}

}  // namespace

const Node* dequantise_of(const Node& weight) {
  for (const Node* user : weight.result()->users())
    if (user->op() == Op::kDequantise) return user;
  return nullptr;
}

QuantisedTensors quantise(const Node& dequantise, const Tensor& floats) {
  QuantisedTensors result{Tensor::uninitialised(dequantise.operand(0)->type()),
                          Tensor::uninitialised(dequantise.operand(1)->type())};
  const bool packed = result.values.dtype() == DType::kU8;
  const DType scale_type = result.scales.dtype();
  const int64_t group = dequantise.attributes.integer("group"),
                length = dequantise.type().shape.back().extent();
  const int64_t lines = length > 0 ? floats.elements() / length : 0, groups = length / group;
  const int64_t float_size = size_of(floats.dtype()), scale_size = size_of(scale_type);
  std::byte *values = result.values.mutable_data(), *scales = result.scales.mutable_data();
  std::atomic<bool> finite{true};
  cpu::parallel_pieces(lines, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> x(static_cast<size_t>(length));
    std::vector<int8_t> integers(static_cast<size_t>(length));
    for (int64_t line = begin; line < end; ++line) {
      to_f32(floats.dtype(), floats.data() + line * length * float_size, length, x.data());
      for (int64_t g = 0; g < groups; ++g)
        if (!quantise_group(x.data() + g * group, group, packed ? 7 : 127, scale_type,
                            scales + (line * groups + g) * scale_size, integers.data() + g * group))
          finite = false;
      for (int64_t i = 0; i < length && !packed; ++i)
        values[line * length + i] = static_cast<std::byte>(integers[i]);
      for (int64_t i = 0; i < length / 2 && packed; ++i)
        values[line * (length / 2) + i] =
            static_cast<std::byte>((integers[2 * i] & 15) | (integers[2 * i + 1] & 15) << 4);
    }
  });
  if (!finite) throw Error("it holds values that are not finite, so it cannot be quantised");
  return result;
}

void check_scales(const Node& weight, const Tensor& scales) {
  const Node* dequantise = dequantise_of(weight);
  if (!dequantise || dequantise->operand(1) != weight.result()) return;
  std::vector<float> values(static_cast<size_t>(scales.elements()));
  to_f32(scales.dtype(), scales.data(), scales.elements(), values.data());
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      throw Error("'" + weight.attributes.string("name").str() + "': scale " + std::to_string(i) +
                  " is not finite");
}

}  // namespace tenon
