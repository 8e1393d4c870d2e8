// tensor_core.h: the arithmetic of tensor cores on one tile, apart from where registers and memory keep its operands.
//
// Operands come in core matrices: 8 rows of 16 bytes. A register of a warp is one (of mma and ldmatrix), and so are 8 rows
// of a tile in shared memory (of wgmma). A core of A holds 8 rows of the tile, a core of B 8 columns; along each row
// runs k. Sums are kept in double: a product of two operands is exact there.
#pragma once
#include <cstddef>
#include <cstdint>

namespace tenon::emulator {

enum class Element : uint8_t { kF16, kBf16, kTf32, kE4m3, kE5m2, kS8, kU8 };
/// What sums are kept in, and how they come to it: floats by rounding to nearest, integers modulo 2^32 or saturated.
enum class Accumulator : uint8_t { kF32, kF16, kS32, kS32Saturated };

constexpr int kCoreRows = 8, kCoreRowBytes = 16, kCoreBytes = kCoreRows * kCoreRowBytes;
constexpr int kTileRows = 16, kTileColumns = 8, kTileElements = kTileRows * kTileColumns;
constexpr int element_bytes(Element e) {
  return e == Element::kTf32 ? 4 : e == Element::kF16 || e == Element::kBf16 ? 2 : 1;
}
/// In a row of a core matrix: how far one core reaches along k.
constexpr int core_depth(Element e) { return kCoreRowBytes / element_bytes(e); }
/// Registers of a warp that hold the accumulators of 16 x 8 elements.
constexpr int accumulator_registers(Accumulator kind) { return kind == Accumulator::kF16 ? 2 : 4; }

/// Where column n of a tile stands in a row of sums: even columns first, since an f32 register holds every other one.
constexpr int column_place(int n) { return (n & 1) * 4 + n / 2; }

/// What of a fragment lanes hold, for poison. Lanes 4 r to 4 r + 3 of a register of A, or of an accumulator, hold row r of
/// 8; those of a register of B, column r. Lane l's accumulators hold columns 2 (l % 4) and 2 (l % 4) + 1. Bit r of `rows`
/// is row r, bit n of `columns` column n.
constexpr uint32_t rows_of_lanes(uint32_t lanes) {
  uint32_t rows = 0;
  for (int r = 0; r < 8; ++r) rows |= uint32_t{(lanes >> 4 * r & 0xf) != 0} << r;
  return rows;
}
constexpr uint32_t lanes_of_rows(uint32_t rows) {
  uint32_t lanes = 0;
  for (int r = 0; r < 8; ++r) lanes |= (rows >> r & 1) * (0xfu << 4 * r);
  return lanes;
}
constexpr uint32_t lanes_of_columns(uint32_t columns, int odd) {
  uint32_t quad = 0;
  for (int i = 0; i < 4; ++i) quad |= (columns >> (2 * i + odd) & 1) << i;
  return quad * 0x11111111u;
}
/// The lanes of accumulator register `i` (of accumulator_registers(kind)) that hold one of the 16 `rows` or 8 `columns`.
constexpr uint32_t accumulator_lanes(Accumulator kind, int i, uint32_t rows, uint32_t columns) {
  if (kind == Accumulator::kF16)  // both columns in one register
    return lanes_of_rows(rows >> 8 * i & 0xff) | lanes_of_columns(columns, 0) | lanes_of_columns(columns, 1);
  return lanes_of_rows(rows >> 8 * (i / 2) & 0xff) | lanes_of_columns(columns, i % 2);
}

/// Exchanges rows and columns of a core matrix of 16-bit elements. `to` may be `from`.
void transpose_core(const std::byte* from, std::byte* to);

/// A's cores as doubles times `sign`: to[core][row][k].
void widen_rows(Element element, const std::byte* const* cores, int count, double sign, double* to);
/// B's cores as doubles times `sign`: to[core][k][column_place(column)].
void widen_columns(Element element, const std::byte* const* cores, int count, double sign, double* to);

/// How the hardware adds the products of one step: in groups of `terms`, together with the sum so far. All are aligned to
/// the largest exponent, cut off `fraction_bits` below it, added exactly, and cut to `result_bits` of fraction.
struct SumRule {
  int terms = 16;
  int fraction_bits = 25;
  int result_bits = 23;
  /// Of A's and of B's elements: subnormal ones are not normalised before they are multiplied.
  int least_exponent_a = -126, least_exponent_b = -126;
  /// Bytes are made halves, and multiplied as those in two steps: of each four along k the first two, then the others. They
  /// start from zero; C is added at the end, rounded to nearest.
  bool through_halves = false;
};
enum class MatrixUnit : uint8_t { kWarp /* mma */, kWarpgroup /* wgmma */ };
/// `arch`: 80, 90, ... See tensor_core.cpp for where the numbers are from.
SumRule sum_rule(int arch, MatrixUnit unit, Element a, Element b);

/// sums[16][column_place] += A * B, where a = [chunks][2][8][depth] and b = [chunks][depth][8], `depth` = core_depth.
/// Products and sums in double.
void multiply_add(const double* a, const double* b, int chunks, int depth, double* sums);
/// The same as tensor cores do it. `sums` holds f32 values before and after.
void multiply_add_aligned(const SumRule& rule, const double* a, const double* b, int chunks, int depth,
                          double* sums);

/// Between a warp's accumulator registers (32 lanes of 4 bytes each: PTX's fragment of m16n8) and sums. Registers that
/// are stored may be those that operands were read from.
void load_sums(Accumulator kind, const void* const* registers, double* sums);
void store_sums(Accumulator kind, const double* sums, void* const* registers);

}  // namespace tenon::emulator
