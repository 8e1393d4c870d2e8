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

template <AttentionSimtTile kTile, class Mask>
struct AttentionSimt {
  static constexpr int kHeadDim = kTile.head_dim, kThreads = kTile.threads(), kPitch = kTile.pitch();
  static constexpr int kRows = kTile.rows_per_thread, kKeys = kTile.block_n / 16, kColumns = kHeadDim / 16;
  static_assert(kHeadDim % 16 == 0 && kTile.block_n % 16 == 0);
  using Block = AttentionBlock<kTile.pack, kTile.causal>;

  const AttentionProblem<float, Mask>& problem;
  const Block block;
  float *const q, *const k, *const v, *const weights;  // in shared memory; a row of weights serves the 16
                                                       // threads that made it
  const int column = threadIdx.x % 16, first_row = threadIdx.x / 16 * kRows;
  const int steps;  // of block_n keys
  float out[kRows][kColumns] = {};
  float row_max[kRows], row_sum[kRows];  // the sum over this thread's keys alone

  TENON_DEVICE AttentionSimt(const AttentionProblem<float, Mask>& p, float* shared)
      : problem(p),
        block(p, kTile.block_m()),
        q(shared),
        k(q + kTile.block_m() * kPitch),
        v(k + kTile.block_n * kPitch),
        weights(v + kTile.block_n * kPitch),
        steps((block.keys_end() + kTile.block_n - 1) / kTile.block_n) {
#pragma unroll
    for (int r = 0; r < kRows; ++r) {
      row_max[r] = kUnseen;
      row_sum[r] = 0;
    }
  }

  // Rows from `rows` on become zeros and are not read.
  template <class RowPointer>
  TENON_DEVICE void load_tile(float* tile, int tile_rows, int rows, RowPointer row_pointer) const {
    constexpr int kWidth = kTile.aligned ? 4 : 1, kChunks = kHeadDim / kWidth;
    for (int i = threadIdx.x; i < tile_rows * kChunks; i += kThreads) {
      const int row = i / kChunks, at = i % kChunks * kWidth;
      const bool valid = row < rows;
      ptx::cp_async<4 * kWidth>(tile + row * kPitch + at, row_pointer(valid ? row : 0) + at,
                                valid ? 4 * kWidth : 0);
    }
  }
  TENON_DEVICE void load_keys(const AttentionOperand<const float>& from, float* tile, int step) const {
    const int key = step * kTile.block_n;
    if (step < steps)
      load_tile(tile, kTile.block_n, block.keys_end() - key,
                [&](int r) { return from.row(block.batch, block.kv_head, key + r); });
    ptx::cp_async_commit();
  }

  TENON_DEVICE void multiply_qk(float (&s)[kRows][kKeys]) const {
#pragma unroll 4
    for (int d = 0; d < kHeadDim; d += 4) {
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
    const auto mask = block.mask_row(problem.mask, row, key0, block.visible(row));
    float score[kKeys], most = row_max[r];
#pragma unroll
    for (int j = 0; j < kKeys; ++j) {
      score[j] = mask.score(s[j] * problem.scale, 16 * j, 1.0f);
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
          const float value = v[(key + e) * kPitch + column + 16 * c];
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
      float sum = block.visible(row) > 0 ? row_sum[r] : 0.0f;
#pragma unroll
      for (int lanes = 1; lanes < 16; lanes *= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
      if (row >= block.rows) continue;
      float* target = problem.out.row(block.batch, block.head_of(row), block.token(row)) + column;
      float check = 0;
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
        target[16 * c] = sum == 0 ? 0.0f : out[r][c] / sum;
        check += 0.0f * out[r][c];  // NaN if any is NaN or infinite
      }
      if (is_nan(check))  // a weight of 0 may have met a NaN or an infinity in v
        repair_outputs<kHeadDim, kColumns>(problem, block, row, column, 16, row_max[r] * kLog2e, sum);
    }
  }

  TENON_DEVICE void run() {
    load_tile(q, kTile.block_m(), block.rows,
              [this](int r) { return problem.q.row(block.batch, block.head_of(r), block.token(r)); });
    load_keys(problem.k, k, 0);
    for (int step = 0; step < steps; ++step) {
      load_keys(problem.v, v, step);
      ptx::cp_async_wait<1>();
      __syncthreads();  // q and this step's K have arrived
      float s[kRows][kKeys] = {};
      multiply_qk(s);
#pragma unroll
      for (int r = 0; r < kRows; ++r) soften(s[r], r, step * kTile.block_n + column);
      __syncthreads();  // K has been read
      load_keys(problem.k, k, step + 1);
      ptx::cp_async_wait<1>();
      __syncthreads();  // V and the weights have arrived
      multiply_pv();
      __syncthreads();  // V has been read
    }
    ptx::cp_async_wait<0>();
    put_output();
  }
};

template <AttentionSimtTile kTile, class Mask>
TENON_DEVICE void attention_simt(const AttentionProblem<float, Mask>& problem) {
  AttentionSimt<kTile, Mask>(problem, reinterpret_cast<float*>(ptx::dynamic_shared())).run();
}

}  // namespace tenon
