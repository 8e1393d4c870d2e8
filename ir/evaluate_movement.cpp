// evaluate_movement.cpp: what the movement ops mean: copies between strided views.
#include <algorithm>
#include <cassert>
#include <string>

#include "ir/check_values.h"
#include "ir/evaluate_ops.h"
#include "ir/infer.h"

namespace tenon::evaluation {
namespace {

template <class T>
struct Movement {
  const Node& node;
  Operands operands;
  HostTensor result;
  Extents extents = extents_of(result.type.shape);
  Extents strides = row_major_strides(result.type.shape);

  const HostTensor& x() const { return *operands[0]; }
  const T* data() const { return elements<T>(x()).data(); }
  T* out() { return elements<T>(result).data(); }
  int64_t axis() const {
    return normalise_axis(node.attributes.integer("axis"), x().type.rank(), node.location);
  }
  /// Result element [i, j, ..] is x[start + from_strides . (i, j, ..)].
  void read(const Extents& from_strides, int64_t start = 0) {
    copy_strided(extents, out(), strides, data() + start, from_strides);
  }

  void transpose();
  void slice();
  void concat();
  void pad();
  void gather();
  void scatter();
};

template <class T>
void Movement<T>::transpose() {
  Extents from = row_major_strides(x().type.shape), permuted;
  for (int64_t axis : node.attributes.integers("perm"))
    permuted.push_back(from[normalise_axis(axis, x().type.rank(), node.location)]);
  read(permuted);
}

template <class T>
void Movement<T>::slice() {
  Extents from = row_major_strides(x().type.shape);
  int64_t start = node.attributes.integer("start") * from[axis()];
  from[axis()] *= node.attributes.integer("step", 1);
  if (result.type.elements() > 0) read(from, start);
}

template <class T>
void Movement<T>::concat() {
  int64_t at = axis(), done = 0;
  for (const HostTensor* part : operands) {
    copy_strided(extents_of(part->type.shape), out() + done * strides[at], strides, elements<T>(*part).data(),
                 row_major_strides(part->type.shape));
    done += part->type.shape[at].extent();
  }
}

template <class T>
void Movement<T>::pad() {
  T fill;
  if constexpr (std::is_same_v<T, int64_t>)
    fill = to_integer(result.type.dtype, node.attributes.number("value"));
  else
    fill = node.attributes.number("value");
  std::fill(elements<T>(result).begin(), elements<T>(result).end(), fill);
  Extents before = node.attributes.integers("before");
  int64_t start = 0;
  for (size_t i = 0; i < before.size(); ++i) start += before[i] * strides[i];
  if (x().type.elements() > 0)
    copy_strided(extents_of(x().type.shape), out() + start, strides, data(),
                 row_major_strides(x().type.shape));
}

/// A tensor as [outer, axis, inner].
struct Split {
  Split(const Shape& shape, int64_t axis) : extent(shape[axis].extent()) {
    for (int64_t i = 0; i < static_cast<int64_t>(shape.size()); ++i)
      if (i != axis) (i < axis ? outer : inner) *= shape[i].extent();
  }
  int64_t outer = 1, inner = 1, extent;
};

template <class T>
void Movement<T>::gather() {
  Split from(x().type.shape, axis());
  const std::vector<int64_t>& index = operands[1]->integers;
  T* to = out();
  for (int64_t i = 0; i < from.outer; ++i)
    for (int64_t wanted : index) {
      const T* row = data() + (i * from.extent + checked_index(node, wanted, from.extent)) * from.inner;
      to = std::copy(row, row + from.inner, to);
    }
}

template <class T>
void Movement<T>::scatter() {
  Split into(x().type.shape, axis());
  const std::vector<int64_t>& index = operands[1]->integers;
  elements<T>(result) = elements<T>(x());
  const T* update = elements<T>(*operands[2]).data();
  for (int64_t i = 0; i < into.outer; ++i)
    for (int64_t wanted : index) {
      T* row = out() + (i * into.extent + checked_index(node, wanted, into.extent)) * into.inner;
      std::copy(update, update + into.inner, row);
      update += into.inner;
    }
}

template <class T>
HostTensor moved(const Node& node, Operands operands) {
  Movement<T> work{node, operands, HostTensor::zeros(node.type())};
  switch (node.op()) {
    case Op::kReshape: elements<T>(work.result) = elements<T>(work.x()); break;
    case Op::kExpand: work.read(broadcast_strides(work.x().type.shape, work.extents.size())); break;
    case Op::kTranspose: work.transpose(); break;
    case Op::kSlice: work.slice(); break;
    case Op::kConcat: work.concat(); break;
    case Op::kPad: work.pad(); break;
    case Op::kGather: work.gather(); break;
    case Op::kScatter: work.scatter(); break;
    default: assert(false && "a movement without a meaning");
  }
  return std::move(work.result);
}

}  // namespace

HostTensor movement(const Node& node, Operands operands) {
  return operands[0]->integral() ? moved<int64_t>(node, operands) : moved<double>(node, operands);
}

}  // namespace tenon::evaluation
