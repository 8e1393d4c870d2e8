// tensor_core_test.cpp: values of every element type and places of every element, against formulas written separately.
#include "runtime/emulator/instructions/tensor_core.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include <doctest/doctest.h>
#include "ir/dtype.h"

namespace tenon::emulator {
namespace {

using Register = std::array<std::byte, 128>;

const Element kElements[] = {Element::kF16,  Element::kBf16, Element::kTf32, Element::kE4m3,
                             Element::kE5m2, Element::kS8,   Element::kU8};

/// The value of a float with a sign, `exponent` bits and `fraction` bits, from its definition.
double small_float(uint32_t bits, int exponent, int fraction, bool finite) {
  int bias = (1 << (exponent - 1)) - 1;
  double sign = bits >> (exponent + fraction) & 1 ? -1 : 1;
  int e = static_cast<int>(bits >> fraction & ((1u << exponent) - 1));
  double f = static_cast<double>(bits & ((1u << fraction) - 1)) / (1 << fraction);
  bool last = e == (1 << exponent) - 1;
  if (finite && last && f == 1 - 1.0 / (1 << fraction)) return std::nan("");
  if (!finite && last) return f != 0 ? std::nan("") : sign * std::numeric_limits<double>::infinity();
  return e == 0 ? sign * std::ldexp(f, 1 - bias) : sign * std::ldexp(1 + f, e - bias);
}

double value_of(Element element, uint32_t bits) {
  switch (element) {
    case Element::kF16: return small_float(bits, 5, 10, false);
    case Element::kBf16: return small_float(bits, 8, 7, false);
    case Element::kTf32: return small_float(bits >> 13, 8, 10, false);
    case Element::kE4m3: return small_float(bits, 4, 3, true);
    case Element::kE5m2: return small_float(bits, 5, 2, false);
    case Element::kS8: return static_cast<int8_t>(bits);
    default: return bits & 0xff;
  }
}

bool same(double a, double b) {
  return std::isnan(a) ? std::isnan(b) : a == b && std::signbit(a) == std::signbit(b);
}

uint32_t element_at(const Register& core, Element element, int row, int k) {
  uint32_t bits = 0;
  int bytes = element_bytes(element);
  std::memcpy(&bits, core.data() + row * 16 + k * bytes, static_cast<size_t>(bytes));
  return bits;
}

TEST_CASE("emulator: every value of the narrow element types widens exactly") {
  for (Element element : kElements) {
    int bytes = element_bytes(element), depth = core_depth(element);
    uint32_t step = bytes == 4 ? 0x00012345u : 1, count = bytes == 1 ? 256 : 65536;
    int wrong = 0;
    for (uint32_t first = 0; first < count; first += static_cast<uint32_t>(8 * depth)) {
      Register core;
      for (uint32_t i = 0; i < static_cast<uint32_t>(8 * depth); ++i) {
        uint32_t bits = (first + i) * step;
        std::memcpy(core.data() + i * static_cast<uint32_t>(bytes), &bits, static_cast<size_t>(bytes));
      }
      const std::byte* cores[] = {core.data()};
      std::vector<double> rows(8 * depth), columns(8 * depth);
      widen_rows(element, cores, 1, 1, rows.data());
      widen_columns(element, cores, 1, -1, columns.data());
      for (int r = 0; r < 8; ++r)
        for (int k = 0; k < depth; ++k) {
          double expected = value_of(element, element_at(core, element, r, k));
          if (!same(rows[r * depth + k], expected)) ++wrong;
          double negated = columns[k * 8 + column_place(r)];
          // An integer has no -0, and its sum shows none.
          if (!same(negated + 0.0, -expected + 0.0)) ++wrong;
        }
    }
    CHECK_MESSAGE(wrong == 0, "element ", static_cast<int>(element));
  }
}

TEST_CASE("emulator: a core matrix of halves transposes, in place too") {
  std::array<uint16_t, 64> halves, across;
  for (int i = 0; i < 64; ++i) halves[i] = static_cast<uint16_t>(1000 + i);
  transpose_core(reinterpret_cast<std::byte*>(halves.data()), reinterpret_cast<std::byte*>(across.data()));
  for (int r = 0; r < 8; ++r)
    for (int c = 0; c < 8; ++c) CHECK(across[c * 8 + r] == 1000 + r * 8 + c);
  transpose_core(reinterpret_cast<std::byte*>(across.data()), reinterpret_cast<std::byte*>(across.data()));
  CHECK(across == halves);
}

/// Operands of one m16n8 tile in registers, as the PTX manual lays them out, and their values.
struct Tile {
  Element a_type, b_type;
  int k;
  std::vector<Register> a, b;
  double a_value[16][32] = {}, b_value[32][8] = {};

  Tile(Element a_element, Element b_element, int chunks, uint32_t seed)
      : a_type(a_element), b_type(b_element), k(chunks * core_depth(a_element)), a(2 * chunks), b(chunks) {
    std::mt19937 random(seed);
    int bytes = element_bytes(a_type), in_register = 4 / bytes;
    // Register i of A, lane l, part e: row l / 4 + 8 (i % 2), column (l % 4) parts + e, + 4 parts for the upper registers.
    for (int lane = 0; lane < 32; ++lane)
      for (int e = 0; e < in_register; ++e) {
        for (int i = 0; i < 2 * chunks; ++i)
          a_value[lane / 4 + 8 * (i % 2)][lane % 4 * in_register + e + 4 * in_register * (i / 2)] =
              put(a[i], a_type, lane, e, random());
        for (int i = 0; i < chunks; ++i)
          b_value[lane % 4 * in_register + e + 4 * in_register * i][lane / 4] =
              put(b[i], b_type, lane, e, random());
      }
  }
  /// Writes a moderate value; returns it.
  static double put(Register& to, Element type, int lane, int e, uint32_t random) {
    uint32_t bits = random;
    if (type == Element::kF16) bits = 0x3000 | (random & 0x8fff);
    if (type == Element::kBf16) bits = 0x3e00 | (random & 0x81ff);
    if (type == Element::kTf32) bits = 0x3e000000 | (random & 0x81ffffff);
    if (type == Element::kE4m3) bits = random & 0xb7;
    if (type == Element::kE5m2) bits = random & 0xbb;
    int bytes = element_bytes(type);
    if (bytes == 2) bits &= 0xffff;
    if (bytes == 1) bits &= 0xff;
    std::memcpy(to.data() + lane * 4 + e * bytes, &bits, static_cast<size_t>(bytes));
    return value_of(type, bits);
  }
  double product(int row, int column) const {
    double sum = 0;
    for (int i = 0; i < k; ++i) sum += a_value[row][i] * b_value[i][column];
    return sum;
  }
  /// Widened and multiplied onto the accumulators.
  void multiply(Accumulator kind, std::vector<Register>& c, const SumRule* rule = nullptr) const {
    std::vector<const std::byte*> a_cores, b_cores;
    std::vector<const void*> from;
    std::vector<void*> to;
    for (const Register& r : a) a_cores.push_back(r.data());
    for (const Register& r : b) b_cores.push_back(r.data());
    for (Register& r : c) from.push_back(r.data()), to.push_back(r.data());
    std::vector<double> wide_a(16 * k), wide_b(8 * k), sums(kTileElements);
    int chunks = static_cast<int>(b.size());
    widen_rows(a_type, a_cores.data(), 2 * chunks, 1, wide_a.data());
    widen_columns(b_type, b_cores.data(), chunks, 1, wide_b.data());
    load_sums(kind, from.data(), sums.data());
    if (rule)
      multiply_add_aligned(*rule, wide_a.data(), wide_b.data(), chunks, core_depth(a_type), sums.data());
    else
      multiply_add(wide_a.data(), wide_b.data(), chunks, core_depth(a_type), sums.data());
    store_sums(kind, sums.data(), to.data());
  }
};

/// Calls body(row, column, register, lane, odd half) for each accumulator.
template <class Body>
void for_each_accumulator(Body body) {
  for (int lane = 0; lane < 32; ++lane)
    for (int i = 0; i < 4; ++i) body(lane / 4 + 8 * (i / 2), lane % 4 * 2 + i % 2, i, lane);
}

TEST_CASE("emulator: tiles of every element type multiply, each element in its place") {
  for (Element element : kElements) {
    bool integer = element == Element::kS8 || element == Element::kU8;
    for (int chunks : {1, 2}) {
      Tile tile(element, element, chunks, 17);
      std::vector<Register> c(4);
      int wrong = 0;
      for_each_accumulator([&](int row, int column, int i, int lane) {
        float value = static_cast<float>(row * 8 + column);
        int32_t whole = row * 8 + column;
        std::memcpy(c[i].data() + 4 * lane, integer ? static_cast<void*>(&whole) : &value, 4);
      });
      tile.multiply(integer ? Accumulator::kS32 : Accumulator::kF32, c);
      for_each_accumulator([&](int row, int column, int i, int lane) {
        double exact = tile.product(row, column) + (row * 8 + column), got;
        float value;
        int32_t whole;
        std::memcpy(&value, c[i].data() + 4 * lane, 4);
        std::memcpy(&whole, c[i].data() + 4 * lane, 4);
        got = integer ? whole : value;
        if (std::fabs(got - exact) > std::fabs(exact) * 0x1p-24 + 1e-12) ++wrong;
      });
      CHECK_MESSAGE(wrong == 0, "element ", static_cast<int>(element), " chunks ", chunks);
    }
  }
}

TEST_CASE("emulator: 8-bit floats of both kinds multiply each other, f16 sums hold two columns a register") {
  Tile tile(Element::kE4m3, Element::kE5m2, 2, 5);
  std::vector<Register> c(2);
  for (Register& r : c) r.fill(std::byte{0});
  tile.multiply(Accumulator::kF16, c);
  int wrong = 0;
  for_each_accumulator([&](int row, int column, int i, int lane) {
    uint16_t bits;
    std::memcpy(&bits, c[i / 2].data() + 4 * lane + 2 * (i % 2), 2);
    if (bits != f64_to_f16(tile.product(row, column))) ++wrong;
  });
  CHECK(wrong == 0);
}

TEST_CASE("emulator: integer sums wrap, or saturate where asked") {
  Tile tile(Element::kU8, Element::kU8, 2, 3);
  auto from = [&](int32_t start, Accumulator kind) {
    std::vector<Register> c(4);
    for (Register& r : c)
      for (int lane = 0; lane < 32; ++lane) std::memcpy(r.data() + 4 * lane, &start, 4);
    tile.multiply(kind, c);
    int32_t first;
    std::memcpy(&first, c[0].data(), 4);
    return first;
  };
  auto product = static_cast<int64_t>(tile.product(0, 0));
  REQUIRE(product > 0);
  CHECK(from(INT32_MAX, Accumulator::kS32) ==
        static_cast<int32_t>(static_cast<uint32_t>(INT32_MAX + product)));
  CHECK(from(INT32_MAX, Accumulator::kS32Saturated) == INT32_MAX);
  CHECK(from(-5, Accumulator::kS32Saturated) == product - 5);
}

/// One sum by the hardware's rule: products and the start aligned to the largest, cut, added, cut to f32.
double sum_by_rule(const SumRule& rule, const std::vector<double>& products, double start) {
  double sum = start;
  for (size_t first = 0; first < products.size(); first += static_cast<size_t>(rule.terms)) {
    size_t end = std::min(products.size(), first + static_cast<size_t>(rule.terms));
    int largest = sum == 0 ? -1000 : std::ilogb(sum);
    for (size_t i = first; i < end; ++i)
      if (products[i] != 0) largest = std::max(largest, std::ilogb(products[i]));
    double unit = std::ldexp(1.0, largest - rule.fraction_bits), total = std::trunc(sum / unit);
    for (size_t i = first; i < end; ++i) total += std::trunc(products[i] / unit);
    double exact = total * unit;
    float cut = static_cast<float>(exact);
    if (std::fabs(static_cast<double>(cut)) > std::fabs(exact)) cut = std::nextafterf(cut, 0);
    sum = cut;
  }
  return sum;
}

TEST_CASE("emulator: sums by the hardware's rule are aligned and cut") {
  SumRule rule;
  rule.terms = 4;
  rule.fraction_bits = 23;
  // Powers of two alone: the exponent of a product is the sum of its operands'.
  Tile tile(Element::kBf16, Element::kBf16, 2, 1);
  std::mt19937 random(9);
  for (int lane = 0; lane < 32; ++lane)
    for (int e = 0; e < 2; ++e) {
      auto power = [&] { return static_cast<uint16_t>((random() & 1) << 15 | (112 + random() % 30) << 7); };
      for (size_t i = 0; i < 4; ++i) {
        uint16_t bits = power();
        std::memcpy(tile.a[i].data() + lane * 4 + e * 2, &bits, 2);
        tile.a_value[lane / 4 + 8 * (i % 2)][lane % 4 * 2 + e + 8 * (i / 2)] = bf16_to_f32(bits);
      }
      for (size_t i = 0; i < 2; ++i) {
        uint16_t bits = power();
        std::memcpy(tile.b[i].data() + lane * 4 + e * 2, &bits, 2);
        tile.b_value[lane % 4 * 2 + e + 8 * i][lane / 4] = bf16_to_f32(bits);
      }
    }
  std::vector<Register> c(4);
  const float start = 1.0f + 0x1p-23f;
  for (Register& r : c)
    for (int lane = 0; lane < 32; ++lane) std::memcpy(r.data() + 4 * lane, &start, 4);
  std::vector<Register> rounded = c;
  tile.multiply(Accumulator::kF32, rounded);
  tile.multiply(Accumulator::kF32, c, &rule);
  int wrong = 0, differs = 0;
  for_each_accumulator([&](int row, int column, int i, int lane) {
    std::vector<double> products;
    for (int k = 0; k < 16; ++k) products.push_back(tile.a_value[row][k] * tile.b_value[k][column]);
    float got, nearest;
    std::memcpy(&got, c[i].data() + 4 * lane, 4);
    std::memcpy(&nearest, rounded[i].data() + 4 * lane, 4);
    if (got != sum_by_rule(rule, products, start)) ++wrong;
    if (got != nearest) ++differs;
  });
  CHECK(wrong == 0);
  CHECK(differs > 0);
}

TEST_CASE("emulator: infinities and NaNs pass through both ways of adding") {
  Tile tile(Element::kBf16, Element::kBf16, 1, 2);
  uint16_t infinity = 0x7f80;
  std::memcpy(tile.a[0].data(), &infinity, 2);  // row 0, k 0
  std::vector<Register> c(4);
  for (Register& r : c) r.fill(std::byte{0});
  std::vector<Register> aligned = c;
  SumRule rule = sum_rule(90, MatrixUnit::kWarp, Element::kBf16, Element::kBf16);
  tile.multiply(Accumulator::kF32, c);
  tile.multiply(Accumulator::kF32, aligned, &rule);
  for (std::vector<Register>* result : {&c, &aligned}) {
    float first;
    std::memcpy(&first, (*result)[0].data(), 4);
    CHECK(std::isinf(first));
    CHECK(std::signbit(first) == std::signbit(tile.b_value[0][0]));
    float next_row;
    std::memcpy(&next_row, (*result)[0].data() + 16, 4);
    CHECK(std::isfinite(next_row));
  }
  uint32_t nan = 0x7fc12345, bits;
  std::memcpy(c[0].data(), &nan, 4);
  tile.multiply(Accumulator::kF32, c);
  std::memcpy(&bits, c[0].data(), 4);
  CHECK(bits == 0x7fffffffu);
}

}  // namespace
}  // namespace tenon::emulator
