// evaluate_rows.cpp: what the ops mean that read a whole row: reductions and normalisations.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "ir/evaluate_ops.h"
#include "ir/infer.h"

namespace tenon::evaluation {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A tensor with some axes brought to the end: `count` rows of `length` elements.
struct Rows {
  Rows(const Shape& shape, const Extents& axes) {
    Extents own = row_major_strides(shape);
    auto take = [&](size_t axis) {
      extents.push_back(shape[axis].extent());
      strides.push_back(own[axis]);
    };
    for (size_t i = 0; i < shape.size(); ++i)
      if (!llvm::is_contained(axes, static_cast<int64_t>(i))) take(i), count *= shape[i].extent();
    for (int64_t axis : axes) take(axis), length *= shape[axis].extent();
    dense.assign(extents.size(), 1);
    for (size_t i = extents.size(); i-- > 1;) dense[i - 1] = dense[i] * std::max<int64_t>(extents[i], 1);
  }
  template <class T>
  std::vector<T> read(const std::vector<T>& from) const {
    std::vector<T> rows(from.size());
    copy_strided(extents, rows.data(), dense, from.data(), strides);
    return rows;
  }
  template <class T>
  void write(const std::vector<T>& rows, std::vector<T>& to) const {
    copy_strided(extents, to.data(), strides, rows.data(), dense);
  }
  Extents extents, strides, dense;
  int64_t count = 1, length = 1;
};

template <class T>
bool is_nan(T x) {
  return x != x;
}
template <class T>
bool above(T a, T b) {  // NaN counts as the largest, as in NumPy and PyTorch
  return a > b || (is_nan(a) && !is_nan(b));
}

template <class T>
T mean_of(const T* x, int64_t n) {
  T sum = 0;
  for (int64_t i = 0; i < n; ++i) sum = add(sum, x[i]);
  if constexpr (std::is_same_v<T, int64_t>)
    return n ? sum / n : 0;
  else
    return sum / static_cast<double>(n);
}

template <class T>
T fold(Op op, const T* x, int64_t n, T of_nothing) {
  T result = n > 0 && op != Op::kSum && op != Op::kProd ? x[0] : of_nothing;
  for (int64_t i = 0; i < n; ++i) switch (op) {
      case Op::kSum: result = add(result, x[i]); break;
      case Op::kProd: result = mul(result, x[i]); break;
      case Op::kMax:
        if (above(x[i], result)) result = x[i];
        break;
      default:
        if (x[i] < result || is_nan(x[i])) result = x[i];
        if (is_nan(result)) return result;
    }
  return result;
}

template <class T>
T of_nothing(Op op, DType dtype) {
  double value = op == Op::kProd ? 1 : op == Op::kMax ? -kInfinity : op == Op::kMin ? kInfinity : 0;
  if constexpr (std::is_same_v<T, int64_t>)
    return to_integer(dtype, value);
  else
    return value;
}

template <class T>
HostTensor reduce(const Node& node, const HostTensor& x) {
  HostTensor result = HostTensor::zeros(node.type());
  Extents axes;
  for (int64_t axis : node.attributes.integers("axes"))
    axes.push_back(normalise_axis(axis, x.type.rank(), node.location));
  llvm::sort(axes);
  Rows rows(x.type.shape, axes);
  std::vector<T> values = rows.read(elements<T>(x));
  for (int64_t i = 0; i < rows.count; ++i) {
    const T* row = values.data() + i * rows.length;
    if (node.op() == Op::kArgmax)
      result.integers[i] =
          std::max_element(row, row + rows.length, [](T a, T b) { return above(b, a); }) - row;
    else
      elements<T>(result)[i] =
          node.op() == Op::kMean ? mean_of(row, rows.length)
                                 : fold(node.op(), row, rows.length, of_nothing<T>(node.op(), x.type.dtype));
  }
  wrap(result);
  return result;
}

void softmax_row(Op op, double* x, int64_t n) {
  double largest = fold(Op::kMax, x, n, -kInfinity), sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += std::exp(x[i] - largest);
  for (int64_t i = 0; i < n; ++i)
    x[i] = op == Op::kSoftmax ? std::exp(x[i] - largest) / sum : x[i] - largest - std::log(sum);
}

template <class T>
HostTensor along_axis(const Node& node, const HostTensor& x, int64_t axis) {
  HostTensor result = HostTensor::zeros(node.type());
  Rows rows(x.type.shape, {axis});
  std::vector<T> values = rows.read(elements<T>(x));
  for (int64_t i = 0; i < rows.count; ++i) {
    T* row = values.data() + i * rows.length;
    if (node.op() == Op::kCumsum)
      std::partial_sum(row, row + rows.length, row, add<T>);
    else if constexpr (std::is_same_v<T, double>)
      softmax_row(node.op(), row, rows.length);
  }
  rows.write(values, elements<T>(result));
  wrap(result);
  return result;
}

template <class T>
std::vector<HostTensor> topk(const Node& node, const HostTensor& x, int64_t axis) {
  std::vector<HostTensor> results = {HostTensor::zeros(node.type(0)), HostTensor::zeros(node.type(1))};
  Rows from(x.type.shape, {axis}), to(node.type().shape, {axis});
  std::vector<T> values = from.read(elements<T>(x)), best(to.count * to.length);
  std::vector<int64_t> places(best.size()), order(from.length);
  for (int64_t i = 0; i < from.count; ++i) {
    const T* row = values.data() + i * from.length;
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return above(row[a], row[b]); });
    for (int64_t j = 0; j < to.length; ++j) {
      places[i * to.length + j] = order[j];
      best[i * to.length + j] = row[order[j]];
    }
  }
  to.write(best, elements<T>(results[0]));
  to.write(places, results[1].integers);
  return results;
}

struct Moments {
  double mean, rstd;
};
Moments moments_of(const double* x, int64_t n, double eps, bool rms) {
  double mean = rms ? 0 : mean_of(x, n), squares = 0;
  for (int64_t i = 0; i < n; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, 1 / std::sqrt(squares / static_cast<double>(n) + eps)};
}

/// A weight or bias with the shape of a row.
std::vector<double> spread(const HostTensor& tensor, llvm::ArrayRef<Dim> row) {
  std::vector<double> full(element_count(row));
  copy_strided(extents_of(row), full.data(), row_major_strides(row), tensor.reals.data(),
               broadcast_strides(tensor.type.shape, row.size()));
  return full;
}

/// layernorm, rmsnorm and moments: rows of `axis` and all later axes, which lie together.
std::vector<HostTensor> normalise(const Node& node, Operands operands, int64_t axis) {
  const HostTensor& x = *operands[0];
  bool rms = node.op() == Op::kRmsnorm || node.attributes.flag("rms");
  double eps = node.attributes.number("eps", node.op() == Op::kRmsnorm ? 1e-6 : 1e-5);
  llvm::ArrayRef<Dim> row = llvm::ArrayRef<Dim>(x.type.shape).drop_front(axis);
  int64_t length = element_count(row),
          count = element_count(llvm::ArrayRef<Dim>(x.type.shape).take_front(axis));
  std::vector<double> weight(length, 1), bias(length, 0);
  if (node.attributes.flag("weight")) weight = spread(*operands[1], row);
  if (node.attributes.flag("bias")) bias = spread(*operands.back(), row);
  std::vector<HostTensor> results;
  for (int i = 0; i < node.result_count(); ++i) results.push_back(HostTensor::zeros(node.type(i)));
  for (int64_t i = 0; i < count; ++i) {
    const double* from = x.reals.data() + i * length;
    Moments row_moments = moments_of(from, length, eps, rms);
    if (node.op() == Op::kMoments) {
      results[0].reals[i] = row_moments.mean;
      results[1].reals[i] = row_moments.rstd;
    } else {
      for (int64_t j = 0; j < length; ++j)
        results[0].reals[i * length + j] =
            (from[j] - row_moments.mean) * row_moments.rstd * weight[j] + bias[j];
    }
  }
  return results;
}

}  // namespace

HostTensor reduction(const Node& node, Operands operands) {
  return operands[0]->integral() ? reduce<int64_t>(node, *operands[0]) : reduce<double>(node, *operands[0]);
}

std::vector<HostTensor> normalisation(const Node& node, Operands operands) {
  const HostTensor& x = *operands[0];
  int64_t axis = normalise_axis(node.attributes.integer("axis", -1), x.type.rank(), node.location);
  switch (node.op()) {
    case Op::kTopk: return x.integral() ? topk<int64_t>(node, x, axis) : topk<double>(node, x, axis);
    case Op::kCumsum:
    case Op::kSoftmax:
    case Op::kLogSoftmax:
      return {x.integral() ? along_axis<int64_t>(node, x, axis) : along_axis<double>(node, x, axis)};
    case Op::kLayernorm:
    case Op::kRmsnorm:
    case Op::kMoments: return normalise(node, operands, axis);
    default: assert(false && "a normalisation without a meaning"); return {};
  }
}

}  // namespace tenon::evaluation
