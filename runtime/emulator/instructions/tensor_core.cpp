// tensor_core.cpp: see tensor_core.h. Loops are written for the compiler's vectors; this file alone may contract a * b + c
// to one operation (CMakeLists.txt), which changes nothing where products are exact, and compute what a select drops.
#include "runtime/emulator/instructions/tensor_core.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/dtype.h"
#include "runtime/simd.h"

namespace tenon::emulator {
namespace {

#define TENON_INLINE inline __attribute__((always_inline))

// --- elements as doubles

/// A float of `kExponent` and `kFraction` bits; kFinite: without infinities, NaN where all bits but the sign are set.
template <int kExponent, int kFraction, bool kFinite>
TENON_INLINE double widen_small(uint32_t bits) {
  constexpr int kBias = (1 << (kExponent - 1)) - 1, kMagnitude = kExponent + kFraction;
  constexpr uint32_t kFractionMask = (1u << kFraction) - 1, kMagnitudeMask = (1u << kMagnitude) - 1;
  constexpr uint32_t kSpecial = kFinite ? kMagnitudeMask : kMagnitudeMask & ~kFractionMask;
  uint32_t magnitude = bits & kMagnitudeMask;
  uint32_t normal = (magnitude << (23 - kFraction)) + ((127 - kBias) << 23);
  float small = static_cast<float>(static_cast<int32_t>(magnitude)) *
                std::bit_cast<float>(static_cast<uint32_t>(128 - kBias - kFraction) << 23);
  uint32_t special = kFinite ? 0x7fc00000u : 0x7f800000u | (magnitude & kFractionMask) << (23 - kFraction);
  uint32_t value = magnitude >> kFraction == 0 ? std::bit_cast<uint32_t>(small) : normal;
  value = magnitude >= kSpecial ? special : value;
  return std::bit_cast<float>(value | (bits >> kMagnitude) << 31);
}

template <Element kElement>
struct Stored;
template <>
struct Stored<Element::kF16> {
  using Type = uint16_t;
  static TENON_INLINE double widen(Type x) { return widen_small<5, 10, false>(x); }
};
template <>
struct Stored<Element::kBf16> {
  using Type = uint16_t;
  static TENON_INLINE double widen(Type x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }
};
template <>
struct Stored<Element::kTf32> {
  using Type = uint32_t;  // the lower 13 bits are not read
  static TENON_INLINE double widen(Type x) { return std::bit_cast<float>(x & ~0x1fffu); }
};
template <>
struct Stored<Element::kE4m3> {
  using Type = uint8_t;
  static TENON_INLINE double widen(Type x) { return widen_small<4, 3, true>(x); }
};
template <>
struct Stored<Element::kE5m2> {
  using Type = uint8_t;
  static TENON_INLINE double widen(Type x) { return widen_small<5, 2, false>(x); }
};
template <>
struct Stored<Element::kS8> {
  using Type = int8_t;
  static TENON_INLINE double widen(Type x) { return x; }
};
template <>
struct Stored<Element::kU8> {
  using Type = uint8_t;
  static TENON_INLINE double widen(Type x) { return x; }
};

template <Element kElement>
TENON_INLINE void widen_core(const std::byte* core, double sign, double* to) {
  using Type = typename Stored<kElement>::Type;
  constexpr int kCount = kCoreBytes / sizeof(Type);
  Type elements[kCount];
  std::memcpy(elements, core, kCoreBytes);
  for (int i = 0; i < kCount; ++i) to[i] = Stored<kElement>::widen(elements[i]) * sign;
}

using Row16 = uint16_t __attribute__((vector_size(16)));

/// Interleaves rows i and i + 4: three times over, that exchanges rows and columns.
TENON_INLINE void interleave(const Row16* from, Row16* to) {
  for (int i = 0; i < 4; ++i) {
    to[2 * i] = __builtin_shufflevector(from[i], from[i + 4], 0, 8, 1, 9, 2, 10, 3, 11);
    to[2 * i + 1] = __builtin_shufflevector(from[i], from[i + 4], 4, 12, 5, 13, 6, 14, 7, 15);
  }
}

/// The row of a core at place p: the inverse of column_place.
constexpr int column_at(int place) { return (place & 3) * 2 + place / 4; }

template <Element kElement>
TENON_INLINE void widen_core_across(const std::byte* core, double sign, double* to) {
  if constexpr (element_bytes(kElement) == 2) {
    Row16 rows[8], mixed[8];
    for (int place = 0; place < 8; ++place)
      std::memcpy(&rows[place], core + kCoreRowBytes * column_at(place), kCoreRowBytes);
    interleave(rows, mixed);
    interleave(mixed, rows);
    interleave(rows, mixed);
    std::byte across[kCoreBytes];
    std::memcpy(across, mixed, kCoreBytes);
    widen_core<kElement>(across, sign, to);
  } else {
    constexpr int kDepth = core_depth(kElement);
    double along[kCoreRows * kDepth];
    widen_core<kElement>(core, sign, along);
    for (int k = 0; k < kDepth; ++k)
      for (int place = 0; place < kTileColumns; ++place)
        to[k * kTileColumns + place] = along[column_at(place) * kDepth + k];
  }
}

template <Element kElement>
TENON_INLINE void widen_cores(const std::byte* const* cores, int count, double sign, bool across,
                              double* to) {
  for (int i = 0; i < count; ++i, to += kCoreRows * core_depth(kElement))
    across ? widen_core_across<kElement>(cores[i], sign, to) : widen_core<kElement>(cores[i], sign, to);
}

TENON_INLINE void widen(Element element, const std::byte* const* cores, int count, double sign, bool across,
                        double* to) {
  switch (element) {
    case Element::kF16: return widen_cores<Element::kF16>(cores, count, sign, across, to);
    case Element::kBf16: return widen_cores<Element::kBf16>(cores, count, sign, across, to);
    case Element::kTf32: return widen_cores<Element::kTf32>(cores, count, sign, across, to);
    case Element::kE4m3: return widen_cores<Element::kE4m3>(cores, count, sign, across, to);
    case Element::kE5m2: return widen_cores<Element::kE5m2>(cores, count, sign, across, to);
    case Element::kS8: return widen_cores<Element::kS8>(cores, count, sign, across, to);
    case Element::kU8: return widen_cores<Element::kU8>(cores, count, sign, across, to);
  }
}

// --- products

using Row = double __attribute__((vector_size(64)));

/// Four rows at a time: their sums and a row of B fit the registers of AVX2, too.
template <int kDepth>
TENON_INLINE void multiply_rows(const double* a, const double* b, int chunks, double* sums) {
  constexpr int kRows = 4, kChunk = kTileRows * kDepth;
  Row sum[kRows];
  for (int r = 0; r < kRows; ++r) std::memcpy(&sum[r], sums + kTileColumns * r, sizeof(Row));
  for (int c = 0; c < chunks; ++c, a += kChunk)
    for (int k = 0; k < kDepth; ++k, b += kTileColumns) {
      Row row;
      std::memcpy(&row, b, sizeof(Row));
      for (int r = 0; r < kRows; ++r) sum[r] += a[r * kDepth + k] * row;
    }
  for (int r = 0; r < kRows; ++r) std::memcpy(sums + kTileColumns * r, &sum[r], sizeof(Row));
}

template <int kDepth>
TENON_INLINE void multiply_tile(const double* a, const double* b, int chunks, double* sums) {
  for (int r = 0; r < kTileRows; r += 4)
    multiply_rows<kDepth>(a + r * kDepth, b, chunks, sums + r * kTileColumns);
}

// --- sums as the hardware makes them. Rows go by reference, and are cast like C, which keeps their bits: what returns a
// vector would differ between clones.

constexpr int kMostDepth = 2 * kCoreRowBytes;  // of a step along k: 32 elements of a byte
using RowBits = uint64_t __attribute__((vector_size(64)));
constexpr uint64_t kSign = uint64_t{1} << 63, kExponent = uint64_t{0x7ff} << 52;

TENON_INLINE void load(Row& row, const double* from) { std::memcpy(&row, from, sizeof(Row)); }

/// 2^e for each exponent e; 0 for zero.
TENON_INLINE void powers_of(Row& row) { row = (Row)((RowBits)(row)&kExponent); }

/// Towards zero to multiples of `unit`, a power of two each; below 2^52 of them.
TENON_INLINE void cut(Row& row, const Row& unit) {
  const RowBits bits = (RowBits)(row);
  const Row magnitude = (Row)(bits & ~kSign), large = unit * 0x1p52;
  Row nearest = (magnitude + large) - large;
  nearest -= nearest > magnitude ? unit : Row{};
  row = (Row)((RowBits)(nearest) | (bits & kSign));
}

/// Towards zero to an f32 (subnormal ones too) of so much fraction; infinity beyond the largest.
TENON_INLINE void cut_to_f32(Row& row, double result_fraction) {
  Row unit = row;
  powers_of(unit);
  unit *= result_fraction;
  unit = unit < 0x1p-149 ? Row{} + 0x1p-149 : unit;
  cut(row, unit);
  const Row infinite = row * std::numeric_limits<double>::infinity();
  const Row magnitude = (Row)((RowBits)(row) & ~kSign);
  row = magnitude >= 0x1p128 ? infinite : row;
}

/// Operands of a tile and the powers of two in them; at which offsets the elements along k lie, in the order of addition.
struct Terms {
  const double *a, *a_powers, *b, *b_powers;
  int a_offset[kMostDepth], b_offset[kMostDepth];
  double fraction, result_fraction;  // 2^-bits
};

/// The group [first, end) of products of one row of the tile, onto that row's sums.
TENON_INLINE void add_group(const Terms& terms, int row_offset, int first, int end, double* sums) {
  Row sum, unit, row;
  load(sum, sums);
  unit = sum;
  powers_of(unit);
  for (int k = first; k < end; ++k) {
    load(row, terms.b_powers + terms.b_offset[k]);
    row = row * terms.a_powers[terms.a_offset[k] + row_offset];
    unit = row > unit ? row : unit;
  }
  unit *= terms.fraction;
  // A row of zeros needs a unit, too: one that no operand reaches.
  unit = unit < 0x1p-500 ? Row{} + 0x1p-500 : unit;
  cut(sum, unit);
  for (int k = first; k < end; ++k) {
    load(row, terms.b + terms.b_offset[k]);
    row = row * terms.a[terms.a_offset[k] + row_offset];
    cut(row, unit);
    sum += row;
  }
  cut_to_f32(sum, terms.result_fraction);
  std::memcpy(sums, &sum, sizeof(Row));
}

/// The powers of two that operands are multiplied with, subnormal ones not normalised.
TENON_INLINE void operand_powers(const double* from, int count, int least_exponent, double* to) {
  const Row least = Row{} + std::ldexp(1.0, least_exponent);
  for (int i = 0; i < count; i += kTileColumns) {
    Row row, powers;
    load(row, from + i);
    powers = row;
    powers_of(powers);
    powers = powers < least ? least : powers;
    powers = row == Row{} ? row : powers;
    std::memcpy(to + i, &powers, sizeof(Row));
  }
}

/// The i-th element along k in the order of addition.
int kth(const SumRule& rule, int i, int count) {
  return rule.through_halves ? i % (count / 2) / 2 * 4 + i % 2 + (i >= count / 2 ? 2 : 0) : i;
}

TENON_SIMD void add_aligned(const SumRule& rule, const double* a, const double* b, int chunks, int depth,
                            double* sums) {
  double a_powers[kTileRows * kMostDepth], b_powers[kTileColumns * kMostDepth];
  operand_powers(a, kTileRows * chunks * depth, rule.least_exponent_a, a_powers);
  operand_powers(b, kTileColumns * chunks * depth, rule.least_exponent_b, b_powers);
  Terms terms = {a,
                 a_powers,
                 b,
                 b_powers,
                 {},
                 {},
                 std::ldexp(1.0, -rule.fraction_bits),
                 std::ldexp(1.0, -rule.result_bits)};
  const int count = chunks * depth;
  for (int i = 0; i < count; ++i) {
    const int k = kth(rule, i, count);
    terms.a_offset[i] = k / depth * kTileRows * depth + k % depth;
    terms.b_offset[i] = k * kTileColumns;
  }
  for (int r = 0; r < kTileRows; ++r, sums += kTileColumns) {
    Row start, sum;
    load(start, sums);
    if (rule.through_halves) std::fill_n(sums, kTileColumns, 0);
    for (int k = 0; k < count; k += rule.terms)
      add_group(terms, r * depth, k, std::min(k + rule.terms, count), sums);
    if (!rule.through_halves) continue;
    load(sum, sums);
    sum += start;
    for (int n = 0; n < kTileColumns; ++n) sums[n] = static_cast<float>(sum[n]);
  }
}

// --- accumulators

constexpr uint32_t kNan32 = 0x7fffffffu;

TENON_INLINE uint32_t f32_bits(double sum) {
  float value = static_cast<float>(sum);
  return value == value ? std::bit_cast<uint32_t>(value) : kNan32;
}

uint32_t s32_bits(double sum, bool saturate) {
  int64_t value = static_cast<int64_t>(sum);
  if (saturate) value = std::clamp<int64_t>(value, INT32_MIN, INT32_MAX);
  return static_cast<uint32_t>(value);
}

uint16_t f16_bits(double sum) { return std::isnan(sum) ? uint16_t{0x7fff} : f64_to_f16(sum); }

TENON_SIMD void load_f32(const void* const* registers, double* sums) {
  for (int half = 0; half < 2; ++half)
    for (int r = 0; r < 8; ++r, sums += kTileColumns) {
      float row[kTileColumns];
      std::memcpy(row, static_cast<const std::byte*>(registers[2 * half]) + 16 * r, 16);
      std::memcpy(row + 4, static_cast<const std::byte*>(registers[2 * half + 1]) + 16 * r, 16);
      for (int i = 0; i < kTileColumns; ++i) sums[i] = row[i];
    }
}

TENON_SIMD void store_f32(const double* sums, void* const* registers) {
  uint32_t bits[kTileElements];
  for (int i = 0; i < kTileElements; ++i) bits[i] = f32_bits(sums[i]);
  for (int half = 0; half < 2; ++half)
    for (int r = 0; r < 8; ++r) {
      const uint32_t* row = bits + (8 * half + r) * kTileColumns;
      std::memcpy(static_cast<std::byte*>(registers[2 * half]) + 16 * r, row, 16);
      std::memcpy(static_cast<std::byte*>(registers[2 * half + 1]) + 16 * r, row + 4, 16);
    }
}

/// Calls body(register, lane, i) for the i-th of the 128 sums: registers of 4 bytes an element.
template <class Body>
void for_each_word(Body body) {
  for (int i = 0; i < kTileElements; ++i) {
    int row = i / kTileColumns, place = i % kTileColumns;
    body(row / 8 * 2 + place / 4, row % 8 * 4 + place % 4, i);
  }
}

}  // namespace

TENON_SIMD void transpose_core(const std::byte* from, std::byte* to) {
  Row16 rows[8], mixed[8];
  std::memcpy(rows, from, kCoreBytes);
  interleave(rows, mixed);
  interleave(mixed, rows);
  interleave(rows, mixed);
  std::memcpy(to, mixed, kCoreBytes);
}

TENON_SIMD void widen_rows(Element element, const std::byte* const* cores, int count, double sign,
                           double* to) {
  widen(element, cores, count, sign, false, to);
}

TENON_SIMD void widen_columns(Element element, const std::byte* const* cores, int count, double sign,
                              double* to) {
  widen(element, cores, count, sign, true, to);
}

TENON_SIMD void multiply_add(const double* a, const double* b, int chunks, int depth, double* sums) {
  switch (depth) {
    case 4: return multiply_tile<4>(a, b, chunks, sums);
    case 8: return multiply_tile<8>(a, b, chunks, sums);
    default: return multiply_tile<16>(a, b, chunks, sums);
  }
}

void multiply_add_aligned(const SumRule& rule, const double* a, const double* b, int chunks, int depth,
                          double* sums) {
  double exact[kTileElements];
  std::memcpy(exact, sums, sizeof(exact));
  multiply_add(a, b, chunks, depth, exact);
  add_aligned(rule, a, b, chunks, depth, sums);
  // What infinities and NaNs come to does not depend on the order of additions.
  for (int i = 0; i < kTileElements; ++i)
    if (!std::isfinite(exact[i])) sums[i] = exact[i];
}

// The one table of how each generation adds. sm_90: tests/golden/gpu holds sums of every type that an H200 made, and these
// rules give its bits. Others: from published measurements (M. Fasi et al., "Numerical behavior of NVIDIA tensor cores",
// PeerJ CS 2021; F. A. Khattak, M. Mikaitis, "Accurate models of NVIDIA tensor cores", arXiv 2512.07004), unconfirmed.
SumRule sum_rule(int arch, MatrixUnit unit, Element a, Element b) {
  const auto least = [](Element e) {
    return e == Element::kF16 || e == Element::kE5m2 ? -14 : e == Element::kE4m3 ? -6 : -126;
  };
  const bool bytes = element_bytes(a) == 1, words = element_bytes(a) == 4;
  SumRule rule;
  rule.least_exponent_a = least(a);
  rule.least_exponent_b = least(b);
  if (arch < 90) {
    rule.terms = bytes ? 16 : words ? 4 : 8;
    rule.fraction_bits = bytes ? 13 : 24;
  } else if (bytes && unit == MatrixUnit::kWarpgroup) {
    rule.terms = 32;
    rule.fraction_bits = rule.result_bits = 13;
  } else if (bytes) {
    rule.through_halves = true;
    rule.least_exponent_a = rule.least_exponent_b = least(Element::kF16);
  } else if (words) {
    rule.terms = 8;
  }
  return rule;
}

void load_sums(Accumulator kind, const void* const* registers, double* sums) {
  if (kind == Accumulator::kF32) return load_f32(registers, sums);
  if (kind == Accumulator::kF16) {
    for (int i = 0; i < kTileElements; ++i) {
      int row = i / kTileColumns, place = i % kTileColumns;
      uint16_t bits;
      std::memcpy(
          &bits,
          static_cast<const std::byte*>(registers[row / 8]) + (row % 8 * kTileColumns + column_at(place)) * 2,
          2);
      sums[i] = f16_to_f32(bits);
    }
    return;
  }
  for_each_word([&](int r, int lane, int i) { sums[i] = static_cast<const int32_t*>(registers[r])[lane]; });
}

void store_sums(Accumulator kind, const double* sums, void* const* registers) {
  if (kind == Accumulator::kF32) return store_f32(sums, registers);
  if (kind == Accumulator::kF16) {
    for (int i = 0; i < kTileElements; ++i) {
      int row = i / kTileColumns, place = i % kTileColumns;
      uint16_t bits = f16_bits(sums[i]);
      std::memcpy(
          static_cast<std::byte*>(registers[row / 8]) + (row % 8 * kTileColumns + column_at(place)) * 2,
          &bits, 2);
    }
    return;
  }
  for_each_word([&](int r, int lane, int i) {
    static_cast<uint32_t*>(registers[r])[lane] = s32_bits(sums[i], kind == Accumulator::kS32Saturated);
  });
}

}  // namespace tenon::emulator
