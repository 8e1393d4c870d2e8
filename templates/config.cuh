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

// A kernel of rows: what is reduced together. `width` neighbouring elements are loaded at once: columns of
// one row, or (in row_columns.cuh) neighbouring rows at one place along the reduced axis.
struct RowConfig {
  int width = 8;
  int vectors = 1;           // of one row held by each thread: resident rows
  int threads_per_row = 32;  // a power of two up to 1024
  int rows = 1;              // of a block; more than one where a warp or less works on a row
  int slices =
      1;  // blocks that share a row which is passed over, at most 32; their threads_per_row are those of one
  constexpr int threads() const { return threads_per_row * rows; }
  static constexpr int share_bytes() { return 16; }  // that each of them leaves: any reduction's value
};

// Keys of one share of `count` where `blocks` take about equal ones: a multiple of 16, the tokens of the smallest
// page, and no fewer than `least`.
constexpr int share_of_keys(int count, int blocks, int least) {
  const int equal = (count + blocks - 1) / blocks;
  return equal > least ? (equal + 15) / 16 * 16 : least;
}

// Attention on tensor cores. A block computes block_m rows against all their keys, block_n keys a step. The
// rows are the query tokens of `pack` query heads that share a key head, a token's heads side by side:
// packing fills tiles when tokens are few.
struct AttentionTile {
  int head_dim = 128;         // of q and k
  int head_dim_v = head_dim;  // of v and the output
  int parts_v = 1;   // blocks that share the output's columns, each making all scores: where one's registers
                     // do not hold head_dim_v
  int block_m = 64;  // 16 or 32 rows a warp
  int block_n = 64;  // at least 16 keys a warp
  int warps_m = 4;   // warps along the rows
  int warps_n = 1;   // warps along the keys of a step, merged once at the end
  int stages = 2;    // steps of K and V resident in shared memory
  int pack = 1;      // divides the heads that share a key head
  int min_blocks = 1;  // that an SM shall hold at a time: bounds a thread's registers
  bool causal = false;
  bool window = false;          // a query sees so many keys and no more
  bool softcap = false;         // scores are bent into a range
  bool q_in_registers = false;  // q's place in shared memory then serves the later stages
  bool scale_first =
      false;  // scores are scaled before their maximum: what changes them, and scales that are not positive
  bool aligned = true;  // every row of q, k, v and the output is whole 16 bytes, and begins at a multiple
  int share = 0;        // least keys of a block where blocks share those of one tile of rows; 0: they do not

  constexpr int threads() const { return 32 * warps_m * warps_n; }
  // Columns of the tiles: those of q and k, and of one part of v, up to a multiple of 16.
  constexpr int depth() const { return (head_dim + 15) / 16 * 16; }
  constexpr int columns() const { return ((head_dim_v + parts_v - 1) / parts_v + 15) / 16 * 16; }
  constexpr int stage_elements() const { return block_n * (depth() + columns()); }
  // Rows of the f32 results on their way out are padded by 8 against bank conflicts.
  constexpr int merge_pitch() const { return columns() + 8; }
  // Floats that one row of a share of the keys leaves behind: its columns and four for its statistics.
  constexpr int share_pitch() const { return columns() + 4; }
  constexpr int load_bytes() const {
    const int ring = stages * stage_elements(), q = block_m * depth();
    return 2 * (q_in_registers ? (ring > q + stage_elements() ? ring : q + stage_elements()) : ring + q);
  }
  constexpr int merge_bytes() const { return 4 * warps_n * block_m * (merge_pitch() + 2); }
  constexpr int shared_bytes() const { return load_bytes() > merge_bytes() ? load_bytes() : merge_bytes(); }
};

// Attention in exact f32. 16 threads share a row; each thread holds rows_per_thread rows.
struct AttentionSimtTile {
  static constexpr int parts_v = 1;
  int head_dim = 64;          // of q and k
  int head_dim_v = head_dim;  // of v and the output
  int block_n = 32;           // keys of a step, a multiple of 16
  int rows_per_thread = 4;
  int warps = 4;
  int pack = 1;
  bool causal = false;
  bool window = false;
  bool softcap = false;
  bool aligned = true;
  int share = 0;

  constexpr int threads() const { return 32 * warps; }
  constexpr int block_m() const { return 2 * warps * rows_per_thread; }
  // Columns of the tiles, and the pitches of their rows: multiples of 16 bytes that meet no bank twice.
  constexpr int depth() const { return (head_dim + 7) / 8 * 8; }
  constexpr int columns() const { return (head_dim_v + 15) / 16 * 16; }
  constexpr int pitch() const { return depth() + 4; }
  constexpr int pitch_v() const { return columns() + 4; }
  constexpr int score_pitch() const { return block_n + 4; }
  constexpr int share_pitch() const { return columns() + 4; }
  constexpr int shared_bytes() const {
    return 4 * ((block_m() + block_n) * pitch() + block_n * pitch_v() + block_m() * score_pitch());
  }
};

// Few rows times the matrices chosen for each: a warp computes one column of the result.
struct ExpertsConfig {
  int warps = 8;     // of a block, with neighbouring columns
  int width = 8;     // elements of k that one load takes; every row begins at a multiple of it
  int loads = 4;     // of each matrix that a lane issues before it uses any
  int products = 1;  // matrices that one row meets at once: with 2, a gate's
  constexpr int threads() const { return 32 * warps; }
};

// Which index of a product's operand is contiguous in memory: the summed one, or the other (a row of A, a
// column of B).
enum class Contiguous { k, outer };

// Sums over the rows of A, taken while its tiles pass by, for a norm that the epilogue applies.
enum class RowSums { none, squares, moments };

// A tiled product C[m, n] = sum over k of A[m, k] B[k, n]. A block computes block_m x block_n of C, block_k
// of the sum at a time.
struct GemmConfig {
  int block_m = 128, block_n = 128, block_k = 32;
  int part_m = 64, part_n = 32;  // of the tile: by one warp (gemm_sm80) or one thread (gemm_simt)
  int element_bytes = 2;         // of A and B
  int stages = 3;                // tiles of A and B in shared memory at once
  int slices = 1;                // blocks that share the sum of one tile (split-K)
  int group_m = 8;               // tile rows walked together, for hits in L2
  int products = 1;              // right operands: with 2, one A meets two B
  Contiguous a_contiguous = Contiguous::k;
  Contiguous b_contiguous = Contiguous::k;
  int a_copy = 16, b_copy = 16;  // bytes of one copy to shared memory: 16, 8 or 4; 2: through registers
  bool exact_k = false;          // k is a multiple of block_k, so nothing is guarded along it
  bool exact_n = false;          // n is a multiple of `vector`, so no epilogue call is cut
  int head = 0;  // columns of the heads that the epilogue normalises, whole in a block; 0: it normalises none
  RowSums row_sums = RowSums::none;
  int vector = 8;  // neighbouring columns of one row that an epilogue call handles
  int passes = 1;  // parts in which the sums of a tile go through shared memory to the epilogue

  constexpr int lanes() const { return part_m >= 16 ? 32 : 1; }  // threads of a part: a warp, or one
  constexpr int threads() const { return block_m / part_m * (block_n / part_n) * lanes(); }
  constexpr int stage_bytes() const { return (block_m + products * block_n) * block_k * element_bytes; }
  // Floats from row to row of staged sums; the 8 keep fragments off each other's banks.
  constexpr int staged_row() const { return block_n + 8; }
  constexpr int staged_bytes() const { return products * (block_m / passes) * staged_row() * 4; }
  constexpr int tile_bytes() const {  // tiles, and then sums in their place
    return stages * stage_bytes() > staged_bytes() ? stages * stage_bytes() : staged_bytes();
  }
  constexpr int row_sum_bytes() const {  // three floats a row, and the partial sums of each column of warps
    return row_sums == RowSums::none ? 0 : block_m * 4 * (3 + 2 * (block_n / part_n));
  }
  constexpr int heads() const { return head > 0 ? block_n / head : 0; }  // of a row in a block
  constexpr int shared_bytes() const {
    return tile_bytes() + row_sum_bytes() + 4 * (block_m / passes) * heads();
  }
  // Floats of workspace that one slice of one tile leaves behind.
  constexpr int partial_floats() const {
    return products * block_m * block_n + (row_sums == RowSums::none ? 0 : 2 * block_m);
  }
  constexpr int tiles(int m, int n) const {
    return (m + block_m - 1) / block_m * ((n + block_n - 1) / block_n);
  }
  constexpr bool operator==(const GemmConfig&) const = default;
};

// A product of few rows, C[m, n] = sum over k of A[m, k] B[k, n]: B streams from memory into registers, once.
// A round is lanes x depth of k; the threads of a group share its columns and divide the rounds' k among
// them. With tensor cores a warp is 8 groups of 4 lanes, which is how mma.sync holds its operands.
struct GemvConfig {
  int rows = 1;      // of C in a block; 8 or 16 with tensor cores
  int columns = 4;   // of C that a thread has a part in: lines of B along k, or else the elements of a load
  int groups = 1;    // of threads in a block, each with its own columns
  int lanes = 128;   // threads of a group
  int depth = 8;     // neighbouring k of a thread in a round
  int rounds = 1;    // rounds whose loads are under way at once
  int slices = 1;    // blocks that share the sum (split-K)
  int products = 1;  // right operands: with 2, one A meets two B
  int element_bytes = 2;  // of A and B
  bool tensor_cores = false;
  int group =
      0;  // neighbouring k of quantised weights whose sum takes one scale; 0: elements are widened one by one
  Contiguous a_contiguous = Contiguous::k;
  Contiguous b_contiguous = Contiguous::k;
  int a_copy = 16, b_copy = 16;  // bytes that every line's start is aligned to
  bool exact_k = false;          // k is a multiple of lanes * depth, so nothing is guarded along it
  bool exact_n = false;          // n is a multiple of `vector`, so no epilogue call is cut
  bool exact_columns =
      false;  // of quantised weights: and of block_n, so that all lines of a block exist, and are neighbours
  int partner = 0;  // where not 0, the second half of a block's columns lies so many columns after the first:
                    // both halves of what a rotary position turns
  bool lets_in_late =
      false;     // the next kernel's blocks come once these loads are under way: not to queue before them
  int head = 0;  // columns of the heads that the epilogue normalises, whole in a block; 0: it normalises none
  RowSums row_sums = RowSums::none;
  int vector = 2;  // neighbouring columns of one row that an epilogue call handles

  constexpr int threads() const { return lanes * groups; }
  constexpr int block_n() const { return columns * groups; }
  constexpr int round_k() const { return lanes * depth; }
  // Groups that the k of a warp on tensor cores lies in.
  constexpr int parts() const { return 0 < group && group < 4 * depth ? 4 * depth / group : 1; }
  // Loads of a thread and a round from one right operand.
  constexpr int lines() const { return b_contiguous == Contiguous::k ? columns : depth; }
  // Warps of a block that hold parts of the same sums.
  constexpr int warps_k() const {
    if (tensor_cores || b_contiguous == Contiguous::outer) return threads() / 32;
    return lanes > 32 ? lanes / 32 : 1;
  }
  // Floats of one warp's sums: those of C, then two for each row of A.
  constexpr int sum_floats() const { return products * rows * block_n(); }
  constexpr int partial_floats() const { return sum_floats() + (row_sums == RowSums::none ? 0 : 2 * rows); }
  constexpr int heads() const { return head > 0 ? block_n() / head : 0; }  // of a row in a block
  constexpr int shared_bytes() const { return 4 * (warps_k() * partial_floats() + rows * (1 + heads())); }
  constexpr int tiles(int m, int n) const { return (m + rows - 1) / rows * column_tiles(n); }
  constexpr int column_tiles(int n) const { return (n + block_n() - 1) / block_n(); }
  constexpr bool operator==(const GemvConfig&) const = default;
};

}  // namespace tenon
