// Attention of few queries on many keys: the keys that the queries see at this launch are shared out over
// gridDim.x blocks, each streams its own, and the last to arrive joins what they leave, in the order of the
// shares. Blocks without keys leave at once; where one block has all, it writes the output itself.
#pragma once
#include "templates/attention_simt.cuh"
#include "templates/attention_sm80.cuh"
#include "templates/ptx/load_l2.cuh"
#include "templates/split_sum.cuh"

namespace tenon {

// What the blocks of one tile of rows leave in the workspace: for each share and row the sums of weighted
// values, then the largest score and the sum of weights.
template <auto kTile, class Problem>
struct AttentionShares {
  static constexpr bool kExact = kSame<typename Problem::Element, float>;
  static constexpr int kColumns = kTile.columns(), kPitch = kTile.share_pitch();
  using Block = AttentionBlock<kTile, Problem>;

  const Block& block;
  float* const partials;  // [shares][rows][kPitch]
  int* const ticket;

  TENON_DEVICE AttentionShares(const Block& own, const SplitWorkspace& workspace)
      : block(own),
        partials(workspace.partials + tile() * gridDim.x * own.rows * kPitch),
        ticket(workspace.tickets + tile()) {}
  static TENON_DEVICE i64 tile() { return i64(blockIdx.z) * gridDim.y + blockIdx.y; }

  TENON_DEVICE float* at(int share, int row, int column) const {
    return partials + (share * block.rows + row) * kPitch + column;
  }
  template <int kCount>
  TENON_DEVICE void put(int row, int column, const Vec<float, kCount>& sums) const {
    store(at(blockIdx.x, row, column), sums);
  }
  TENON_DEVICE void put_statistics(int row, float most, float sum) const {
    store(at(blockIdx.x, row, kColumns), Vec<float, 4>{most, sum, 0.0f, 0.0f});
  }

  // Brings four neighbouring columns of a row to one largest score, share by share.
  TENON_DEVICE Vec<float, 4> joined(int row, int column, float& most, float& sum) const {
    constexpr int kAtOnce = 8;  // shares whose loads are under way together
    Vec<float, 4> total = splat<4>(0.0f);
    most = kUnseen, sum = 0;
#pragma unroll 1
    for (int first = 0; first < block.shares; first += kAtOnce) {
      float parts[kAtOnce][4], statistics[kAtOnce][4];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const int share = min(first + i, block.shares - 1);
        ptx::load_l2(parts[i], at(share, row, column));
        ptx::load_l2(statistics[i], at(share, row, kColumns));
      }
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        // Is there such a share, and does the row see some key of it?
        const bool any = first + i < block.shares && statistics[i][1] != 0;
        const float peak = any ? fmaxf(most, statistics[i][0]) : most;
        const float fade = any ? exponential<kExact>(most - peak) : 1.0f;
        const float factor = any ? exponential<kExact>(statistics[i][0] - peak) : 0.0f;
#pragma unroll
        for (int e = 0; e < 4; ++e) total[e] = total[e] * fade + (any ? parts[i][e] * factor : 0.0f);
        sum = sum * fade + (any ? statistics[i][1] * factor : 0.0f);
        most = peak;
      }
    }
    return total;
  }

  // kCount neighbouring outputs of a row of `whole`, which sees all keys.
  template <int kCount>
  static TENON_DEVICE void put_outputs(const Block& whole, int row, int column, Vec<float, kCount> total,
                                       float most, float sum) {
    join_sink<kExact>(whole, row, total, most, sum);
    total = map([=](float x) { return sum == 0 ? 0.0f : x / sum; }, total);
    tenon::store(whole.p.out.row(whole.batch, whole.head_of(row), whole.token(row)) + column, total);
    float check = 0;
#pragma unroll
    for (int e = 0; e < kCount; ++e) check += 0.0f * total[e];  // NaN if any is NaN or infinite
    if (is_nan(check)) repair_outputs<kCount>(whole, row, column, 1, most * (kExact ? kLog2e : 1.0f), sum);
  }

  TENON_DEVICE void put_output() const {
    Block whole = block;
    whole.take_all();
    constexpr int kChunks = kColumns / 4;
    for (int i = threadIdx.x; i < block.rows * kChunks; i += kTile.threads()) {
      const int row = i / kChunks, column = i % kChunks * 4, first = block.first_column() + column;
      float most, sum;
      const Vec<float, 4> total = joined(row, column, most, sum);
      if constexpr (kTile.aligned) {
        if (column < block.real_columns()) put_outputs(whole, row, first, total, most, sum);
      } else {
#pragma unroll
        for (int e = 0; e < 4; ++e)
          if (column + e < block.real_columns())
            put_outputs(whole, row, first + e, Vec<float, 1>{total[e]}, most, sum);
      }
    }
  }
};

template <auto kTile, class Kernel, class Problem>
TENON_DEVICE void attend_share(const Problem& problem, const SplitWorkspace& workspace) {
  Kernel kernel(problem, ptx::dynamic_shared());
  const auto& block = kernel.block;
  if (block.idle()) return;
  kernel.stream();
  if (block.shares == 1) return kernel.put_output();
  const AttentionShares<kTile, Problem> shares(block, workspace);
  kernel.put_share(shares);
  if (is_last_slice(shares.ticket, block.shares)) shares.put_output();
}

template <AttentionTile kTile, class Problem>
TENON_DEVICE void attention_decode_sm80(const Problem& problem, const SplitWorkspace& workspace) {
  attend_share<kTile, AttentionSm80<kTile, Problem>>(problem, workspace);
}

template <AttentionSimtTile kTile, class Problem>
TENON_DEVICE void attention_decode_simt(const Problem& problem, const SplitWorkspace& workspace) {
  attend_share<kTile, AttentionSimt<kTile, Problem>>(problem, workspace);
}

}  // namespace tenon
