// rows.cpp: ops that read a whole row: reductions and normalisations. A row is loaded into f32 (or i64) and
// stays in the cache until it is done.
#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <numeric>

#include "ir/infer.h"
#include "runtime/cpu/functions.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/row_functions.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kElements = 16384;  // that a thread takes at once

/// A tensor with some axes brought to the end: `count` rows of `length` elements.
struct Rows {
  Rows(const View& view, llvm::ArrayRef<int64_t> axes) {
    for (int64_t i = 0; i < view.rank(); ++i)
      if (!llvm::is_contained(axes, i)) perm.push_back(i), count *= view.extents[i];
    for (int64_t axis : axes) perm.push_back(axis), length *= view.extents[axis];
  }
  /// Calls body(row) in parallel.
  template <class Body>
  void each(Body body) const {
    int64_t grain = std::max<int64_t>(1, kElements / std::max<int64_t>(1, length));
    parallel_pieces(count, grain, [&](int64_t begin, int64_t end) { body(begin, end); });
  }
  /// A result whose rows lie in this order, as the node's result.
  View restore(Tensor rows, const View& like) const {
    View view = View::of(std::move(rows));
    Extents inverse(perm.size(), 0), extents;
    for (size_t i = 0; i < perm.size(); ++i) inverse[perm[i]] = static_cast<int64_t>(i);
    for (int64_t axis : perm) extents.push_back(like.extents[axis]);
    return view.reshaped(extents).permuted(inverse);
  }
  Extents perm;
  int64_t count = 1, length = 1;
};

template <class T>
bool is_nan(T x) {
  return x != x;
}
template <class T>
bool above(T a, T b) {  // NaN counts as the largest
  return a > b || (is_nan(a) && !is_nan(b));
}
template <class T>
T add(T a, T b) {
  if constexpr (std::is_same_v<T, int64_t>)
    return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b));
  else
    return a + b;
}

int64_t sum_of(const int64_t* x, int64_t n) { return std::accumulate(x, x + n, int64_t{0}, add<int64_t>); }
float sum_of(const float* x, int64_t n) { return row_sum(x, n); }

template <class T>
T product_of(const T* x, int64_t n) {
  T product = 1;
  for (int64_t i = 0; i < n; ++i) {
    if constexpr (std::is_same_v<T, int64_t>)
      product = static_cast<int64_t>(static_cast<uint64_t>(product) * static_cast<uint64_t>(x[i]));
    else
      product *= x[i];
  }
  return product;
}

template <class T>
T extreme_of(const T* x, int64_t n, bool largest) {
  T best = x[0];
  for (int64_t i = 1; i < n && !is_nan(best); ++i)
    if (is_nan(x[i]) || (largest ? x[i] > best : x[i] < best)) best = x[i];
  return best;
}

/// Max and min of nothing.
template <class T>
T bound(DType dtype, bool largest) {
  double infinity = std::numeric_limits<double>::infinity();
  double value = round_to(dtype, largest ? -infinity : infinity);
  if constexpr (std::is_same_v<T, int64_t>)
    return value >= 0x1p63 ? INT64_MAX : static_cast<int64_t>(value);
  else
    return static_cast<float>(value);
}

template <class T>
T reduce_row(Op op, DType dtype, const T* x, int64_t n) {
  switch (op) {
    case Op::kSum: return sum_of(x, n);
    case Op::kMean:
      if constexpr (std::is_same_v<T, int64_t>)
        return n ? sum_of(x, n) / n : 0;
      else
        return sum_of(x, n) / static_cast<float>(n);
    case Op::kProd: return product_of(x, n);
    default: break;
  }
  bool largest = op == Op::kMax;
  return n == 0 ? bound<T>(dtype, largest) : extreme_of(x, n, largest);
}

template <class T>
View reduce(const Node& node, const View& x, llvm::ArrayRef<int64_t> axes) {
  Rows rows(x, axes);
  Walk walk(x.permuted(rows.perm));
  Tensor result = Tensor::uninitialised(node.type());
  std::byte* out = result.mutable_data();
  int64_t size = size_of(result.dtype());
  rows.each([&](int64_t begin, int64_t end) {
    std::vector<T> row(rows.length);
    for (int64_t i = begin; i < end; ++i) {
      walk.load(i * rows.length, rows.length, row.data());
      if (node.op() == Op::kArgmax) {
        auto best = std::max_element(row.begin(), row.end(), [](T a, T b) { return above(b, a); });
        int64_t place = best - row.begin();
        store(&place, 1, DType::kI64, out + i * size);
      } else {
        T value = reduce_row(node.op(), x.dtype(), row.data(), rows.length);
        store(&value, 1, result.dtype(), out + i * size);
      }
    }
  });
  return View::of(std::move(result));
}

/// softmax, log_softmax, cumsum: a row becomes a row.
template <class T>
View along_axis(const Node& node, const View& x, int64_t axis) {
  Rows rows(x, {axis});
  Walk walk(x.permuted(rows.perm));
  Tensor result = Tensor::uninitialised(node.type());
  std::byte* out = result.mutable_data();
  int64_t size = size_of(result.dtype());
  rows.each([&](int64_t begin, int64_t end) {
    std::vector<T> row(rows.length);
    for (int64_t i = begin; i < end; ++i) {
      walk.load(i * rows.length, rows.length, row.data());
      if (node.op() == Op::kCumsum)
        std::partial_sum(row.begin(), row.end(), row.begin(), add<T>);
      else if constexpr (std::is_same_v<T, float>)
        node.op() == Op::kSoftmax ? row_softmax(row.data(), rows.length)
                                  : row_log_softmax(row.data(), rows.length);
      store(row.data(), rows.length, result.dtype(), out + i * rows.length * size);
    }
  });
  return rows.restore(std::move(result), x);
}

template <class T>
std::vector<View> topk(const Node& node, const View& x, int64_t axis) {
  Rows rows(x, {axis});
  Walk walk(x.permuted(rows.perm));
  Tensor values = Tensor::uninitialised(node.type(0)), indices = Tensor::uninitialised(node.type(1));
  int64_t k = node.type(0).shape[axis].extent(), size = size_of(values.dtype());
  std::byte *values_out = values.mutable_data(), *indices_out = indices.mutable_data();
  rows.each([&](int64_t begin, int64_t end) {
    std::vector<T> row(rows.length), best(k);
    std::vector<int64_t> order(rows.length);
    for (int64_t i = begin; i < end; ++i) {
      walk.load(i * rows.length, rows.length, row.data());
      std::iota(order.begin(), order.end(), 0);
      auto first = [&](int64_t a, int64_t b) {
        return above(row[a], row[b]) || (!above(row[b], row[a]) && a < b);
      };
      std::partial_sort(order.begin(), order.begin() + k, order.end(), first);
      for (int64_t j = 0; j < k; ++j) best[j] = row[order[j]];
      store(best.data(), k, values.dtype(), values_out + i * k * size);
      store(order.data(), k, DType::kI64, indices_out + i * k * sizeof(int64_t));
    }
  });
  View like = View::of(values);
  return {rows.restore(values, like), rows.restore(indices, like)};
}

/// A weight or bias with the shape of a row, in f32; `missing` where there is none.
std::vector<float> spread(const View* view, llvm::ArrayRef<int64_t> row, int64_t length, float missing) {
  std::vector<float> full(length, missing);
  if (view) Walk(view->broadcast(row)).load(0, length, full.data());
  return full;
}

/// layernorm, rmsnorm and moments: rows of `axis` and all later axes.
std::vector<View> normalise(const Node& node, Operands operands, int64_t axis) {
  const View& x = operands[0];
  bool rms = node.op() == Op::kRmsnorm || node.attributes.flag("rms");
  float eps = static_cast<float>(node.attributes.number("eps", node.op() == Op::kRmsnorm ? 1e-6 : 1e-5));
  Extents axes;
  for (int64_t i = axis; i < x.rank(); ++i) axes.push_back(i);
  Rows rows(x, axes);
  Walk walk(x);
  llvm::ArrayRef<int64_t> row_extents = llvm::ArrayRef<int64_t>(x.extents).drop_front(axis);
  std::vector<float> weight = spread(optional(node, operands, "weight"), row_extents, rows.length, 1);
  std::vector<float> bias = spread(optional(node, operands, "bias"), row_extents, rows.length, 0);
  std::vector<Tensor> results;
  for (int i = 0; i < node.result_count(); ++i) results.push_back(Tensor::uninitialised(node.type(i)));
  int64_t size = size_of(results[0].dtype());
  rows.each([&](int64_t begin, int64_t end) {
    std::vector<float> row(rows.length);
    for (int64_t i = begin; i < end; ++i) {
      walk.load(i * rows.length, rows.length, row.data());
      Moments moments = row_moments(row.data(), rows.length, eps, rms);
      if (node.op() == Op::kMoments) {
        store(&moments.mean, 1, DType::kF32, results[0].mutable_data() + i * sizeof(float));
        store(&moments.rstd, 1, DType::kF32, results[1].mutable_data() + i * sizeof(float));
      } else {
        row_scale(row.data(), rows.length, moments, weight.data(), bias.data());
        store(row.data(), rows.length, results[0].dtype(),
              results[0].mutable_data() + i * rows.length * size);
      }
    }
  });
  std::vector<View> views;
  for (Tensor& result : results) views.push_back(View::of(std::move(result)));
  return views;
}

}  // namespace

View reduction(const Node& node, Operands operands) {
  const View& x = operands[0];
  Extents axes;
  for (int64_t axis : node.attributes.integers("axes"))
    axes.push_back(normalise_axis(axis, x.rank(), node.location));
  llvm::sort(axes);
  return is_integer(x.dtype()) ? reduce<int64_t>(node, x, axes) : reduce<float>(node, x, axes);
}

std::vector<View> normalisation(const Node& node, Operands operands) {
  const View& x = operands[0];
  bool integral = is_integer(x.dtype());
  int64_t axis = normalise_axis(node.attributes.integer("axis", -1), x.rank(), node.location);
  switch (node.op()) {
    case Op::kTopk: return integral ? topk<int64_t>(node, x, axis) : topk<float>(node, x, axis);
    case Op::kCumsum:
    case Op::kSoftmax:
    case Op::kLogSoftmax:
      return {integral ? along_axis<int64_t>(node, x, axis) : along_axis<float>(node, x, axis)};
    default: return normalise(node, operands, axis);
  }
}

}  // namespace tenon::cpu
