// What every attention kernel computes, and which part of it a block owns:
//   out[b, h, i, :] = sum over the keys j that query i sees of softmax_j(score(q[b, h, i, :] . k[b, h / group,
//   j, :])) * v[b, h / group, j, :]
// where a score is scaled, then capped, biased by its distance (ALiBi) and masked. A query that sees no key
// gives 0. Grid: x tiles of rows (the longest first), y query heads / pack * parts of v, z batch.
#pragma once
#include "templates/config.cuh"
#include "templates/memory.cuh"
#include "templates/ptx/math.cuh"

namespace tenon {

// The score of a key that is not seen.
inline constexpr float kUnseen = -__builtin_bit_cast(float, 0x7f800000u);

// [batch, head, token, head_dim] with the last extent contiguous; strides in elements.
template <class T>
struct AttentionOperand {
  T* data;
  i64 batch, head, token;
  TENON_DEVICE T* row(int b, int h, int t) const { return data + b * batch + h * head + t * token; }
  // The rows of a head from token t on, by their distance from there.
  struct Rows {
    T* first;
    i64 token;
    TENON_DEVICE T* operator[](int ahead) const { return first + i64(ahead) * token; }
  };
  TENON_DEVICE Rows rows(int b, int h, int t) const { return {row(b, h, t), token}; }
};

// Tokens in pages of kPage: token t of row b lies on the page that the table names at [b, t / kPage], in a
// pool [page, head, token, head_dim]. A page that the pool lacks is counted from its end or taken for the
// nearest: nothing outside is read.
template <class T, int kPage, class Id>
struct PagedOperand {
  AttentionOperand<T> pool;
  struct Table {
    const Id* data;
    i64 row, column;
  } table;
  int pages, count;  // pages of the pool; of a row of the table
  TENON_DEVICE T* row(int b, int h, int t) const {
    const int column = t / kPage < count ? t / kPage : count - 1;
    return pool.row(wrap_index(table.data[b * table.row + column * table.column], pages), h, t % kPage);
  }
  struct Rows {
    const PagedOperand& from;
    int b, h, t;
    TENON_DEVICE T* operator[](int ahead) const { return from.row(b, h, t + ahead); }
  };
  TENON_DEVICE Rows rows(int b, int h, int t) const { return {*this, b, h, t}; }
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

// One number for each query head, or none.
struct NoHeadNumbers {
  static constexpr bool kPresent = false;
};
template <class A>
struct HeadNumbers {
  static constexpr bool kPresent = true;
  const A* data;
  i64 stride;
  TENON_DEVICE float operator[](int head) const { return cast<float>(data[head * stride]); }
};

template <class T, class MaskType = NoMask, class AlibiType = NoHeadNumbers, class SinksType = NoHeadNumbers,
          class Keys = AttentionOperand<const T>>
struct AttentionProblem {
  using Element = T;
  using Mask = MaskType;
  using Alibi = AlibiType;
  using Sinks = SinksType;

  AttentionOperand<const T> q;
  Keys k, v;
  AttentionOperand<T> out;
  Mask mask;
  int queries, keys;  // tokens of q; tokens of k and v
  int group;          // query heads that share a key head
  float scale;
  i64 offset;         // query i stands beside key i + offset; causal: it sees none beyond
  int window = 0;     // it sees none up to i + offset - window
  float softcap = 0;  // a score x becomes softcap * tanh(x / softcap)
  Alibi alibi = {};   // a head's slope: of what is added for each key from the query's own on
  Sinks sinks = {};   // a head's score of a key without value
};

// A row of scores from key `first` on, scaled and capped, on its way to the softmax: `ahead` counts from
// there, and `unit` is what 1 of a score is in x.
template <class Problem, bool kWindow>
struct ScoreRow {
  typename Problem::Mask::Row mask;
  int hidden;             // keys from `first` on that lie before the window
  float slope, distance;  // from the query's own key to `first`

  TENON_DEVICE float biased(float x, int ahead, float unit) const {
    if constexpr (Problem::Alibi::kPresent) x = fmaf(slope * unit, distance + float(ahead), x);
    return x;
  }
  TENON_DEVICE float masked(float x, int ahead, float unit) const {
    x = mask.score(x, ahead, unit);
    if constexpr (kWindow) x = ahead >= hidden ? x : kUnseen;
    return x;
  }
};

// The block's rows: token * pack + head, within its group of `pack` heads. Keys outside [keys_begin, keys_end)
// are never read. Where kTile.share, the x of the grid counts shares of the keys that the rows see instead of
// tiles of rows, of which there is one.
template <auto kTile, class Problem>
struct AttentionBlock {
  const Problem& p;
  int batch, head, kv_head, part, first_row, rows, offset;
  int share_begin = 0, share_end = 0,
      shares = 1;  // where kTile.share: the block's keys; shares that have any

  TENON_DEVICE AttentionBlock(const Problem& problem, int block_m)
      : p(problem),
        batch(blockIdx.z),
        head(blockIdx.y / kTile.parts_v * kTile.pack),
        kv_head(head / p.group),
        part(blockIdx.y % kTile.parts_v),
        first_row(kTile.share > 0 ? 0
                  : kTile.causal  ? (gridDim.x - 1 - blockIdx.x) * block_m
                                  : blockIdx.x * block_m) {
    rows = p.queries * kTile.pack - first_row;
    if (rows > block_m) rows = block_m;
    // Beyond these a query sees as much as at them; only a distance tells more of them apart.
    constexpr i64 kFar = Problem::Alibi::kPresent ? i64(1) << 30 : 0;
    const i64 least = kFar ? -kFar : -i64(p.queries);
    const i64 most = kFar ? kFar : i64(p.keys) + (kTile.window ? p.window : 0);
    offset = int(p.offset < least ? least : p.offset > most ? most : p.offset);
    if constexpr (kTile.share > 0) take_share();
  }
  // About equal shares of what the rows see at this launch: blocks beyond the last have none.
  TENON_DEVICE void take_share() {
    take_all();
    const int begin = keys_begin(), count = keys_end() - begin;
    const int size = share_of_keys(count, gridDim.x, kTile.share);
    shares = count > size ? (count + size - 1) / size : 1;
    const int first = int(blockIdx.x) < shares ? int(blockIdx.x) * size : count;
    share_begin = begin + first;
    share_end = begin + (count - first < size ? count : first + size);
  }
  TENON_DEVICE void take_all() {
    share_begin = 0;
    share_end = p.keys;
  }
  // A block without keys has nothing to do, but for the first, which says so.
  TENON_DEVICE bool idle() const { return int(blockIdx.x) >= shares; }
  TENON_DEVICE int first_key() const {
    if constexpr (kTile.share > 0) return share_begin;
    return 0;
  }
  TENON_DEVICE int last_key() const {
    if constexpr (kTile.share > 0) return share_end;
    return p.keys;
  }
  TENON_DEVICE int token(int row) const { return (first_row + row) / kTile.pack; }
  TENON_DEVICE int head_of(int row) const { return head + (first_row + row) % kTile.pack; }
  // Of the block's keys the row sees [begin, end), masks aside.
  TENON_DEVICE int end(int row) const {
    if constexpr (!kTile.causal) return last_key();
    const int seen = token(row) + offset + 1;
    return seen < first_key() ? first_key() : seen > last_key() ? last_key() : seen;
  }
  TENON_DEVICE int begin(int row) const {
    if constexpr (!kTile.window) return first_key();
    const int hidden = token(row) + offset + 1 - p.window, last = end(row);
    return hidden < first_key() ? first_key() : hidden > last ? last : hidden;
  }
  // The block's columns of v and the output: those of a tile, but for the last part's.
  TENON_DEVICE int first_column() const { return kTile.parts_v == 1 ? 0 : part * kTile.columns(); }
  TENON_DEVICE int real_columns() const {
    const int left = kTile.head_dim_v - first_column();
    return kTile.parts_v == 1 || left < kTile.columns() ? left : kTile.columns();
  }
  TENON_DEVICE int keys_end() const { return end(rows - 1); }
  TENON_DEVICE int keys_begin() const { return begin(0); }
  // Rows beyond the last take its scores: they are never written.
  TENON_DEVICE auto score_row(int row, int first_key, int begin, int end) const {
    const int real = row < rows ? row : rows - 1;
    ScoreRow<Problem, kTile.window> scores{p.mask.row(batch, head_of(real), token(real), first_key, end),
                                           begin - first_key, 0, 0};
    if constexpr (Problem::Alibi::kPresent) {
      scores.slope = p.alibi[head_of(real)];
      scores.distance = float(first_key - (token(real) + offset));
    }
    return scores;
  }
};

inline constexpr float kLog2e = 1.4426950408889634f;

// e to the power x, or an approximation of 2 to it.
template <bool kExact>
TENON_DEVICE float exponential(float x) {
  if constexpr (kExact) return expf(x);
  return ptx::ex2_approx(x);
}

// One output by the definition, from the row's largest score (in exponents of 2) and its sum of weights: what
// a tile makes NaN because the weight 0 of an unseen key has met a NaN or an infinity in v. Slow, and seldom
// wanted.
template <auto kTile, class Problem>
TENON_DEVICE float defined_output(const AttentionBlock<kTile, Problem>& block, int row, int column,
                                  float most, float sum) {
  const Problem& p = block.p;
  const int begin = block.begin(row), end = block.end(row);
  const auto* q = p.q.row(block.batch, block.head_of(row), block.token(row));
  float total = 0;
#pragma unroll 1
  for (int key = begin; key < end; ++key) {
    const auto* k = p.k.row(block.batch, block.kv_head, key);
    float score = 0;
#pragma unroll 1
    for (int d = 0; d < kTile.head_dim; ++d) score = fmaf(cast<float>(q[d]), cast<float>(k[d]), score);
    score *= p.scale;
    if constexpr (kTile.softcap) score = p.softcap * tanhf(score / p.softcap);
    const auto scores = block.score_row(row, key, begin, end);
    score = scores.masked(scores.biased(score * kLog2e, 0, kLog2e), 0, kLog2e);
    if (score != kUnseen)
      total += exp2f(score - most) * cast<float>(p.v.row(block.batch, block.kv_head, key)[column]);
  }
  return total / sum;
}

// Replaces the NaNs among kCount outputs, `stride` apart, that a row with a proper sum has just received.
template <int kCount, auto kTile, class Problem>
TENON_DEVICE void repair_outputs(const AttentionBlock<kTile, Problem>& block, int row, int column, int stride,
                                 float most, float sum) {
  if (is_nan(sum)) return;
  auto* out = block.p.out.row(block.batch, block.head_of(row), block.token(row));
#pragma unroll 1
  for (int i = column; i < column + kCount * stride && i < kTile.head_dim_v; i += stride)
    if (is_nan(cast<float>(out[i]))) {
      out[i] = cast<typename Problem::Element>(defined_output(block, row, i, most, sum));
    }
}

// A row's sink joins its sums: of weighted values, and of weights beside its largest score, which are exponents
// of e where kExact, else of 2.
template <bool kExact, int kCount, auto kTile, class Problem>
TENON_DEVICE void join_sink(const AttentionBlock<kTile, Problem>& block, int row, Vec<float, kCount>& total,
                            float& most, float& sum) {
  if constexpr (Problem::Sinks::kPresent) {
    const float sink = block.p.sinks[block.head_of(row)] * (kExact ? 1.0f : kLog2e), peak = fmaxf(most, sink);
    const float fade = exponential<kExact>(most - peak);
    total = map([=](float x) { return x * fade; }, total);
    if (sum != 0) sum = sum * fade + exponential<kExact>(sink - peak);
    most = peak;
  }
}

}  // namespace tenon
