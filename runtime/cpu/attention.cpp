// attention.cpp: softmax(q k^T scale + mask) v by blocks of queries and keys with a running maximum and sum
// (online softmax: Milakov and Gimelshein 2018; blocked as in FlashAttention, Dao et al. 2022), so that no
// more of the scores exists than one block. Queries of all heads that share a key head stand in one block: a
// decoding step is one product too.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/convert.h"
#include "runtime/cpu/gemm.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/row_functions.h"
#include "runtime/cpu/thread_pool.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kRows = 128;  // queries times heads of a block
constexpr int64_t kKeys = 128;
constexpr float kUnseen = -std::numeric_limits<float>::infinity();

/// A thread's own memory for one block.
struct Scratch {
  std::vector<float> q, k, v, scores, sums, mask;
  std::vector<float> largest, total;
};

struct Attention {
  Attention(const Node& node, Operands operands);
  void block(int64_t index) const;
  View run();

  /// The keys that query i of batch b may see, before the mask.
  struct Range {
    int64_t begin, end;
  };
  Range range(int64_t b, int64_t i) const;
  int64_t shift(int64_t b) const { return offsets.empty() ? 0 : offsets[offsets.size() > 1 ? b : 0]; }
  Panel rows_of(const View& x, int64_t b, int64_t h, int64_t first, int64_t count,
                std::vector<float>& scratch) const;
  void score_row(float* scores, int64_t b, int64_t h, int64_t i, int64_t key, int64_t count, Range seen,
                 std::vector<float>& mask_row) const;
  void finish(const Scratch& scratch, int64_t b, int64_t group, int64_t first, int64_t queries_here) const;

  const Node& node;
  View q, k, v;
  const View* mask;
  View mask_view;
  std::vector<int64_t> offsets;
  std::vector<float> alibi, sinks;
  Tensor result;
  std::byte* out;
  int64_t batch, heads, key_heads, queries, keys, depth, value_depth, group_size, block_queries, blocks;
  float scale, softcap;
  int64_t window;
  bool causal;
};

/// f32 rows are read where they lie; their elements must be neighbours.
View with_dense_rows(const View& x) {
  return x.strides.back() == 1 || x.extents.back() <= 1 ? x : x.made_dense();
}

std::vector<float> floats_of(const View* view) {
  std::vector<float> values(view ? view->elements() : 0);
  if (view) Walk(*view).load(0, view->elements(), values.data());
  return values;
}

Attention::Attention(const Node& attention, Operands operands)
    : node(attention),
      q(with_dense_rows(operands[0])),
      k(with_dense_rows(operands[1])),
      v(with_dense_rows(operands[2])),
      mask(optional(node, operands, "mask")),
      alibi(floats_of(optional(node, operands, "alibi"))),
      sinks(floats_of(optional(node, operands, "sinks"))),
      result(Tensor::uninitialised(node.type())),
      out(result.mutable_data()) {
  batch = q.extents[0], heads = q.extents[1], queries = q.extents[2], depth = q.extents[3];
  key_heads = k.extents[1], keys = k.extents[2], value_depth = v.extents[3];
  if (const View* offset = optional(node, operands, "offset")) offsets = integers_of(*offset);
  if (mask) mask_view = mask->broadcast({batch, heads, queries, keys});
  scale = static_cast<float>(node.attributes.number("scale", 1 / std::sqrt(static_cast<double>(depth))));
  softcap = static_cast<float>(node.attributes.number("softcap"));
  window = node.attributes.integer("window");
  causal = node.attributes.flag("causal");
  group_size = key_heads ? heads / key_heads : 1;
  block_queries =
      std::clamp<int64_t>(kRows / std::max<int64_t>(1, group_size), 1, std::max<int64_t>(1, queries));
  blocks = (queries + block_queries - 1) / block_queries;
}

Attention::Range Attention::range(int64_t b, int64_t i) const {
  int64_t end = causal ? std::clamp<int64_t>(i + shift(b) + 1, 0, keys) : keys;
  int64_t begin = window > 0 ? std::clamp<int64_t>(i + shift(b) - window + 1, 0, end) : 0;
  return {begin, end};
}

/// Rows [first, first + count) of one head in f32.
Panel Attention::rows_of(const View& x, int64_t b, int64_t h, int64_t first, int64_t count,
                         std::vector<float>& scratch) const {
  int64_t length = x.extents[3], at = x.offset + b * x.strides[0] + h * x.strides[1] + first * x.strides[2];
  const std::byte* data = x.storage.data() + at * size_of(x.dtype());
  if (x.dtype() == DType::kF32) return {reinterpret_cast<const float*>(data), x.strides[2], 1};
  scratch.resize(std::max<int64_t>(scratch.size(), count * length));
  for (int64_t i = 0; i < count; ++i)
    to_f32(x.dtype(), data + i * x.strides[2] * size_of(x.dtype()), length, scratch.data() + i * length);
  return {scratch.data(), length, 1};
}

/// From products to what the softmax sees: keys [key, key + count) of one query.
void Attention::score_row(float* scores, int64_t b, int64_t h, int64_t i, int64_t key, int64_t count,
                          Range seen, std::vector<float>& mask_row) const {
  int64_t begin = std::clamp<int64_t>(seen.begin - key, 0, count),
          end = std::clamp<int64_t>(seen.end - key, begin, count);
  std::fill(scores, scores + begin, kUnseen);
  std::fill(scores + end, scores + count, kUnseen);
  if (softcap > 0) row_softcap(scores + begin, end - begin, softcap);
  if (!alibi.empty())
    for (int64_t j = begin; j < end; ++j) scores[j] += alibi[h] * static_cast<float>(key + j - i - shift(b));
  if (!mask) return;
  mask_row.resize(std::max<int64_t>(mask_row.size(), count));
  View row{mask_view.storage,
           {end - begin},
           {mask_view.strides[3]},
           mask_view.offset + b * mask_view.strides[0] + h * mask_view.strides[1] + i * mask_view.strides[2] +
               (key + begin) * mask_view.strides[3]};
  Walk(row).load(0, end - begin, mask_row.data());
  bool boolean = mask->dtype() == DType::kBool;
  for (int64_t j = begin; j < end; ++j) {
    float extra = mask_row[j - begin];
    scores[j] = !boolean ? scores[j] + extra : extra != 0 ? scores[j] : kUnseen;
  }
}

void Attention::block(int64_t index) const {
  thread_local Scratch scratch;
  int64_t first = index % blocks * block_queries, group = index / blocks % key_heads,
          b = index / blocks / key_heads;
  int64_t here = std::min(block_queries, queries - first), rows = here * group_size;
  scratch.q.resize(rows * depth);
  std::vector<float> unused;
  for (int64_t row = 0; row < rows; ++row) {  // row = head within the group, then query
    Panel one = rows_of(q, b, group * group_size + row / here, first + row % here, 1, scratch.k);
    std::copy(one.data, one.data + depth, scratch.q.data() + row * depth);
  }
  row_multiply(scratch.q.data(), rows * depth, scale);
  scratch.largest.assign(rows, kUnseen);
  scratch.total.assign(rows, 0);
  scratch.sums.assign(rows * value_depth, 0);
  scratch.scores.resize(std::max<size_t>(scratch.scores.size(), rows * kKeys));
  int64_t begin = range(b, first).begin, end = range(b, first + here - 1).end;
  for (int64_t key = begin; key < end; key += kKeys) {
    int64_t count = std::min(kKeys, end - key);
    Panel key_rows = rows_of(k, b, group, key, count, scratch.k);
    gemm(rows, count, depth, {scratch.q.data(), depth, 1}, {key_rows.data, 1, key_rows.row_stride}, 0,
         scratch.scores.data(), kKeys);
    for (int64_t row = 0; row < rows; ++row) {
      float* scores = scratch.scores.data() + row * kKeys;
      int64_t i = first + row % here, h = group * group_size + row / here;
      score_row(scores, b, h, i, key, count, range(b, i), scratch.mask);
      float largest = std::max(scratch.largest[row], row_max(scores, count));
      float shift = largest == kUnseen ? 0 : largest;  // nothing seen yet: all weights are e^-inf
      float sum = row_exp(scores, count, shift);
      if (largest > scratch.largest[row]) {
        float fade = std::exp(scratch.largest[row] - largest);
        scratch.total[row] *= fade;
        row_multiply(scratch.sums.data() + row * value_depth, value_depth, fade);
        scratch.largest[row] = largest;
      }
      scratch.total[row] += sum;
    }
    Panel values = rows_of(v, b, group, key, count, scratch.v);
    gemm(rows, value_depth, count, {scratch.scores.data(), kKeys, 1}, values, 1, scratch.sums.data(),
         value_depth);
  }
  finish(scratch, b, group, first, here);
}

/// Divides by the sums and stores; a row that saw no key gives 0.
void Attention::finish(const Scratch& scratch, int64_t b, int64_t group, int64_t first, int64_t here) const {
  std::vector<float> row_out(value_depth);
  for (int64_t row = 0; row < here * group_size; ++row) {
    int64_t h = group * group_size + row / here, i = first + row % here;
    float largest = scratch.largest[row], total = scratch.total[row], factor = 0;
    if (total != 0) {
      float peak = sinks.empty() ? largest : std::max(largest, sinks[h]);
      float fade = sinks.empty() ? 1 : std::exp(largest - peak);
      factor = fade / (total * fade + (sinks.empty() ? 0 : std::exp(sinks[h] - peak)));
    }
    const float* sums = scratch.sums.data() + row * value_depth;
    for (int64_t d = 0; d < value_depth; ++d) row_out[d] = total != 0 ? sums[d] * factor : 0;
    int64_t at = ((b * heads + h) * queries + i) * value_depth;
    store(row_out.data(), value_depth, result.dtype(), out + at * size_of(result.dtype()));
  }
}

View Attention::run() {
  if (result.elements() > 0) parallel_for(batch * key_heads * blocks, [&](int64_t i) { block(i); });
  return View::of(std::move(result));
}

}  // namespace

View attention(const Node& node, Operands operands) { return Attention(node, operands).run(); }

}  // namespace tenon::cpu
