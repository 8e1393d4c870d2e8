// How the threads of a block multiply few rows by quantised weights on tensor cores: integers go to the multipliers as
// they lie, between the bits of a power of two, and a scale meets the sum of its group rather than each element.
#pragma once
#include "templates/gemv_threads.cuh"
#include "templates/ptx/lop3.cuh"

namespace tenon {

// Integers of a word as pairs of 16-bit numbers: pair j are elements j and j + kElements / 2, whose bits lie 16 apart and so
// become mantissas in one step. A number is its integer more than that of zero. (bf16 has too few bits for 8: two pieces.)
template <class T, int kBits>
struct QuantisedWord {
  static constexpr int kElements = 32 / kBits, kPairs = kElements / 2;
  static constexpr int kPieces =
      kSame<T, bf16> && kBits == 8 ? 2 : 1;  // numbers that an element is the sum of

  TENON_DEVICE static u32 pair(u32 word, int piece, int j) {
    const int first = j * kBits;
    if constexpr (kPieces == 2)
      return ptx::and_xor(shifted(word, first + 4 * piece), 0x000f000fu, zero(piece));
    if constexpr (kSame<T, bf16>) return ptx::and_xor(shifted(word, first), 0x000f000fu, zero(piece));
    if constexpr (kBits == 8) return ptx::and_xor(shifted(word, first), 0x00ff00ffu, zero(piece));
    return ptx::and_xor(shifted(word, first - 4), 0x00f000f0u, zero(piece));
  }
  // A pair of integers of zero: a power of two whose mantissa's last bits they are, and half of their range, which turns two's
  // complement into a distance from the smallest.
  TENON_DEVICE static constexpr u32 zero(int piece) {
    if constexpr (kPieces == 2) return piece ? 0x45084508u : 0x43004300u;  // 16 (128 + 8 + ..) and 128 + ..
    if constexpr (kSame<T, bf16>) return 0x43084308u;                      // 128 + 8
    return kBits == 8 ? 0x64806480u : 0x54805480u;                         // 1024 + 128, 64 + 8
  }

 private:
  TENON_DEVICE static u32 shifted(u32 word, int right) { return right < 0 ? word << -right : word >> right; }
};

// Lines of quantised weights along k for GemvGroups: kDepth neighbours a lane, of 4 * kDepth a warp. Lines begin at multiples
// of kAligned bytes; with kEven they have an even number of groups.
template <class T, int kBits, int kGroup, int kDepth, int kAligned, bool kEven>
struct QuantisedGroups {
  using Element = T;
  using Word = QuantisedWord<T, kBits>;
  static constexpr int kWords = kDepth / Word::kElements;
  static constexpr int kParts =
      kGroup < 4 * kDepth ? 4 * kDepth / kGroup : 1;   // groups that a warp's k lies in
  static constexpr int kScales = kParts == 1 ? 1 : 2;  // of the groups whose sums mma leaves in one lane
  static_assert(kGroup * kParts % (4 * kDepth) == 0 && kGroup % kDepth == 0 && kAligned % (4 * kWords) == 0);
  struct Chunk {
    Vec<u32, kWords> words;
    Vec<T, kScales> scales;
  };
  const void* data;
  const T* scales;
  i64 stride;
  u64 policy = ptx::evict_first_policy();

  // `further` lines after `line`; of those, addresses in the text of the program are distances from one.
  TENON_DEVICE Chunk load(int line, int position, int further = 0) const {
    Chunk chunk;
    const u8* const from = static_cast<const u8*>(data) +
                           (u64(line) * u64(stride) + u32(position)) * kBits / 8 +
                           u64(further) * (u64(stride) * kBits / 8);
    if constexpr (kWords == 4)
      ptx::load_stream(chunk.words.lane, from, policy);
    else
      chunk.words = load_raw<kWords>(reinterpret_cast<const u32*>(from));
    const u32 q = threadIdx.x % 4,
              group = u32(position - q * kDepth) / kGroup + (kParts == 4 ? q % 2 * 2 : 0);
    const u64 groups = u64(stride) / kGroup;  // of a line
    constexpr int kNeighbours = kEven ? kScales : 1;
    chunk.scales =
        load_raw<kScales, kNeighbours>(scales + u64(line) * groups + group + u64(further) * groups);
    return chunk;
  }
};

// Tensor cores as in GemvMma, but the sums of a group stay apart until its scale has met them: where a warp's k lies in
// several groups, each takes columns of mma's right operand of its own, in which the rows are zero outside the group.
template <GemvConfig kConfig, class T>
struct GemvGroups {
  static constexpr int kParts = kConfig.parts();
  static constexpr int kRows = kConfig.rows * kParts / 8;  // of A that a thread reads, and right operands
  static constexpr int kFragments = kConfig.columns / 2;
  static constexpr int kSums = kParts == 1 ? 4 : 2;  // of a fragment: those of neighbouring parts are one
  static constexpr int kMask = 2, kLast = 1;
  static_assert(Storage16<T> && kConfig.b_contiguous == Contiguous::k && kConfig.groups == 8 &&
                kConfig.rows * kParts % 8 == 0 && kConfig.columns % 2 == 0 && kConfig.lanes % 4 == 0);
  using Rows = Vec<T, kConfig.depth>[kRows];

  TENON_DEVICE static int g() { return threadIdx.x % 32 / 4; }
  TENON_DEVICE static int q() { return threadIdx.x % 4; }
  TENON_DEVICE static int lane() { return threadIdx.x / 32 * 4 + q(); }
  TENON_DEVICE static int warp_k() { return threadIdx.x / 32; }
  TENON_DEVICE static int column(int line) { return line * 8 + g(); }
  TENON_DEVICE static int row(int i) { return (i * 8 + g()) / kParts; }
  TENON_DEVICE static bool sums_rows() { return true; }
  TENON_DEVICE static bool stores_rows() { return g() % kParts == 0; }

  float sums[kConfig.products * kFragments * kRows][kSums] = {};

  template <class Lines>
  TENON_DEVICE void add(int product, const typename Lines::Chunk (&lines)[kConfig.lines()], const Rows& a) {
    using Word = typename Lines::Word;
    if (product == 0) sum_zeros<Word>(a);
#pragma unroll
    for (int f = 0; f < kFragments; ++f) {
      float group_sums[kChains][kRows][4] = {};
#pragma unroll
      for (int i = 0; i < kSteps<Word>; ++i) {
        const Step step = step_of<Word>(i);
        unsigned fragment[4];
#pragma unroll
        for (int part = 0; part < 4; ++part)
          fragment[part] =
              Word::pair(lines[2 * f + part % 2].words[step.word], step.piece, step.pair + part / 2);
        add_step<Word>(group_sums[i % kChains], fragment, a, step);
      }
#pragma unroll
      for (int i = 0; i < 4 * kRows; ++i) {
        const int r = i / 4, at = i % 4;
        float whole = zeros_[r][at];
#pragma unroll
        for (int chain = 0; chain < kChains; ++chain) whole += group_sums[chain][r][at];
        float& sum = sums[(product * kFragments + f) * kRows + r][kParts == 1 ? at : at / 2];
        sum = fmaf(widen(lines[2 * f + at / 2].scales[kParts == 1 ? 0 : at % 2]), whole, sum);
      }
    }
  }
  TENON_DEVICE void stage(float* to) {
#pragma unroll
    for (int i = 0; i < kConfig.products * kFragments * kRows * kSums; ++i) {
      const int fragment = i / (kRows * kSums) % kFragments, product = i / (kRows * kSums * kFragments);
      const int r = i / kSums % kRows, half = kParts == 1 ? i % 4 / 2 : i % 2;
      float sum = sums[i / kSums][i % kSums];
      if constexpr (kParts == 4) sum += shuffle_xor(sum, 1);
      const int row = (r * 8 + 2 * q() + (kParts == 1 ? i % 2 : 0)) / kParts;
      if (kParts == 4 && q() % 2 != 0) continue;
      to[(product * kConfig.rows + row) * kConfig.block_n() + fragment * 16 + half * 8 + g()] = sum;
    }
  }

 private:
  // One mma, of two pairs of a word.
  struct Step {
    int word, piece, pair;
  };
  template <class Word>
  static constexpr int kSteps = kConfig.depth / Word::kElements* Word::kPieces* Word::kPairs / 2;
  static constexpr int kChains =
      kFragments * kRows == 1 ? 2 : 1;  // an mma waits long for the sums of the one before

  float zeros_[kRows][4];  // what integers of zero add up to, as a negative: the same for all lines

  template <class Word>
  TENON_DEVICE static Step step_of(int i) {
    constexpr int kOfPiece = Word::kPairs / 2;
    return {i / (Word::kPieces * kOfPiece), i / kOfPiece % Word::kPieces, i % kOfPiece * 2};
  }
  template <class Word>
  TENON_DEVICE static void add_step(float (&to)[kRows][4], const unsigned (&fragment)[4], const Rows& a,
                                    Step step) {
#pragma unroll
    for (int r = 0; r < kRows; ++r)
      multiply_fragments<T>(
          to[r], fragment,
          {row_pair<Word>(a[r], step.word, step.pair), row_pair<Word>(a[r], step.word, step.pair + 1)});
  }
  template <class Word>
  TENON_DEVICE void sum_zeros(const Rows& a) {
#pragma unroll
    for (int i = 0; i < 4 * kRows; ++i) zeros_[i / 4][i % 4] = 0.0f;
#pragma unroll
    for (int i = 0; i < kSteps<Word>; ++i) {
      const Step step = step_of<Word>(i);
      const u32 zero = Word::zero(step.piece) ^ 0x80008000u;
      add_step<Word>(zeros_, {zero, zero, zero, zero}, a, step);
    }
  }
  // The elements of a row that meet pair j of a word.
  template <class Word>
  TENON_DEVICE static u32 row_pair(const Vec<T, kConfig.depth>& row, int word, int j) {
    const int first = word * Word::kElements + j;
    const u32 pair = row[first].bits | u32(row[first + Word::kElements / 2].bits) << 16;
    return kParts == 1 || g() % kParts == q() * kParts / 4 ? pair : 0;
  }
};
template <GemvConfig kConfig, class T>
requires(kConfig.tensor_cores&& kConfig.group > 0) struct GemvThreads<kConfig, T> : GemvGroups<kConfig, T> {
};

}  // namespace tenon
