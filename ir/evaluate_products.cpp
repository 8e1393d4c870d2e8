// evaluate_products.cpp: what matmul and attention mean.
#include <algorithm>
#include <cmath>
#include <limits>

#include "ir/evaluate_ops.h"

namespace tenon::evaluation {
namespace {

/// One operand of a product as a batch of matrices: strides of rows and columns, and of the batch axes.
struct Matrices {
  Matrices(const Type& type, bool transposed, bool column) {
    Extents own = row_major_strides(type.shape);
    size_t rank = type.shape.size();
    auto last = [&](size_t i) { return std::pair(type.shape[rank - i].extent(), own[rank - i]); };
    if (rank == 1) {  // a vector: a column on the right, a row on the left
      std::tie(column ? rows : columns, column ? row_stride : column_stride) = last(1);
      return;
    }
    std::tie(rows, row_stride) = last(transposed ? 1 : 2);
    std::tie(columns, column_stride) = last(transposed ? 2 : 1);
    batch = type.shape;
    batch.resize(rank - 2);
    matrix = type.shape[rank - 1].extent() * type.shape[rank - 2].extent();
  }
  /// Strides over the result's batch axes.
  Extents batch_strides(size_t rank) const {
    Extents strides = broadcast_strides(batch, rank);
    for (int64_t& stride : strides) stride *= matrix;
    return strides;
  }
  Shape batch;
  int64_t rows = 1, columns = 1, row_stride = 0, column_stride = 0, matrix = 0;
};

/// c[m, n] += a[m, k] b[k, n], c dense. Blocks of b are packed, so that the inner loop runs along memory and
/// a block stays in the cache; each element still sums over k in ascending order.
template <class T>
void multiply(const T* a, const Matrices& ma, const T* b, const Matrices& mb, T* c) {
  constexpr int64_t kRows = 128, kColumns = 512;
  int64_t m = ma.rows, k = ma.columns, n = mb.columns;
  std::vector<T> packed(std::min(k, kRows) * std::min(n, kColumns));
  for (int64_t j0 = 0; j0 < n; j0 += kColumns)
    for (int64_t k0 = 0; k0 < k; k0 += kRows) {
      int64_t width = std::min(kColumns, n - j0), depth = std::min(kRows, k - k0);
      const T* corner = b + k0 * mb.row_stride + j0 * mb.column_stride;
      if (mb.row_stride < mb.column_stride)  // a transposed operand: along its own memory
        copy_strided({width, depth}, packed.data(), {1, width}, corner, {mb.column_stride, mb.row_stride});
      else
        copy_strided({depth, width}, packed.data(), {width, 1}, corner, {mb.row_stride, mb.column_stride});
      for (int64_t i = 0; i < m; ++i)
        for (int64_t p = 0; p < depth; ++p) {
          T factor = a[i * ma.row_stride + (k0 + p) * ma.column_stride];
          const T* row = packed.data() + p * width;
          T* out = c + i * n + j0;
          for (int64_t j = 0; j < width; ++j) out[j] = add(out[j], mul(factor, row[j]));
        }
    }
}

template <class T>
HostTensor product(const Node& node, const HostTensor& a, const HostTensor& b) {
  HostTensor result = HostTensor::zeros(node.type());
  Matrices ma(a.type, node.attributes.flag("transpose_a"), false);
  Matrices mb(b.type, node.attributes.flag("transpose_b"), true);
  size_t dropped = (a.type.rank() > 1) + (b.type.rank() > 1), rank = result.type.shape.size() - dropped;
  Extents batch = extents_of(llvm::ArrayRef<Dim>(result.type.shape).take_front(rank));
  batch.push_back(1);  // a run is one product
  Extents strides[] = {ma.batch_strides(rank), mb.batch_strides(rank)};
  for (Extents& s : strides) s.push_back(0);
  T* out = elements<T>(result).data();
  for_each_run(batch, strides, [&](const int64_t* at) {
    multiply(elements<T>(a).data() + at[0], ma, elements<T>(b).data() + at[1], mb, out);
    out += ma.rows * mb.columns;
  });
  wrap(result);
  return result;
}

/// One attention node with its operands told apart.
struct Attention {
  Attention(const Node& attention, Operands operands);
  void row(int64_t b, int64_t h, int64_t i);
  double score(int64_t b, int64_t h, int64_t i, int64_t j, int64_t offset) const;

  const Node& node;
  const HostTensor &q, &k, &v;
  const HostTensor *mask = nullptr, *offset = nullptr, *alibi = nullptr, *sinks = nullptr;
  HostTensor result;
  int64_t heads, key_heads, queries, keys, depth, value_depth, window;
  double scale, softcap;
  bool causal;
  Extents mask_strides;
  std::vector<double> scores;
};

Attention::Attention(const Node& attention, Operands operands)
    : node(attention),
      q(*operands[0]),
      k(*operands[1]),
      v(*operands[2]),
      result(HostTensor::zeros(node.type())) {
  size_t at = 3;
  auto take = [&](llvm::StringRef name) { return node.attributes.flag(name) ? operands[at++] : nullptr; };
  mask = take("mask"), offset = take("offset"), alibi = take("alibi"), sinks = take("sinks");
  heads = q.type.shape[1].extent(), key_heads = k.type.shape[1].extent();
  queries = q.type.shape[2].extent(), keys = k.type.shape[2].extent();
  depth = q.type.shape[3].extent(), value_depth = v.type.shape[3].extent();
  scale = node.attributes.number("scale", 1 / std::sqrt(static_cast<double>(depth)));
  softcap = node.attributes.number("softcap");
  window = node.attributes.integer("window");
  causal = node.attributes.flag("causal");
  if (mask) mask_strides = broadcast_strides(mask->type.shape, 4);
  scores.resize(keys);
}

/// What the softmax sees; -inf where query i does not see key j.
double Attention::score(int64_t b, int64_t h, int64_t i, int64_t j, int64_t shift) const {
  constexpr double kUnseen = -std::numeric_limits<double>::infinity();
  if (window > 0 && j <= i + shift - window) return kUnseen;
  double extra = 0;
  if (mask) {
    extra =
        mask->reals[b * mask_strides[0] + h * mask_strides[1] + i * mask_strides[2] + j * mask_strides[3]];
    if (mask->type.dtype == DType::kBool) {
      if (extra == 0) return kUnseen;
      extra = 0;
    }
  }
  const double* query = q.reals.data() + ((b * heads + h) * queries + i) * depth;
  const double* key = k.reals.data() + ((b * key_heads + h / (heads / key_heads)) * keys + j) * depth;
  double value = 0;
  for (int64_t d = 0; d < depth; ++d) value += query[d] * key[d];
  value *= scale;
  if (softcap > 0) value = softcap * std::tanh(value / softcap);
  if (alibi) value += alibi->reals[h] * static_cast<double>(j - i - shift);
  return value + extra;
}

void Attention::row(int64_t b, int64_t h, int64_t i) {
  int64_t shift = offset ? offset->integers[offset->type.rank() ? b : 0] : 0;
  int64_t end = causal ? std::clamp<int64_t>(i + shift + 1, 0, keys) : keys;
  double largest = -std::numeric_limits<double>::infinity();
  for (int64_t j = 0; j < end; ++j) {
    scores[j] = score(b, h, i, j, shift);
    if (scores[j] > largest || std::isnan(scores[j])) largest = scores[j];
    if (std::isnan(largest)) break;
  }
  double* out = result.reals.data() + ((b * heads + h) * queries + i) * value_depth;
  if (std::isnan(largest)) {
    std::fill(out, out + value_depth, largest);
    return;
  }
  if (std::isinf(largest) && largest < 0) return;  // sees no key: 0
  if (sinks) largest = std::max(largest, sinks->reals[h]);
  double sum = sinks ? std::exp(sinks->reals[h] - largest) : 0;
  const double* value = v.reals.data() + (b * key_heads + h / (heads / key_heads)) * keys * value_depth;
  for (int64_t j = 0; j < end; ++j) {
    if (std::isinf(scores[j]) && scores[j] < 0) continue;  // not seen: its value may be anything
    double weight = std::exp(scores[j] - largest);
    sum += weight;
    for (int64_t d = 0; d < value_depth; ++d) out[d] += weight * value[j * value_depth + d];
  }
  for (int64_t d = 0; d < value_depth; ++d) out[d] /= sum;
}

}  // namespace

HostTensor matmul(const Node& node, Operands operands) {
  return operands[0]->integral() ? product<int64_t>(node, *operands[0], *operands[1])
                                 : product<double>(node, *operands[0], *operands[1]);
}

HostTensor attention(const Node& node, Operands operands) {
  Attention work(node, operands);
  int64_t batch = work.q.type.shape[0].extent();
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t h = 0; h < work.heads; ++h)
      for (int64_t i = 0; i < work.queries; ++i) work.row(b, h, i);
  return std::move(work.result);
}

}  // namespace tenon::evaluation
