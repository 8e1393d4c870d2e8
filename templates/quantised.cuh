// Right operands kept as integers of 4 or 8 bits, with a scale for each group of neighbours of a line: read as
// integers, widened in registers on their way to the multipliers.
#pragma once
#include "templates/memory.cuh"

namespace tenon {

// The widest unsigned integer that kBytes are some of.
template <int kBytes>
struct WordOf {
  using Type = u8;
};
template <int kBytes>
requires(kBytes % 4 == 2) struct WordOf<kBytes> {
  using Type = u16;
};
template <int kBytes>
requires(kBytes % 4 == 0) struct WordOf<kBytes> {
  using Type = u32;
};

// Lines of `stride` elements, kWidth of them at a time: a source that RegisterCopier takes, and what gemv streams.
// Of two 4-bit integers in a byte the low one comes first. Lines begin at multiples of kAligned bytes, groups at
// multiples of kGroup elements of a line, which `stride` is a multiple of.
template <class T, int kBits, int kGroup, int kWidth, int kAligned>
struct QuantisedMatrix {
  using Element = T;
  static constexpr int kBytes = kWidth * kBits / 8;
  static constexpr int kScales = kGroup % kWidth == 0 ? 1 : kWidth;  // of a chunk
  static_assert((kBits == 4 || kBits == 8) && kWidth * kBits % 8 == 0);
  // Integers stay in words until they are multiplied: bytes apart would take a register each.
  using Word = typename WordOf<kBytes>::Type;
  static constexpr int kWordBits = 8 * int(sizeof(Word));
  struct Chunk {
    Vec<Word, kBytes / int(sizeof(Word))> integers;
    Vec<T, kScales> scales;
  };
  using Inputs = Chunk;
  const void* data;
  const T* scales;
  i64 stride;

  // The first `count` elements from `position` on, of which there is one at least.
  TENON_DEVICE Chunk fetch(int line, int position, int count) const {
    Chunk chunk{};
    const i64 first = line * stride + position;
    const u8* const from = static_cast<const u8*>(data) + first * kBits / 8;
    if constexpr (kAligned % kBytes == 0) {  // then lines are whole chunks
      chunk.integers = load_raw<kBytes / int(sizeof(Word))>(reinterpret_cast<const Word*>(from));
    } else {
#pragma unroll
      for (int i = 0; i < kBytes; ++i)
        if (i * 8 / kBits < count) chunk.integers[i * 8 / kWordBits] |= Word(from[i]) << (i * 8 % kWordBits);
    }
    const T* const line_scales = scales + line * (stride / kGroup);
#pragma unroll
    for (int i = 0; i < kScales; ++i)
      if (i < count) chunk.scales[i] = line_scales[(position + i) / kGroup];
    return chunk;
  }
  TENON_DEVICE Chunk load(int line, int position) const { return fetch(line, position, kWidth); }

  // Offset by half its range an integer is the first bits of the mantissa of a power of two: no conversion. A 16-bit
  // scale times the offset is exact, so a fused multiply-add takes it away; the offset of an f32 scale goes first.
  TENON_DEVICE static Vec<float, kWidth> floats(const Chunk& chunk) {
    constexpr u32 kPower = 1u << kBits, kHalf = kPower / 2;
    constexpr float kOffset = float(kPower + kHalf);
    Vec<float, kWidth> values;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) {
      const u32 word = chunk.integers[i * kBits / kWordBits];
      const u32 bits = word >> (i * kBits % kWordBits) & (kPower - 1);
      const float raised = __builtin_bit_cast(float, u32(127 + kBits) << 23 | (bits ^ kHalf) << (23 - kBits));
      const float scale = widen(chunk.scales[kScales == 1 ? 0 : i]);
      values[i] = Storage16<T> ? fmaf(raised, scale, -kOffset * scale) : (raised - kOffset) * scale;
    }
    return values;
  }
  TENON_DEVICE static auto words(const Chunk& chunk) {
    return __builtin_bit_cast(Vec<u32, kWidth* int(sizeof(T)) / 4>, cast<T>(floats(chunk)));
  }
  TENON_DEVICE Vec<T, kWidth> operator()(const Inputs& inputs, int, int) const {
    return cast<T>(floats(inputs));
  }
};

}  // namespace tenon
