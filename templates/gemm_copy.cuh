// Tiles of operands from global to shared memory, a ring of stages ahead of the multiplication: by cp.async
// where lines are aligned, else, and where a head is applied on the way, through registers.
#pragma once
#include "templates/gemm_tile.cuh"
#include "templates/ptx/cp_async.cuh"
#include "templates/ptx/shared.cuh"

namespace tenon {

// Elements of a line in [position, position + width) that exist.
TENON_DEVICE int valid_elements(int position, int length, int width) {
  return max(0, min(width, length - position));
}

// Where a thread's chunks of a tile lie. Chunks go round the threads line by line.
template <class Tile, int kThreads>
struct ChunkWalk {
  static constexpr int kTotal = Tile::kBytes / 16;
  static constexpr int kRounds = (kTotal + kThreads - 1) / kThreads;
  static constexpr bool kAligned = kThreads % Tile::kChunks == 0;  // a thread stays in one column of chunks

  TENON_DEVICE static bool present(int round) {
    return kTotal % kThreads == 0 || int(threadIdx.x) + round * kThreads < kTotal;
  }
  TENON_DEVICE static int line(int round) {
    if constexpr (kAligned)
      return threadIdx.x / Tile::kChunks + round * (kThreads / Tile::kChunks);
    else
      return (threadIdx.x + round * kThreads) / Tile::kChunks;
  }
  TENON_DEVICE static int chunk(int round) {
    if constexpr (kAligned)
      return threadIdx.x % Tile::kChunks;
    else
      return (threadIdx.x + round * kThreads) % Tile::kChunks;
  }
};

// The part of an operand that a block reads, tile by tile along k. `outer` is the block's first row or
// column, of `outers`.
struct OperandRange {
  int outer, outers, k;
};

// Copies tiles by cp.async, kCopy bytes at a time; what lies outside the operand becomes zero.
// kAlongK: lines run along k. kExactK: no tile reaches beyond k.
template <class Source, class Tile, int kThreads, int kCopy, bool kAlongK, bool kExactK>
struct AsyncCopier {
  using T = typename Source::Element;
  using Walk = ChunkWalk<Tile, kThreads>;
  Source source;
  OperandRange range;

  TENON_DEVICE void begin(unsigned char* tile, int k) {
#pragma unroll
    for (int round = 0; round < Walk::kRounds; ++round)
      if (Walk::present(round)) copy_chunk(tile, Walk::line(round), Walk::chunk(round), k);
  }
  TENON_DEVICE void finish(unsigned char*, int) {}

 private:
  TENON_DEVICE void copy_chunk(unsigned char* tile, int line, int chunk, int k) const {
    constexpr int kWidth = kCopy / int(sizeof(T));
    unsigned char* to = tile + Tile::offset(line, chunk);
    const int at_line = line + (kAlongK ? range.outer : k), lines = kAlongK ? range.outers : range.k;
    const int position = chunk * Tile::kChunk + (kAlongK ? k : range.outer),
              length = kAlongK ? range.k : range.outers;
    const bool line_exists = (kExactK && !kAlongK) || at_line < lines;
    const T* from = source.data + at_line * source.stride + position;
#pragma unroll
    for (int part = 0; part < 16 / kCopy; ++part) {
      const int elements =
          kExactK && kAlongK ? kWidth : valid_elements(position + part * kWidth, length, kWidth);
      const int bytes = line_exists ? elements * int(sizeof(T)) : 0;
      ptx::cp_async<kCopy>(to + part * kCopy, bytes > 0 ? from + part * kWidth : source.data, bytes);
    }
  }
};

// An operand whose lines begin at any element: read one by one.
template <class T>
struct UnalignedMatrix {
  using Element = T;
  using Inputs = Vec<T, 16 / int(sizeof(T))>;
  Matrix<T> matrix;

  TENON_DEVICE Inputs fetch(int line, int position, int count) const {
    Inputs loaded;
    const T* from = matrix.data + line * matrix.stride + position;
#pragma unroll
    for (int i = 0; i < 16 / int(sizeof(T)); ++i) loaded[i] = i < count ? from[i] : T{};
    return loaded;
  }
  TENON_DEVICE Inputs operator()(const Inputs& inputs, int, int) const { return inputs; }
};

// Copies tiles through registers: the source loads a chunk's inputs before a tile is multiplied, and makes
// the chunk of them after. A source has Element, Inputs, fetch(line, position, count) -> Inputs and
// operator()(inputs, line, position) -> a chunk of elements.
template <class Source, class Tile, int kThreads, bool kAlongK, bool kExactK>
struct RegisterCopier {
  using T = typename Source::Element;
  using Walk = ChunkWalk<Tile, kThreads>;
  Source source;
  OperandRange range;
  typename Source::Inputs inputs[Walk::kRounds];

  TENON_DEVICE void begin(unsigned char*, int k) {
#pragma unroll
    for (int round = 0; round < Walk::kRounds; ++round) {
      const int count = existing(round, k);
      if (count > 0) inputs[round] = source.fetch(line(round, k), position(round, k), count);
    }
  }
  TENON_DEVICE void finish(unsigned char* tile, int k) {
#pragma unroll
    for (int round = 0; round < Walk::kRounds; ++round) {
      if (!Walk::present(round)) continue;
      const int count = existing(round, k);
      Vec<T, Tile::kChunk> chunk{};
      if (count > 0) chunk = source(inputs[round], line(round, k), position(round, k));
#pragma unroll
      for (int i = 0; i < Tile::kChunk; ++i)
        if (i >= count) chunk[i] = T{};  // what a head makes of nothing may be infinite
      *reinterpret_cast<Vec<T, Tile::kChunk>*>(tile + Tile::offset(Walk::line(round), Walk::chunk(round))) =
          chunk;
    }
  }

 private:
  TENON_DEVICE int line(int round, int k) const { return Walk::line(round) + (kAlongK ? range.outer : k); }
  TENON_DEVICE int position(int round, int k) const {
    return Walk::chunk(round) * Tile::kChunk + (kAlongK ? k : range.outer);
  }
  TENON_DEVICE int existing(int round, int k) const {
    if (!Walk::present(round)) return 0;
    const int lines = kAlongK ? range.outers : range.k, length = kAlongK ? range.k : range.outers;
    if (!(kExactK && !kAlongK) && line(round, k) >= lines) return 0;
    return kExactK && kAlongK ? Tile::kChunk : valid_elements(position(round, k), length, Tile::kChunk);
  }
};

// The copier of an operand: by cp.async where it is a matrix with lines aligned to 4 bytes or more, else
// through registers.
template <class Tile, int kThreads, int kCopy, bool kAlongK, bool kExactK, class Source>
TENON_DEVICE auto make_copier(const Source& source, const OperandRange& range) {
  if constexpr (requires { typename Source::Inputs; })
    return RegisterCopier<Source, Tile, kThreads, kAlongK, kExactK>{source, range, {}};
  else if constexpr (kCopy < 4)
    return RegisterCopier<UnalignedMatrix<typename Source::Element>, Tile, kThreads, kAlongK, kExactK>{
        {source}, range, {}};
  else
    return AsyncCopier<Source, Tile, kThreads, kCopy, kAlongK, kExactK>{source, range};
}

// Runs the block's k tiles through the ring; `multiply(tile, stage)` reads each tile's shared memory.
template <GemmConfig kConfig, class A, class B, class Multiply>
TENON_DEVICE void run_tiles(const GemmShape& shape, const GemmPlace& place, const A& a,
                            const B (&b)[kConfig.products], const Multiply& multiply) {
  using Tiles = GemmTiles<kConfig, typename B::Element>;
  constexpr int kProducts = kConfig.products, kAhead = kConfig.stages - 1;
  static_assert(kConfig.stages >= 2);
  unsigned char* const shared = ptx::dynamic_shared();
  auto copy_a =
      make_copier<typename Tiles::A, kConfig.threads(), kConfig.a_copy, Tiles::kAAlongK, kConfig.exact_k>(
          a, {place.row, shape.m, shape.k});
  const auto copier_b = [&](int p) {
    return make_copier<typename Tiles::B, kConfig.threads(), kConfig.b_copy, Tiles::kBAlongK,
                       kConfig.exact_k>(b[p], {place.col, shape.n, shape.k});
  };
  decltype(copier_b(0)) copy_b[kProducts];
#pragma unroll
  for (int p = 0; p < kProducts; ++p) copy_b[p] = copier_b(p);

  const auto begin = [&](int tile, int stage) {
    if (tile < place.tile_end) {
      unsigned char* to = shared + stage * kConfig.stage_bytes();
      copy_a.begin(to, tile * kConfig.block_k);
#pragma unroll
      for (int p = 0; p < kProducts; ++p) copy_b[p].begin(to + Tiles::b_offset(p), tile * kConfig.block_k);
    }
    ptx::cp_async_commit();  // an empty group too, so that the count of groups is the count of tiles
  };
  const auto finish = [&](int tile, int stage) {
    if (tile >= place.tile_end) return;
    unsigned char* to = shared + stage * kConfig.stage_bytes();
    copy_a.finish(to, tile * kConfig.block_k);
#pragma unroll
    for (int p = 0; p < kProducts; ++p) copy_b[p].finish(to + Tiles::b_offset(p), tile * kConfig.block_k);
  };

#pragma unroll
  for (int ahead = 0; ahead < kAhead; ++ahead) {
    begin(place.tile_begin + ahead, ahead);
    finish(place.tile_begin + ahead, ahead);
  }
  int stage = 0;
#pragma unroll 1
  for (int tile = place.tile_begin; tile < place.tile_end; ++tile) {
    ptx::cp_async_wait<kAhead - 1>();
    __syncthreads();  // this tile has arrived for all threads, and the stage before it is free
    const int free_stage = stage == 0 ? kAhead : stage - 1;
    begin(tile + kAhead, free_stage);
    multiply(tile, shared + stage * kConfig.stage_bytes());
    finish(tile + kAhead, free_stage);
    stage = stage == kAhead ? 0 : stage + 1;
  }
  ptx::cp_async_wait<0>();
  __syncthreads();  // the tiles' memory is free
}

}  // namespace tenon
