// The shapes of kernels as plain structs: shared with the host, which chooses them, and passed to device code
// as template values with designated initialisers. No toolkit and no standard header.
#pragma once

namespace tenon {

// An elementwise kernel: each thread handles `vectors` runs of `width` consecutive elements, one block of
// threads apart, all loaded before any is used.
struct ElementwiseConfig {
  int width = 8;
  int vectors = 1;
  int threads = 256;
  constexpr int elements() const { return width * vectors * threads; }  // of one block
};

// Attention on tensor cores. A block computes block_m rows against all their keys, block_n keys a step. The
// rows are the query tokens of `pack` query heads that share a key head, a token's heads side by side:
// packing fills tiles when tokens are few.
struct AttentionTile {
  int head_dim = 128;
  int block_m = 64;  // 16 or 32 rows a warp
  int block_n = 64;  // at least 16 keys a warp
  int warps_m = 4;   // warps along the rows
  int warps_n = 1;   // warps along the keys of a step, merged once at the end
  int stages = 2;    // steps of K and V resident in shared memory
  int pack = 1;      // divides the heads that share a key head
  bool causal = false;
  bool q_in_registers = false;  // q's place in shared memory then serves the later stages
  bool scale_first =
      false;  // scores are scaled before their maximum: additive masks, and scales that are not positive
  bool aligned = true;  // every row of q, k, v and the output begins at a multiple of 16 bytes

  constexpr int threads() const { return 32 * warps_m * warps_n; }
  constexpr int stage_elements() const { return 2 * block_n * head_dim; }
  // Rows of the f32 results on their way out are padded by 8 against bank conflicts.
  constexpr int merge_pitch() const { return head_dim + 8; }
  constexpr int load_bytes() const {
    const int ring = stages * stage_elements(), q = block_m * head_dim;
    return 2 * (q_in_registers ? (ring > q + stage_elements() ? ring : q + stage_elements()) : ring + q);
  }
  constexpr int merge_bytes() const { return 4 * warps_n * block_m * (merge_pitch() + 2); }
  constexpr int shared_bytes() const { return load_bytes() > merge_bytes() ? load_bytes() : merge_bytes(); }
};

// Attention in exact f32. 16 threads share a row; each thread holds rows_per_thread rows.
struct AttentionSimtTile {
  int head_dim = 64;
  int block_n = 32;  // keys of a step, a multiple of 16
  int rows_per_thread = 4;
  int warps = 4;
  int pack = 1;
  bool causal = false;
  bool aligned = true;

  constexpr int threads() const { return 32 * warps; }
  constexpr int block_m() const { return 2 * warps * rows_per_thread; }
  constexpr int pitch() const { return head_dim + 4; }  // both pitches: 16-byte rows that meet no bank twice
  constexpr int score_pitch() const { return block_n + 4; }
  constexpr int shared_bytes() const {
    return 4 * ((block_m() + 2 * block_n) * pitch() + block_m() * score_pitch());
  }
};

}  // namespace tenon
