// quantised.cpp: weights kept as small integers: widened a line at a time where a product or a gather reads them.
#include "runtime/convert.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/simd.h"

namespace tenon::cpu {
namespace {

TENON_SIMD void widen_bytes(const std::byte* in, int64_t count, float scale, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<int8_t>(in[i])) * scale;
}

TENON_SIMD void widen_pairs(const std::byte* in, int64_t pairs, float scale, float* out) {
  for (int64_t i = 0; i < pairs; ++i) {
    const int low = std::to_integer<int>(in[i]) & 15, high = std::to_integer<int>(in[i]) >> 4;
    out[2 * i] = static_cast<float>((low ^ 8) - 8) * scale;
    out[2 * i + 1] = static_cast<float>((high ^ 8) - 8) * scale;
  }
}

float widen_one(const std::byte* line, int64_t at, float scale) {
  const int integer = std::to_integer<int>(line[at / 2]) >> (at % 2 * 4) & 15;
  return static_cast<float>((integer ^ 8) - 8) * scale;
}

/// Lines `line_of(i)` of quantised weights, side by side in their declared type.
template <class LineOf>
View widened_lines(const View& weights, const Type& type, const LineOf& line_of) {
  const int64_t length = weights.extents.back(), size = size_of(type.dtype);
  Tensor result = Tensor::uninitialised(type);
  std::byte* out = result.mutable_data();
  parallel_pieces(length > 0 ? result.elements() / length : 0, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> floats(static_cast<size_t>(length));
    for (int64_t i = begin; i < end; ++i) {
      dequantise_line(weights, line_of(i), 0, length, floats.data());
      from_f32(floats.data(), length, type.dtype, out + i * length * size);
    }
  });
  return View::of(std::move(result));
}

}  // namespace

View quantised(const Node& node, Operands operands) {
  View view = View::of(operands[0].tensor(node.operand(0)->type()));
  view.extents = extents_of(node.type().shape);
  view.strides = dense_strides(view.extents);
  view.scales = operands[1].tensor(node.operand(1)->type());
  view.group = node.attributes.integer("group");
  return view;
}

void dequantise_line(const View& weights, int64_t line, int64_t position, int64_t count, float* out) {
  const bool packed = weights.dtype() == DType::kU8;
  const int64_t length = weights.extents.back(), group = weights.group, end = position + count;
  const std::byte* integers = weights.storage.data() + line * length / (packed ? 2 : 1);
  const DType scale_type = weights.scales.dtype();
  const std::byte* scales = weights.scales.data() + line * (length / group) * size_of(scale_type);
  for (int64_t at = position; at < end;) {
    const int64_t next = std::min(end, (at / group + 1) * group), run = next - at;
    float scale;
    to_f32(scale_type, scales + at / group * size_of(scale_type), 1, &scale);
    if (!packed)
      widen_bytes(integers + at, run, scale, out);
    else if (at % 2 == 0 && run % 2 == 0)
      widen_pairs(integers + at / 2, run / 2, scale, out);
    else
      for (int64_t i = 0; i < run; ++i) out[i] = widen_one(integers, at + i, scale);
    out += run;
    at = next;
  }
}

View widened(const View& weights) {
  Type type{weights.scales.dtype(), {}};
  for (int64_t extent : weights.extents) type.shape.push_back(extent);
  return widened_lines(weights, type, [](int64_t line) { return line; });
}

View gathered_lines(const Node& node, const View& weights, llvm::ArrayRef<int64_t> lines) {
  return widened_lines(weights, node.type(), [&](int64_t i) { return lines[i]; });
}

}  // namespace tenon::cpu
