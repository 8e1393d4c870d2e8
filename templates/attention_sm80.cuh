// Attention on tensor cores by mma.sync, for bf16 and f16 (sm_80 and later): online softmax with f32
// statistics in base 2, K and V streamed through a ring in shared memory by cp.async, tiles swizzled against
// bank conflicts, the blocks that need no mask in a loop of their own. The weights of the softmax are rounded
// to T before they meet V; nothing else is rounded before the output.
#pragma once
#include "templates/attention_problem.cuh"
#include "templates/config.cuh"
#include "templates/memory.cuh"
#include "templates/ptx/cp_async.cuh"
#include "templates/ptx/ldmatrix.cuh"
#include "templates/ptx/math.cuh"
#include "templates/ptx/shared.cuh"
#include "templates/warp_product.cuh"

namespace tenon {

// Where the 16-byte chunks of a tile of kColumns 16-bit columns lie, in bytes from its beginning. The chunks
// of a row are permuted so that the same chunk of eight neighbouring rows meets eight different bank groups.
template <int kColumns>
struct SwizzledRows {
  static constexpr int kBytes = 2 * kColumns, kChunks = kColumns / 8;
  static constexpr int kCycle = kChunks % 8 == 0   ? 8
                                : kChunks % 4 == 0 ? 4
                                                   : 2;  // permutations, each lasting 8 / kCycle rows
  static TENON_DEVICE int chunk(int row, int i) {
    return row * kBytes + (i ^ (row / (8 / kCycle) % kCycle)) * 16;
  }
  // From chunk i < 2 of a row to chunk 2 * pair + i of a row 16 * n below: for constants, one xor and an
  // immediate offset.
  static TENON_DEVICE int move(int chunk, int pair, int n) {
    const int inner = 2 * pair % kCycle;
    return (chunk ^ (inner * 16)) + (2 * pair - inner) * 16 + n * 16 * kBytes;
  }
};

template <AttentionTile kTile, class Problem>
struct AttentionSm80 {
  using T = typename Problem::Element;
  using Mask = typename Problem::Mask;
  static constexpr bool kBiased = Problem::Alibi::kPresent;
  static constexpr int kDepth = kTile.depth(), kColumns = kTile.columns(), kThreads = kTile.threads();
  static constexpr int kRowTiles = kTile.block_m / (16 * kTile.warps_m);  // 16 rows each, of one warp
  static constexpr int kKeys = kTile.block_n / kTile.warps_n;             // of one step, for one warp
  static_assert(kTile.block_m % (16 * kTile.warps_m) == 0 && kTile.block_n % (16 * kTile.warps_n) == 0);
  static_assert(kTile.scale_first || !(Mask::kAdditive || kBiased || kTile.softcap),
                "scaled scores are capped, biased and masked");
  using Rows = SwizzledRows<kDepth>;     // of q and K
  using RowsV = SwizzledRows<kColumns>;  // of V
  using Block = AttentionBlock<kTile, Problem>;

  const Problem& problem;
  const Block block;
  unsigned char* const shared;
  const int lane = threadIdx.x % 32, warp_m = threadIdx.x / 32 % kTile.warps_m,
            warp_n = threadIdx.x / 32 / kTile.warps_m;
  const int first_key;   // of the last step
  const int steps;       // of block_n keys, taken from the last to the first
  const float to_base2;  // scaled score -> exponent of 2
  unsigned q_fragments[kTile.q_in_registers ? kDepth / 16 : 1][kRowTiles][4];
  float out[kRowTiles][kColumns / 8][4] = {};
  float row_max[kRowTiles][2],
      row_sum[kRowTiles][2];  // of rows lane / 4 and lane / 4 + 8; the sum over this lane's columns alone
  int begin[kTile.window ? kRowTiles : 1][2], end[kRowTiles][2];  // the keys that a row sees, masks aside

  TENON_DEVICE AttentionSm80(const Problem& p, unsigned char* shared_memory)
      : problem(p),
        block(p, kTile.block_m),
        shared(shared_memory),
        first_key(block.keys_begin()),
        steps((block.keys_end() - first_key + kTile.block_n - 1) / kTile.block_n),
        to_base2(p.scale * kLog2e) {
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        row_max[t][h] = kUnseen;
        row_sum[t][h] = 0;
        end[t][h] = block.end(row_of(t, h));
        if constexpr (kTile.window) begin[t][h] = block.begin(row_of(t, h));
      }
    }
  }

  TENON_DEVICE int first_seen(int t, int h) const {
    if constexpr (kTile.window) return begin[t][h];
    return block.first_key();
  }
  TENON_DEVICE bool sees(int t, int h) const { return end[t][h] > first_seen(t, h); }
  TENON_DEVICE int key_of(int step) const { return first_key + (steps - 1 - step) * kTile.block_n; }
  TENON_DEVICE int first_row() const { return warp_m * 16 * kRowTiles; }
  TENON_DEVICE int row_of(int t, int h) const { return first_row() + 16 * t + lane / 4 + 8 * h; }
  // Tiles, in bytes from the beginning of shared memory. q lies behind the ring, or on its later stages if it
  // moves on into registers.
  static constexpr int kKeyBytes = kTile.block_n * Rows::kBytes,
                       kStageBytes = kKeyBytes + kTile.block_n * RowsV::kBytes;
  static constexpr int kQueryTile = (kTile.q_in_registers ? 1 : kTile.stages) * kStageBytes;

  // Tiles travel in passes of whole rows, as many threads a row as its swizzle has permutations; a pass is a
  // whole number of swizzle cycles, so that a thread's place in shared memory moves by constants. Rows from
  // `rows` on and columns from `columns` on become zeros and are not read. `row_pointer` knows where a pass's
  // row of this thread begins.
  template <class TileRows>
  static TENON_DEVICE int load_row() {
    return threadIdx.x / TileRows::kCycle;
  }
  template <class TileRows, int kRows, class RowPointer>
  TENON_DEVICE void load(int tile, int rows, int columns, RowPointer row_pointer) const {
    constexpr int kLanes = TileRows::kCycle, kPassRows = kThreads / kLanes;
    static_assert(kPassRows % 8 == 0);
    constexpr int kChunksAtOnce = kTile.aligned ? TileRows::kChunks : 1;  // elements take registers
    const int first = load_row<TileRows>(), lane_column = threadIdx.x % kLanes * 8;
    unsigned char* const target = shared + tile + TileRows::chunk(first, lane_column / 8);
#pragma unroll
    for (int pass = 0; pass < kRows; pass += kPassRows) {
      if (kRows % kPassRows != 0 && first >= kRows - pass) break;
      const bool valid = first < rows - pass;
      const T* source = row_pointer(pass) + lane_column;
#pragma unroll kChunksAtOnce
      for (int i = 0; i < TileRows::kChunks; i += kLanes) {
        const int real = 8 * (i + kLanes) <= columns ? 8 : columns - 8 * i - lane_column;  // of this chunk
        load_chunk(target + pass * TileRows::kBytes + 16 * i, source + 8 * i, valid ? real : 0);
      }
    }
  }
  static TENON_DEVICE void load_chunk(unsigned char* target, const T* source, int real) {
    if constexpr (kTile.aligned) {
      ptx::cp_async<16>(target, source, real > 0 ? 16 : 0);
    } else {
      Vec<T, 8> chunk;
#pragma unroll
      for (int e = 0; e < 8; ++e) chunk[e] = e < real ? source[e] : T{0};
      store_raw<8>(reinterpret_cast<T*>(target), chunk);
    }
  }
  TENON_DEVICE void load_q() const {
    load<Rows, kTile.block_m>(kQueryTile, block.rows, kTile.head_dim, [this](int pass) {
      const int row = load_row<Rows>() + pass;
      return problem.q.row(block.batch, block.head_of(row), block.token(row));
    });
  }
  template <class TileRows, class Keys>
  TENON_DEVICE void load_keys(const Keys& from, int tile, int key, int column, int columns) const {
    const auto rows = from.rows(block.batch, block.kv_head, load_row<TileRows>());
    load<TileRows, kTile.block_n>(tile, block.keys_end() - key, columns,
                                  [&](int pass) { return rows[key + pass] + column; });
  }
  // The step'th block of keys into its stage; nothing after the last step.
  TENON_DEVICE void load_step(int step) const {
    if (step < steps) {
      const int key = key_of(step), stage = step % kTile.stages * kStageBytes;
      load_keys<Rows>(problem.k, stage, key, 0, kTile.head_dim);
      load_keys<RowsV>(problem.v, stage + kKeyBytes, key, block.first_column(), block.real_columns());
    }
    ptx::cp_async_commit();
  }

  static TENON_DEVICE unsigned pack(float low, float high) {
    if constexpr (kSame<T, bf16>)
      return ptx::bf16x2_from_floats(low, high);
    else
      return ptx::f16x2_from_floats(low, high);
  }

  TENON_DEVICE void q_fragment(unsigned (&a)[4], int depth, int t) const {
    const int chunk = kQueryTile + Rows::chunk(first_row() + lane % 16, lane / 16);
    ptx::ldmatrix_x4(a, shared + Rows::move(chunk, depth, t));
  }
  TENON_DEVICE void q_to_registers() {
#pragma unroll
    for (int depth = 0; depth < kDepth / 16; ++depth) {
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t) q_fragment(q_fragments[depth][t], depth, t);
    }
  }

  TENON_DEVICE void multiply_qk(float (&s)[kRowTiles][kKeys / 8][4], int k_tile) const {
    const int chunk = k_tile + Rows::chunk(warp_n * kKeys + lane / 16 * 8 + lane % 8, lane / 8 % 2);
#pragma unroll
    for (int depth = 0; depth < kDepth / 16; ++depth) {
      unsigned a[kRowTiles][4];
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t) {
        if constexpr (kTile.q_in_registers) {
#pragma unroll
          for (int i = 0; i < 4; ++i) a[t][i] = q_fragments[depth][t][i];
        } else {
          q_fragment(a[t], depth, t);
        }
      }
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
        unsigned b[4];
        ptx::ldmatrix_x4(b, shared + Rows::move(chunk, depth, n));
#pragma unroll
        for (int t = 0; t < kRowTiles; ++t) {
          multiply_fragments<T>(s[t][2 * n], a[t], {b[0], b[1]});
          multiply_fragments<T>(s[t][2 * n + 1], a[t], {b[2], b[3]});
        }
      }
    }
  }

  TENON_DEVICE void multiply_pv(const float (&p)[kRowTiles][kKeys / 8][4], int v_tile) {
    const int chunk = v_tile + RowsV::chunk(warp_n * kKeys + lane % 16, lane / 16);
#pragma unroll
    for (int m = 0; m < kKeys / 16; ++m) {
      unsigned a[kRowTiles][4];
#pragma unroll
      for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
        for (int i = 0; i < 4; ++i)
          a[t][i] = pack(p[t][2 * m + i / 2][i % 2 * 2], p[t][2 * m + i / 2][i % 2 * 2 + 1]);
      }
#pragma unroll
      for (int n = 0; n < kColumns / 16; ++n) {
        unsigned b[4];
        ptx::ldmatrix_x4_trans(b, shared + RowsV::move(chunk, n, m));
#pragma unroll
        for (int t = 0; t < kRowTiles; ++t) {
          multiply_fragments<T>(out[t][2 * n], a[t], {b[0], b[1]});
          multiply_fragments<T>(out[t][2 * n + 1], a[t], {b[2], b[3]});
        }
      }
    }
  }

  // A scaled score's softcap * tanh(score / softcap) from the product, both in exponents of 2: with an absolute
  // error of a few f32 roundings of softcap, where tanh.approx would leave 2^-11 of it.
  TENON_DEVICE float capped(float product) const {
    const float cap = problem.softcap * kLog2e, inner = 2 * kLog2e * problem.scale / problem.softcap;
    return fmaf(-2 * cap, ptx::rcp_approx(ptx::ex2_approx(product * inner) + 1), cap);
  }

  // One row's scores, scaled, capped, biased and masked where that is due. Without scale_first the scale waits
  // for the exponential, where it costs nothing.
  template <bool kMasked>
  TENON_DEVICE void finish_scores(float (&s)[kKeys / 8][4], int t, int h, int key0) const {
    const auto scores = block.score_row(row_of(t, h), key0, first_seen(t, h), end[t][h]);
#pragma unroll
    for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        float& score = s[j][2 * h + c];
        if constexpr (kTile.softcap)
          score = capped(score);
        else if constexpr (kTile.scale_first)
          score *= to_base2;
        score = scores.biased(score, 8 * j + c, kLog2e);
        if constexpr (kMasked) score = scores.masked(score, 8 * j + c, kLog2e);
      }
    }
  }

  // One row's scores become its weights; sums and the output so far move to the new maximum.
  template <bool kMasked>
  TENON_DEVICE void soften(float (&s)[kKeys / 8][4], int t, int h, int key0) {
    finish_scores<kMasked>(s, t, h, key0);
    const float unit = kTile.scale_first ? 1.0f : to_base2;
    float most = row_max[t][h];
#pragma unroll
    for (int j = 0; j < kKeys / 8; ++j) most = fmaxf(most, fmaxf(s[j][2 * h], s[j][2 * h + 1]));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 1));
    most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, 2));
    const float base =
        kMasked && most == kUnseen ? 0.0f : most * unit;  // nothing seen yet: any base gives weights of 0
    const float correction = ptx::ex2_approx(row_max[t][h] * unit - base);
    row_max[t][h] = most;
    row_sum[t][h] *= correction;
#pragma unroll
    for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
      for (int c = 0; c < 2; ++c) {
        float& score = s[j][2 * h + c];
        score = ptx::ex2_approx(fmaf(score, unit, -base));
        row_sum[t][h] += score;
      }
    }
#pragma unroll
    for (int n = 0; n < kColumns / 8; ++n) {
      out[t][n][2 * h] *= correction;
      out[t][n][2 * h + 1] *= correction;
    }
  }

  template <bool kMasked>
  TENON_DEVICE void process(int step) {
    ptx::cp_async_wait<kTile.stages - 2>();
    __syncthreads();  // the step has arrived, and all warps have left the stage that is loaded next
    load_step(step + kTile.stages - 1);
    const int stage = step % kTile.stages * kStageBytes;
    float s[kRowTiles][kKeys / 8][4] = {};
    multiply_qk(s, stage);
    const int key0 = key_of(step) + warp_n * kKeys + lane % 4 * 2;
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
      soften<kMasked>(s[t], t, 0, key0);
      soften<kMasked>(s[t], t, 1, key0);
    }
    multiply_pv(s, stage + kKeyBytes);
  }

  // f32 results, not yet divided by their sums, into shared memory: [warps_n][block_m][merge_pitch], then
  // maximum and sum of each row.
  TENON_DEVICE float* merge_row(int n, int row) const {
    return reinterpret_cast<float*>(shared) + (n * kTile.block_m + row) * kTile.merge_pitch();
  }
  TENON_DEVICE float* merge_statistics(int n, int row) const {
    return merge_row(kTile.warps_n, 0) + 2 * (n * kTile.block_m + row);
  }

  TENON_DEVICE void put_partials() {
#pragma unroll
    for (int t = 0; t < kRowTiles; ++t) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        float sum = sees(t, h) ? row_sum[t][h] : 0.0f;
        sum += __shfl_xor_sync(0xffffffffu, sum, 1);
        sum += __shfl_xor_sync(0xffffffffu, sum, 2);
        if (lane % 4 == 0) {
          merge_statistics(warp_n, row_of(t, h))[0] =
              sees(t, h) ? row_max[t][h] * (kTile.scale_first ? 1.0f : to_base2) : kUnseen;
          merge_statistics(warp_n, row_of(t, h))[1] = sum;
        }
        float* target = merge_row(warp_n, row_of(t, h)) + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < kColumns / 8; ++n)
          *reinterpret_cast<float2*>(target + 8 * n) = make_float2(out[t][n][2 * h], out[t][n][2 * h + 1]);
      }
    }
  }

  // The warps' partial results of a row are brought to one maximum and added in order.
  TENON_DEVICE float largest(int row) const {
    float most = merge_statistics(0, row)[0];
#pragma unroll
    for (int n = 1; n < kTile.warps_n; ++n) most = fmaxf(most, merge_statistics(n, row)[0]);
    return most;
  }
  TENON_DEVICE float weight(int n, int row, float most) const {
    return kTile.warps_n == 1 || most == kUnseen ? 1.0f : ptx::ex2_approx(merge_statistics(n, row)[0] - most);
  }

  // Of a row kOutputs sums of weighted values, `stride` apart, of which `count` are real; its largest score and
  // its sum of weights.
  static constexpr int kOutputs = 4;
  TENON_DEVICE Vec<float, kOutputs> merged(int row, int column, int stride, int count, float& most,
                                           float& sum) const {
    most = largest(row), sum = 0;
    Vec<float, kOutputs> total = splat<kOutputs>(0.0f);
#pragma unroll
    for (int n = 0; n < kTile.warps_n; ++n) {
      const float factor = weight(n, row, most);
      sum += factor * merge_statistics(n, row)[1];
      const float* from = merge_row(n, row) + column;
      const auto part =
          kTile.aligned ? tenon::load<kOutputs>(from) : load_strided<kOutputs>(from, stride, count);
#pragma unroll
      for (int e = 0; e < kOutputs; ++e) total[e] += factor * part[e];
    }
    return total;
  }

  // `count` outputs of a row, at most kOutputs, `stride` apart.
  TENON_DEVICE void put_outputs(int row, int column, int stride, int count) const {
    float most, sum;
    Vec<float, kOutputs> total = merged(row, column, stride, count, most, sum);
    join_sink<false>(block, row, total, most, sum);
    const float inverse = ptx::rcp_approx(sum);
    total = map([=](float x) { return sum == 0 ? 0.0f : x * inverse; }, total);
    column += block.first_column();
    T* target = problem.out.row(block.batch, block.head_of(row), block.token(row)) + column;
    if constexpr (kTile.aligned)  // one integer: the compiler takes a vector apart
      *reinterpret_cast<u64*>(target) = u64(pack(total[2], total[3])) << 32 | pack(total[0], total[1]);
    else
      store_strided(target, stride, total, count);
    float check = 0;
#pragma unroll
    for (int e = 0; e < kOutputs; ++e) check += 0.0f * total[e];  // NaN if any is NaN or infinite
    if (is_nan(check)) repair_outputs<kOutputs>(block, row, column, stride, most, sum);
  }

  // Neighbouring threads put neighbouring outputs, so that they meet no bank twice and fill sectors: words of
  // four where rows are aligned, else each of a thread's four in a quarter of the row.
  TENON_DEVICE void put_output() const {
    const int columns = block.real_columns(), chunks = (columns + kOutputs - 1) / kOutputs;
    for (int i = threadIdx.x; i < block.rows * chunks; i += kThreads) {
      const int at = i % chunks;
      if constexpr (kTile.aligned)
        put_outputs(i / chunks, at * kOutputs, 1, kOutputs);
      else
        put_outputs(i / chunks, at, chunks, (columns - at + chunks - 1) / chunks);
    }
  }
  // The same sums for the block that joins all shares of the keys.
  template <class Shares>
  TENON_DEVICE void put_share(const Shares& shares) const {
    constexpr int kChunks = kColumns / kOutputs;
    for (int i = threadIdx.x; i < block.rows * kChunks; i += kThreads) {
      const int row = i / kChunks, column = i % kChunks * kOutputs;
      float most, sum;
      const auto total = merged(row, column, 1, kOutputs, most, sum);
      shares.put(row, column, total);
      if (column == 0) shares.put_statistics(row, most, sum);
    }
  }

  // All keys of the block, one step after the other; leaves the warps' partial results.
  TENON_DEVICE void stream() {
    load_q();
    load_step(0);
    if constexpr (kTile.q_in_registers) {
      ptx::cp_async_wait<0>();
      __syncthreads();
      q_to_registers();
      __syncthreads();
    }
    for (int step = 1; step < kTile.stages - 1; ++step) load_step(step);
    // Every row sees all keys of the steps between; a mask has its say in all of them.
    const int late = steps - (block.end(0) - first_key) / kTile.block_n;
    const int early =
        kTile.window ? (block.begin(block.rows - 1) - first_key + kTile.block_n - 1) / kTile.block_n : 0;
    int step = 0;
    if constexpr (Mask::kPresent) {
      for (; step < steps; ++step) process<true>(step);
    } else if constexpr (kTile.window) {
      for (; step < steps; ++step)
        if (step < late || step >= steps - early)
          process<true>(step);
        else
          process<false>(step);
    } else {
      for (; step < late; ++step) process<true>(step);
      for (; step < steps; ++step) process<false>(step);
    }
    ptx::cp_async_wait<0>();
    __syncthreads();
    put_partials();
    __syncthreads();
  }
};

template <AttentionTile kTile, class Problem>
TENON_DEVICE void attention_sm80(const Problem& problem) {
  AttentionSm80<kTile, Problem> kernel(problem, ptx::dynamic_shared());
  kernel.stream();
  kernel.put_output();
}

}  // namespace tenon
