// movement.cpp: ops that only move elements. Reshape, transpose, slice and expand are views; the others copy.
#include <cassert>

#include "ir/check_values.h"
#include "ir/infer.h"
#include "runtime/convert.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon::cpu {
namespace {

View sliced(const Node& node, View x) {
  int64_t axis = normalise_axis(node.attributes.integer("axis"), x.rank(), node.location);
  x.offset += node.attributes.integer("start") * x.strides[axis];
  x.strides[axis] *= node.attributes.integer("step", 1);
  x.extents[axis] = node.type().shape[axis].extent();
  if (x.elements() == 0) x.offset = 0;
  return x;
}

View permuted(const Node& node, const View& x) {
  Extents perm;
  for (int64_t axis : node.attributes.integers("perm"))
    perm.push_back(normalise_axis(axis, x.rank(), node.location));
  return x.permuted(perm);
}

View concatenated(const Node& node, Operands operands) {
  View result = View::of(Tensor::uninitialised(node.type()));
  int64_t axis = normalise_axis(node.attributes.integer("axis"), result.rank(), node.location), done = 0;
  for (const View& part : operands) {
    copy_to(part, result.storage.mutable_data() + done * result.strides[axis] * size_of(result.dtype()),
            result.strides);
    done += part.extents[axis];
  }
  return result;
}

/// Every element `value`.
void fill(Tensor& tensor, double value) {
  std::byte* data = tensor.mutable_data();
  Tensor one = Tensor::of({tensor.dtype(), {}}, {value});
  int64_t size = size_of(tensor.dtype());
  for (int64_t i = 0; i < tensor.elements(); ++i) std::memcpy(data + i * size, one.data(), size);
}

View padded(const Node& node, const View& x) {
  Tensor tensor = Tensor::uninitialised(node.type());
  fill(tensor, node.attributes.number("value"));
  View result = View::of(std::move(tensor));
  Extents before = node.attributes.integers("before");
  int64_t start = 0;
  for (size_t i = 0; i < before.size(); ++i) start += before[i] * result.strides[i];
  copy_to(x, result.storage.mutable_data() + start * size_of(result.dtype()), result.strides);
  return result;
}

/// A dense tensor as [outer, axis, inner] in bytes.
struct Slices {
  Slices(const View& x, int64_t axis) : extent(x.extents[axis]), inner(size_of(x.dtype())) {
    for (int64_t i = 0; i < x.rank(); ++i)
      if (i != axis) (i < axis ? outer : inner) *= x.extents[i];
  }
  int64_t outer = 1, extent, inner;
};

/// Indices counted from the end where negative; all are checked before anything is read or written.
std::vector<int64_t> checked_indices(const Node& node, const View& index, int64_t extent) {
  std::vector<int64_t> indices = integers_of(index);
  for (int64_t& i : indices) i = checked_index(node, i, extent);
  return indices;
}

View gathered(const Node& node, Operands operands) {
  View x = operands[0].made_dense();
  Slices from(x, normalise_axis(node.attributes.integer("axis"), x.rank(), node.location));
  std::vector<int64_t> indices = checked_indices(node, operands[1], from.extent);
  if (x.group > 0) return gathered_lines(node, x, indices);
  Tensor result = Tensor::uninitialised(node.type());
  std::byte* out = result.mutable_data();
  auto count = static_cast<int64_t>(indices.size());
  int64_t grain = std::max<int64_t>(1, 65536 / std::max<int64_t>(1, from.inner));
  parallel_pieces(from.outer * count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(out + i * from.inner,
                  x.data() + (i / count * from.extent + indices[i % count]) * from.inner, from.inner);
  });
  return View::of(std::move(result));
}

View scattered(const Node& node, Operands operands) {
  View updates = operands[2].made_dense();
  Tensor result = operands[0].tensor(node.type()).copy();
  Slices into(View::of(result),
              normalise_axis(node.attributes.integer("axis"), operands[0].rank(), node.location));
  std::vector<int64_t> indices = checked_indices(node, operands[1], into.extent);
  const std::byte* update = updates.data();
  for (int64_t i = 0; i < into.outer; ++i)
    for (int64_t index : indices) {
      std::memcpy(result.mutable_data() + (i * into.extent + index) * into.inner, update, into.inner);
      update += into.inner;
    }
  return View::of(std::move(result));
}

}  // namespace

std::vector<int64_t> integers_of(const View& view) {
  std::vector<int64_t> values(view.elements());
  Walk(view).load(0, view.elements(), values.data());
  return values;
}

View movement(const Node& node, Operands operands) {
  const View& x = operands[0];
  switch (node.op()) {
    case Op::kReshape: return x.reshaped(extents_of(node.type().shape));
    case Op::kTranspose: return permuted(node, x);
    case Op::kSlice: return sliced(node, x);
    case Op::kExpand: return x.broadcast(extents_of(node.type().shape));
    case Op::kConcat: return concatenated(node, operands);
    case Op::kPad: return padded(node, x);
    case Op::kGather: return gathered(node, operands);
    case Op::kScatter: return scattered(node, operands);
    default: assert(false && "a movement without a meaning"); return x;
  }
}

}  // namespace tenon::cpu
