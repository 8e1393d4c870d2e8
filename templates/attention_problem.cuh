// What every attention kernel computes, and which part of it a block owns:
//   out[b, h, i, :] = sum over the keys j that query i sees of softmax_j(scale * q[b, h, i, :] . k[b, h /
//   group, j, :] + mask) * v[b, h / group, j, :]
// A query that sees no key gives 0. Grid: x tiles of rows (the longest first), y query heads / pack, z batch.
#pragma once
#include "templates/scalar.cuh"

namespace tenon {

// The score of a key that is not seen.
inline constexpr float kUnseen = -__builtin_bit_cast(float, 0x7f800000u);

// [batch, head, token, head_dim] with the last extent contiguous; strides in elements.
template <class T>
struct AttentionOperand {
  T* data;
  i64 batch, head, token;
  TENON_DEVICE T* row(int b, int h, int t) const { return data + b * batch + h * head + t * token; }
};

// A row that sees no key has no use for its scores: they may be NaN.
// Masks answer for a row of scores at a time: from key `first` on, score(x, ahead, unit) is x with the mask
// of the key first + ahead applied, where `unit` is what 1 of the scaled score is in x. The row sees
// `visible` keys, masks aside.
struct NoMask {
  static constexpr bool kPresent = false, kAdditive = false;
  struct Row {
    int seen;
    TENON_DEVICE float score(float x, int ahead, float) const { return ahead < seen ? x : kUnseen; }
  };
  TENON_DEVICE Row row(int, int, int, int first, int visible) const { return {visible - first}; }
};
// Broadcasts to [batch, head, query, key] by strides of 0. M is bool (true: the query sees the key) or the
// operands' type (added to the scores).
template <class M>
struct AttentionMask {
  static constexpr bool kPresent = true, kAdditive = !kSame<M, bool>;
  const M* data;
  i64 batch, head, query, key;
  struct Row {
    const M* data;
    i64 stride;
    int seen, last;
    TENON_DEVICE float score(float x, int ahead, float unit) const {
      const M m =
          data[(ahead < last ? ahead : last) * stride];  // read without a branch, which would cost registers
      if constexpr (kAdditive)
        return (ahead < seen ? x : kUnseen) + cast<float>(m) * unit;  // a select of the sum would be a branch
      else
        return ahead < seen && m ? x : kUnseen;
    }
  };
  TENON_DEVICE Row row(int b, int h, int i, int first, int visible) const {
    const int last = visible > 0 ? visible - 1 : 0;
    return {data + b * batch + h * head + i * query + first * key, key, visible - first, last - first};
  }
};

template <class T, class Mask = NoMask>
struct AttentionProblem {
  AttentionOperand<const T> q, k, v;
  AttentionOperand<T> out;
  Mask mask;
  int queries, keys;  // tokens of q; tokens of k and v
  int group;          // query heads that share a key head
  float scale;
  i64 offset;  // causal: query i sees key j iff j <= i + offset
};

// The block's rows: token * pack + head, within its group of `pack` heads. Keys beyond `keys_end` are never
// read.
template <int kPack, bool kCausal>
struct AttentionBlock {
  int batch, head, kv_head, first_row, rows, keys, offset;

  template <class T, class Mask>
  TENON_DEVICE AttentionBlock(const AttentionProblem<T, Mask>& p, int block_m)
      : batch(blockIdx.z),
        head(blockIdx.y * kPack),
        kv_head(head / p.group),
        first_row((kCausal ? gridDim.x - 1 - blockIdx.x : blockIdx.x) * block_m),
        keys(p.keys) {
    rows = p.queries * kPack - first_row;
    if (rows > block_m) rows = block_m;
    const i64 least = -i64(p.queries);
    offset = int(p.offset < least ? least : p.offset > p.keys ? p.keys : p.offset);
  }
  TENON_DEVICE int token(int row) const { return (first_row + row) / kPack; }
  TENON_DEVICE int head_of(int row) const { return head + (first_row + row) % kPack; }
  // How many of the first keys the row sees, masks aside.
  TENON_DEVICE int visible(int row) const {
    if constexpr (!kCausal) return keys;
    const int seen = token(row) + offset + 1;
    return seen < 0 ? 0 : seen > keys ? keys : seen;
  }
  // Rows beyond the last take its mask: they are never written.
  template <class Mask>
  TENON_DEVICE auto mask_row(const Mask& mask, int row, int first_key, int visible) const {
    const int real = row < rows ? row : rows - 1;
    return mask.row(batch, head_of(real), token(real), first_key, visible);
  }
  TENON_DEVICE int keys_end() const { return visible(rows - 1); }
};

inline constexpr float kLog2e = 1.4426950408889634f;

// One output by the definition, from the row's largest score (in exponents of 2) and its sum of weights: what
// a tile makes NaN because the weight 0 of an unseen key has met a NaN or an infinity in v. Slow, and seldom
// wanted.
template <int kHeadDim, class T, class Mask, class Block>
TENON_DEVICE float defined_output(const AttentionProblem<T, Mask>& p, const Block& block, int row, int column,
                                  float most, float sum) {
  const int head = block.head_of(row), token = block.token(row), visible = block.visible(row);
  const T* q = p.q.row(block.batch, head, token);
  float total = 0;
#pragma unroll 1
  for (int key = 0; key < visible; ++key) {
    const T* k = p.k.row(block.batch, block.kv_head, key);
    float score = 0;
#pragma unroll 1
    for (int d = 0; d < kHeadDim; ++d) score = fmaf(cast<float>(q[d]), cast<float>(k[d]), score);
    score = p.mask.row(block.batch, head, token, key, visible).score(score * p.scale * kLog2e, 0, kLog2e);
    if (score != kUnseen)
      total += exp2f(score - most) * cast<float>(p.v.row(block.batch, block.kv_head, key)[column]);
  }
  return total / sum;
}

// Replaces the NaNs among kCount outputs, `stride` apart, that a row with a proper sum has just received.
template <int kHeadDim, int kCount, class T, class Mask, class Block>
TENON_DEVICE void repair_outputs(const AttentionProblem<T, Mask>& p, const Block& block, int row, int column,
                                 int stride, float most, float sum) {
  if (is_nan(sum)) return;
  T* target = p.out.row(block.batch, block.head_of(row), block.token(row)) + column;
#pragma unroll 1
  for (int i = 0; i < kCount * stride; i += stride)
    if (is_nan(cast<float>(target[i])))
      target[i] = cast<T>(defined_output<kHeadDim>(p, block, row, column + i, most, sum));
}

}  // namespace tenon
