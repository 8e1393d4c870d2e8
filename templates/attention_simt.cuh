// Attention in exact f32, without tensor cores: products by fused multiply-add, weights by the full-precision
// exponential, online softmax. 16 neighbouring threads share rows_per_thread rows; in a row each of them owns
// every sixteenth key and every sixteenth output column. While the scores of a step are made its V travels,
// and while they meet V the next K does.
#pragma once
#include "templates/attention_problem.cuh"
#include "templates/config.cuh"
#include "templates/memory.cuh"
#include "templates/ptx/cp_async.cuh"
#include "templates/ptx/shared.cuh"

namespace tenon {

template <AttentionSimtTile kTile, class Problem>
struct AttentionSimt {
  static constexpr int kThreads = kTile.threads(), kPitch = kTile.pitch(), kPitchV = kTile.pitch_v();
  static constexpr int kRows = kTile.rows_per_thread, kKeys = kTile.block_n / 16,
                       kColumns = kTile.columns() / 16;
  static_assert(kTile.block_n % 16 == 0);
  using Block = AttentionBlock<kTile, Problem>;

  const Problem& problem;
  const Block block;
  float *const q, *const k, *const v, *const weights;  // in shared memory; a row of weights serves the 16
                                                       // threads that made it
  const int column = threadIdx.x % 16, first_row = threadIdx.x / 16 * kRows;
  const int first_key;
  const int steps;  // of block_n keys
  float out[kRows][kColumns] = {};
  float row_max[kRows], row_sum[kRows];  // the sum over this thread's keys alone

  TENON_DEVICE AttentionSimt(const Problem& p, unsigned char* shared)
      : problem(p),
        block(p, kTile.block_m()),
        q(reinterpret_cast<float*>(shared)),
        k(q + kTile.block_m() * kPitch),
        v(k + kTile.block_n * kPitch),
        weights(v + kTile.block_n * kPitchV),
        first_key(block.keys_begin()),
        steps((block.keys_end() - first_key + kTile.block_n - 1) / kTile.block_n) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      row_max[r] = kUnseen;
      row_sum[r] = 0;
    }
  }

  // Rows from `rows` on, and columns from kReal to kPadded, become zeros and are not read.
  template <int kReal, int kPadded, class RowPointer>
  TENON_DEVICE void load_tile(float* tile, int pitch, int tile_rows, int rows, RowPointer row_pointer) const {
    constexpr int kWidth = kTile.aligned ? 4 : 1, kChunks = kPadded / kWidth;
    for (int i = threadIdx.x; i < tile_rows * kChunks; i += kThreads) {
      const int row = i / kChunks, at = i % kChunks * kWidth;
      const bool valid = row < rows && (kReal == kPadded || at < kReal);
      ptx::cp_async<4 * kWidth>(tile + row * pitch + at, row_pointer(valid ? row : 0) + at,
                                valid ? 4 * kWidth : 0);
    }
  }
  template <int kReal, int kPadded, class Keys>
  TENON_DEVICE void load_keys(const Keys& from, float* tile, int pitch, int step) const {
    const int key = first_key + step * kTile.block_n;
    if (step < steps)
      load_tile<kReal, kPadded>(tile, pitch, kTile.block_n, block.keys_end() - key,
                                [&](int r) { return from.row(block.batch, block.kv_head, key + r); });
    ptx::cp_async_commit();
  }
  TENON_DEVICE void load_k(int step) const {
    load_keys<kTile.head_dim, kTile.depth()>(problem.k, k, kPitch, step);
  }
  TENON_DEVICE void load_v(int step) const {
    load_keys<kTile.head_dim_v, kTile.columns()>(problem.v, v, kPitchV, step);
  }

  TENON_DEVICE void multiply_qk(float (&s)[kRows][kKeys]) const {
#pragma unroll 4
    for (int d = 0; d < kTile.depth(); d += 4) {
      Vec<float, 4> a[kRows], b[kKeys];
#pragma unroll
      for (int r = 0; r < kRows; ++r) a[r] = load<4>(q + (first_row + r) * kPitch + d);
#pragma unroll
      for (int j = 0; j < kKeys; ++j) b[j] = load<4>(k + (column + 16 * j) * kPitch + d);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
#pragma unroll
        for (int r = 0; r < kRows; ++r) {
#pragma unroll
          for (int j = 0; j < kKeys; ++j) s[r][j] = fmaf(a[r][e], b[j][e], s[r][j]);
        }
      }
    }
  }

  // One row's scores become weights in shared memory; its sum and output move to the new maximum.
  TENON_DEVICE void soften(const float (&s)[kKeys], int r, int key0) {
    const int row = first_row + r;
    const auto scores = block.score_row(row, key0, block.begin(row), block.end(row));
    float score[kKeys], most = row_max[r];
#pragma unroll
    for (int j = 0; j < kKeys; ++j) {
      score[j] = s[j] * problem.scale;
      if constexpr (kTile.softcap) score[j] = problem.softcap * tanhf(score[j] / problem.softcap);
      score[j] = scores.masked(scores.biased(score[j], 16 * j, 1.0f), 16 * j, 1.0f);
      most = fmaxf(most, score[j]);
    }
#pragma unroll
    for (int lanes = 1; lanes < 16; lanes *= 2) most = fmaxf(most, __shfl_xor_sync(0xffffffffu, most, lanes));
    const float base = most == kUnseen ? 0.0f : most;  // nothing seen yet: any base gives weights of 0
    const float correction = expf(row_max[r] - base);
    row_max[r] = most;
    row_sum[r] *= correction;
#pragma unroll
    for (int j = 0; j < kKeys; ++j) {
      const float weight = expf(score[j] - base);
      weights[row * kTile.score_pitch() + column + 16 * j] = weight;
      row_sum[r] += weight;
    }
#pragma unroll
    for (int c = 0; c < kColumns; ++c) out[r][c] *= correction;
  }

  TENON_DEVICE void multiply_pv() {
#pragma unroll 2
    for (int key = 0; key < kTile.block_n; key += 4) {
      Vec<float, 4> p[kRows];
#pragma unroll
      for (int r = 0; r < kRows; ++r) p[r] = load<4>(weights + (first_row + r) * kTile.score_pitch() + key);
#pragma unroll
      for (int e = 0; e < 4; ++e) {
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
          const float value = v[(key + e) * kPitchV + column + 16 * c];
#pragma unroll
          for (int r = 0; r < kRows; ++r) out[r][c] = fmaf(p[r][e], value, out[r][c]);
        }
      }
    }
  }

  TENON_DEVICE void put_output() const {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int row = first_row + r;
      float most = row_max[r], fade = 1, sum = block.end(row) > block.begin(row) ? row_sum[r] : 0.0f;
#pragma unroll
      for (int lanes = 1; lanes < 16; lanes *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
      if (row >= block.rows) continue;
      if constexpr (Problem::Sinks::kPresent) {
        const float sink = problem.sinks[block.head_of(row)];
        most = fmaxf(row_max[r], sink);
        fade = expf(row_max[r] - most);
        if (sum != 0) sum = sum * fade + expf(sink - most);
      }
      float* target = problem.out.row(block.batch, block.head_of(row), block.token(row)) + column;
      float check = 0;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        if (kTile.head_dim_v % 16 != 0 && column + 16 * c >= kTile.head_dim_v) continue;
        target[16 * c] = sum == 0 ? 0.0f : out[r][c] * fade / sum;
        check += 0.0f * out[r][c];  // NaN if any is NaN or infinite
      }
      if (is_nan(check))  // a weight of 0 may have met a NaN or an infinity in v
        repair_outputs<kColumns>(block, row, column, 16, most * kLog2e, sum);
    }
  }

  // The same before any division, for the block that joins all shares of the keys.
  template <class Shares>
  TENON_DEVICE void put_share(const Shares& shares) const {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      const int row = first_row + r;
      const bool sees = block.end(row) > block.begin(row);
      float sum = sees ? row_sum[r] : 0.0f;
#pragma unroll
      for (int lanes = 1; lanes < 16; lanes *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
      if (row >= block.rows) continue;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) shares.put(row, column + 16 * c, Vec<float, 1>{out[r][c]});
      if (column == 0) shares.put_statistics(row, sees ? row_max[r] : kUnseen, sum);
    }
  }

  // All keys of the block, one step after the other.
  TENON_DEVICE void stream() {
    load_tile<kTile.head_dim, kTile.depth()>(q, kPitch, kTile.block_m(), block.rows, [this](int r) {
      return problem.q.row(block.batch, block.head_of(r), block.token(r));
    });
    load_k(0);
    for (int step = 0; step < steps; ++step) {
      load_v(step);
      ptx::cp_async_wait<1>();
      __syncthreads();  // q and this step's K have arrived
      float s[kRows][kKeys] = {};
      multiply_qk(s);
#pragma unroll
      for (int r = 0; r < kRows; ++r) soften(s[r], r, first_key + step * kTile.block_n + column);
      __syncthreads();  // K has been read
      load_k(step + 1);
      ptx::cp_async_wait<1>();
      __syncthreads();  // V and the weights have arrived
      multiply_pv();
      __syncthreads();  // V has been read
    }
    ptx::cp_async_wait<0>();
  }
};

template <AttentionSimtTile kTile, class Problem>
TENON_DEVICE void attention_simt(const Problem& problem) {
  AttentionSimt<kTile, Problem> kernel(problem, ptx::dynamic_shared());
  kernel.stream();
  kernel.put_output();
}

}  // namespace tenon
