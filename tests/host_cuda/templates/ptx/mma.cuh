// Host versions of templates/ptx/mma.cuh: fragments are gathered into matrices, multiplied in f64, rounded
// once.
#pragma once
#include "templates/ptx/convert.cuh"

namespace tenon::ptx {

struct Bf16Format {
  static constexpr int kDepth = 16;
  static double value(unsigned bits) { return __builtin_bit_cast(float, bits << 16); }
};
struct F16Format {
  static constexpr int kDepth = 16;
  static double value(unsigned bits) { return float_from_f16(static_cast<unsigned short>(bits)); }
};
struct Tf32Format {  // the multiplier does not see the low 13 bits
  static constexpr int kDepth = 8;
  static double value(unsigned bits) { return __builtin_bit_cast(float, bits & 0xffffe000); }
};

template <class Format>
struct MmaRecord {
  float* d;
  const unsigned *a, *b;

  // Element k of the row (of a) or column (of b) that words `low` (k below half) and `high` hold a quarter
  // of.
  static double element(void* const* records, const unsigned* MmaRecord::*operand, int g, int k, int low,
                        int high) {
    constexpr int kHalf = Format::kDepth / 2;
    const int word = k < kHalf ? low : high, in_half = k % kHalf;
    if constexpr (Format::kDepth == 8) {
      return Format::value((static_cast<const MmaRecord*>(records[4 * g + in_half])->*operand)[word]);
    } else {
      const unsigned pair = (static_cast<const MmaRecord*>(records[4 * g + in_half / 2])->*operand)[word];
      return Format::value(in_half % 2 ? pair >> 16 : pair & 0xffff);
    }
  }
  static void combine(void* const* records) {
    double a[16][Format::kDepth], b[8][Format::kDepth];
    for (int k = 0; k < Format::kDepth; ++k)
      for (int g = 0; g < 8; ++g) {
        a[g][k] = element(records, &MmaRecord::a, g, k, 0, 2);
        a[g + 8][k] = element(records, &MmaRecord::a, g, k, 1, 3);
        b[g][k] = element(records, &MmaRecord::b, g, k, 0, 1);
      }
    for (int lane = 0; lane < 32; ++lane)
      for (int i = 0; i < 4; ++i) {
        float& d = static_cast<MmaRecord*>(records[lane])->d[i];
        double sum = d;
        for (int k = 0; k < Format::kDepth; ++k)
          sum += a[lane / 4 + 8 * (i / 2)][k] * b[2 * (lane % 4) + i % 2][k];
        d = static_cast<float>(sum);
      }
  }
};
template <class Format>
inline void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  MmaRecord<Format> record{d, a, b};
  tenon_host->collective("mma", 0xffffffffu, &record, record.combine);
}
inline void mma_m16n8k16_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  mma<Bf16Format>(d, a, b);
}
inline void mma_m16n8k16_f16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  mma<F16Format>(d, a, b);
}
inline void mma_m16n8k8_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  mma<Tf32Format>(d, a, b);
}

}  // namespace tenon::ptx
