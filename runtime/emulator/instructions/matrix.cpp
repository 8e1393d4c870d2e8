// matrix.cpp: a warp's matrix instructions: mma, ldmatrix, stmatrix, movmatrix (PTX ISA 9.0, 9.7.14.5).
//
// Each register of an operand is a core matrix of 8 rows of 16 bytes (tensor_core.h), since 4 lanes hold a row: element
// (r, c) of 16-bit elements is half c % 2 of lane 4 r + c / 2. All 32 lanes take part.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/instructions/tensor_core.h"
#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

using Core = std::array<std::byte, kCoreBytes>;

void expect_aligned(Decoder& d) {
  if (!d.accept("sync") || !d.accept("aligned")) d.fail("expected .sync.aligned");
}

/// Which of a core's 64 halves (bit 8 r + c) nothing computed, where bit l of `lanes` is lane l.
uint64_t halves_of_lanes(LaneMask lanes) {
  uint64_t halves = 0;
  for (LaneMask rest = lanes; rest != 0; rest &= rest - 1)
    halves |= uint64_t{3} << 2 * std::countr_zero(rest);
  return halves;
}

LaneMask lanes_of_halves(uint64_t halves) {
  LaneMask lanes = 0;
  for (int lane = 0; lane < kLanes; ++lane) lanes |= LaneMask{(halves >> 2 * lane & 3) != 0} << lane;
  return lanes;
}

uint64_t transpose_halves(uint64_t halves) {
  uint64_t across = 0;
  for (uint64_t rest = halves; rest != 0; rest &= rest - 1) {
    int bit = std::countr_zero(rest);
    across |= uint64_t{1} << (bit % 8 * 8 + bit / 8);
  }
  return across;
}

/// A core into a register of the active lanes.
void write_core(Warp& warp, Slot slot, LaneMask active, const Core& core, LaneMask poisoned) {
  std::byte* to = warp.lanes<std::byte>(slot);
  if (active == kAllLanes)
    std::memcpy(to, core.data(), kCoreBytes);
  else
    for (LaneMask rest = active; rest != 0; rest &= rest - 1)
      std::memcpy(to + 4 * std::countr_zero(rest), core.data() + 4 * std::countr_zero(rest), 4);
  warp.set_poison(slot, active, poisoned);
}

// --- ldmatrix, stmatrix: words: base, offset, registers

struct MatrixAccess {
  int count = 1;  ///< of matrices: lanes 8 i to 8 i + 7 give the rows of matrix i
  bool transposed = false;
  bool generic = false, wide = false;  ///< the address: of any space; a register of 64 bits
};

/// The addresses of the rows of matrix i.
std::array<uint64_t, kCoreRows> row_addresses(const Warp& warp, const MatrixAccess& form, const int32_t* w,
                                              int i) {
  std::array<uint64_t, kCoreRows> rows;
  int64_t offset = w[1];
  for (int r = 0; r < kCoreRows; ++r) {
    int lane = i * kCoreRows + r;
    uint64_t base = form.wide ? warp.lanes<uint64_t>(w[0])[lane] : warp.lanes<uint32_t>(w[0])[lane];
    rows[r] = base + static_cast<uint64_t>(offset);
  }
  return rows;
}

Accessed access_row(const Access& access, const MatrixAccess& form, uint64_t address, int64_t bytes) {
  int alignment = static_cast<int>(bytes);
  return form.generic ? access_generic(access, address, bytes, alignment)
                      : access_shared(access, static_cast<uint32_t>(address), bytes, alignment);
}

/// Passes over the banks for the 8 rows of a matrix: rows of one 16-byte column of banks take turns, but for equal ones.
int bank_passes(const std::array<uint64_t, kCoreRows>& rows) {
  uint32_t columns = 0;
  for (uint64_t row : rows) columns |= 1u << (row >> 4 & 7);
  if (columns == 0xff) return 1;
  int most = 1;
  for (int column = 0; column < 8; ++column) {
    int different = 0;
    for (int r = 0; r < kCoreRows; ++r)
      if (static_cast<int>(rows[r] >> 4 & 7) == column)
        different += std::find(rows.begin(), rows.begin() + r, rows[r]) == rows.begin() + r;
    most = std::max(most, different);
  }
  return most;
}

void count_passes(OpMeter& meter, const std::array<uint64_t, kCoreRows>& rows) {
  int passes = bank_passes(rows);
  meter.shared_passes += static_cast<uint64_t>(passes);
  meter.shared_conflicts += static_cast<uint64_t>(passes - 1);
}

/// Loads one row; returns which of its 8 halves nothing wrote.
uint64_t load_row(Warp& warp, const Op& op, const MatrixAccess& form, int lane, uint64_t address,
                  std::byte* to) {
  Access access{warp, op, lane};
  Accessed row = access_row(access, form, address, kCoreRowBytes);
  if (!row) {
    std::memset(to, 0, kCoreRowBytes);
    return 0xff;
  }
  std::memcpy(to, row.bytes, kCoreRowBytes);
  if (row.initialised) return 0;
  uint64_t halves = 0;
  for (int c = 0; c < 8; ++c) {
    Accessed half = access_row(access, form, address + 2 * c, 2);
    halves |= uint64_t{!half || !half.initialised} << c;
  }
  return halves;
}

bool addresses_are_poison(Warp& warp, const Op& op, const MatrixAccess& form) {
  LaneMask used = form.count == 4 ? kAllLanes : (LaneMask{1} << form.count * kCoreRows) - 1;
  LaneMask bad = warp.poison(op.words[0]) & used;
  return bad != 0 && report_poison(warp, op, bad, "an address");
}

Outcome run_ldmatrix(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  const auto& form = *static_cast<const MatrixAccess*>(op.form);
  const int32_t* w = op.words;
  if (addresses_are_poison(warp, op, form)) {
    for (int i = 0; i < form.count; ++i) warp.set_poison(w[2 + i], active, kAllLanes);
    return Outcome::kNext;
  }
  // All rows are read first: a register may be that of the addresses.
  Core cores[4];
  uint64_t unknown[4] = {};
  OpMeter& meter = warp.meter(op);
  for (int i = 0; i < form.count; ++i) {
    auto rows = row_addresses(warp, form, w, i);
    count_passes(meter, rows);
    for (int r = 0; r < kCoreRows; ++r)
      unknown[i] |= load_row(warp, op, form, i * kCoreRows + r, rows[r], cores[i].data() + r * kCoreRowBytes)
                    << 8 * r;
  }
  for (int i = 0; i < form.count; ++i) {
    if (form.transposed) {
      transpose_core(cores[i].data(), cores[i].data());
      unknown[i] = transpose_halves(unknown[i]);
    }
    write_core(warp, w[2 + i], active, cores[i], unknown[i] == 0 ? 0 : lanes_of_halves(unknown[i]));
  }
  return Outcome::kNext;
}

/// Stores one row. Where some of its halves are poison, each goes alone, so that only those become uninitialised.
void store_row(Warp& warp, const Op& op, const MatrixAccess& form, int lane, uint64_t address,
               const std::byte* from, uint32_t poisoned) {
  int parts = poisoned == 0 ? 1 : 8, bytes = kCoreRowBytes / parts;
  for (int part = 0; part < parts; ++part) {
    Access access{warp, op, lane, AccessKind::kWrite};
    access.poisoned = (poisoned >> part & 1) != 0;
    if (Accessed to = access_row(access, form, address + static_cast<uint64_t>(part * bytes), bytes))
      std::memcpy(to.bytes, from + part * bytes, static_cast<size_t>(bytes));
  }
}

Outcome run_stmatrix(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  const auto& form = *static_cast<const MatrixAccess*>(op.form);
  const int32_t* w = op.words;
  if (addresses_are_poison(warp, op, form)) return Outcome::kNext;
  OpMeter& meter = warp.meter(op);
  for (int i = 0; i < form.count; ++i) {
    Core core;
    std::memcpy(core.data(), warp.lanes<std::byte>(w[2 + i]), kCoreBytes);
    uint64_t poisoned = halves_of_lanes(warp.poison(w[2 + i]));
    if (form.transposed) {
      transpose_core(core.data(), core.data());
      poisoned = transpose_halves(poisoned);
    }
    auto rows = row_addresses(warp, form, w, i);
    count_passes(meter, rows);
    for (int r = 0; r < kCoreRows; ++r)
      store_row(warp, op, form, i * kCoreRows + r, rows[r], core.data() + r * kCoreRowBytes,
                static_cast<uint32_t>(poisoned >> 8 * r & 0xff));
  }
  return Outcome::kNext;
}

/// The modifiers that both share. The address is operand `address`, the registers are operand 1 - `address`.
void decode_matrix_access(Decoder& d, bool load) {
  expect_aligned(d);
  if (!d.accept("m8n8")) d.fail("only .m8n8 matrices are supported");
  llvm::StringRef count = d.expect_any({"x1", "x2", "x4"});
  auto& form = d.form<MatrixAccess>();
  form.count = count.back() - '0';
  form.transposed = d.accept("trans");
  ptx::Space space = d.accept_space();
  if (space != ptx::Space::kShared && space != ptx::Space::kGeneric)
    d.fail("matrices are in shared memory: expected .shared");
  form.generic = space == ptx::Space::kGeneric;
  if (!d.accept("b16")) d.fail("only .b16 elements are supported");
  d.expect_operands(2, 2);
  d.address(d.operand(load ? 1 : 0), space, &form.wide);
  int registers =
      load ? d.write_all(d.operand(0), ptx::Type::kB32) : d.read_all(d.operand(1), ptx::Type::kB32);
  if (registers != form.count) d.fail("expected one register a matrix");
  d.emit(load ? run_ldmatrix : run_stmatrix, load ? OpClass::kLoadShared : OpClass::kStoreShared);
}

void decode_ldmatrix(Decoder& d) { decode_matrix_access(d, true); }

void decode_stmatrix(Decoder& d) {
  if (d.target_arch() < 90) d.fail("stmatrix needs sm_90 or newer");
  decode_matrix_access(d, false);
}

// --- movmatrix: words: to, from

Outcome run_movmatrix(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  Core core;
  transpose_core(warp.lanes<std::byte>(op.words[1]), core.data());
  LaneMask poison = warp.poison(op.words[1]);
  if (poison != 0) poison = lanes_of_halves(transpose_halves(halves_of_lanes(poison)));
  write_core(warp, op.words[0], active, core, poison);
  return Outcome::kNext;
}

void decode_movmatrix(Decoder& d) {
  expect_aligned(d);
  if (!d.accept("m8n8") || !d.accept("trans") || !d.accept("b16")) d.fail("expected .m8n8.trans.b16");
  d.expect_operands(2, 2);
  d.write(0, ptx::Type::kB32);
  d.read(1, ptx::Type::kB32);
  d.emit(run_movmatrix, OpClass::kShuffle);
}

// --- mma: words: D, A (register 2 c + h: rows 8 h, chunk c of k), B (register c), C

struct Mma {
  Element a, b;
  Accumulator accumulator;
  int chunks = 1;  ///< core matrices along k
  SumRule rule;
};
constexpr int kMostChunks = 2, kMostElements = kTileRows * 2 * kCoreRowBytes;

/// Rows of D whose lanes' operands nothing computed: what row r of A or C, or column n of B, spoils.
void poison_result(Warp& warp, const Mma& form, const int32_t* d, const int32_t* a, const int32_t* b,
                   const int32_t* c, LaneMask active) {
  int registers = accumulator_registers(form.accumulator);
  LaneMask rows[2] = {}, columns = 0;  // of each half of the rows: lanes of D
  for (int i = 0; i < 2 * form.chunks; ++i) rows[i & 1] |= warp.poison(a[i]);
  for (int i = 0; i < form.chunks; ++i) columns |= warp.poison(b[i]);
  LaneMask from_c[4] = {};
  for (int i = 0; i < registers; ++i) from_c[i] = warp.poison(c[i]);
  LaneMask by_row[2] = {}, by_column[2] = {};  // columns: even ones, odd ones
  for (int lane = 0; lane < kLanes; ++lane) {
    LaneMask quad = LaneMask{0xf} << (lane & ~3);
    for (int half = 0; half < 2; ++half) by_row[half] |= LaneMask{(rows[half] & quad) != 0} << lane;
    // Lane l of D holds columns 2 (l % 4) and the next; lanes 4 n to 4 n + 3 of B hold column n.
    for (int odd = 0; odd < 2; ++odd) {
      int column = 2 * (lane & 3) + odd;
      by_column[odd] |= LaneMask{(columns >> 4 * column & 0xf) != 0} << lane;
    }
  }
  for (int i = 0; i < registers; ++i) {
    bool both = registers == 2;  // f16: a register holds both columns
    LaneMask column = both ? by_column[0] | by_column[1] : by_column[i & 1];
    warp.set_poison(d[i], active, by_row[both ? i : i / 2] | column | from_c[i]);
  }
}

Outcome run_mma(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  const auto& form = *static_cast<const Mma*>(op.form);
  int registers = accumulator_registers(form.accumulator);
  const int32_t *d = op.words, *a = d + registers, *b = a + 2 * form.chunks, *c = b + form.chunks;

  const std::byte *a_cores[2 * kMostChunks], *b_cores[kMostChunks];
  const void* c_registers[4];
  void* d_registers[4];
  LaneMask poison = 0;
  for (int i = 0; i < 2 * form.chunks; ++i)
    a_cores[i] = warp.lanes<std::byte>(a[i]), poison |= warp.poison(a[i]);
  for (int i = 0; i < form.chunks; ++i) b_cores[i] = warp.lanes<std::byte>(b[i]), poison |= warp.poison(b[i]);
  for (int i = 0; i < registers; ++i)
    c_registers[i] = warp.lanes<std::byte>(c[i]), poison |= warp.poison(c[i]);

  alignas(64) double wide_a[kMostElements], wide_b[kMostElements / 2], sums[kTileElements];
  int depth = core_depth(form.a);
  widen_rows(form.a, a_cores, 2 * form.chunks, 1, wide_a);
  widen_columns(form.b, b_cores, form.chunks, 1, wide_b);
  load_sums(form.accumulator, c_registers, sums);
  if (form.rule.terms > 0 && warp.launch().options.numerics == Numerics::kHardware)
    multiply_add_aligned(form.rule, wide_a, wide_b, form.chunks, depth, sums);
  else
    multiply_add(wide_a, wide_b, form.chunks, depth, sums);

  if (poison != 0)
    poison_result(warp, form, d, a, b, c, active);
  else
    for (int i = 0; i < registers; ++i) warp.set_poison(d[i], active, 0);
  Core kept[4];
  for (int i = 0; i < registers; ++i)
    d_registers[i] = active == kAllLanes ? warp.lanes<std::byte>(d[i]) : kept[i].data();
  store_sums(form.accumulator, sums, d_registers);
  if (active != kAllLanes)
    for (int i = 0; i < registers; ++i) write_core(warp, d[i], active, kept[i], warp.poison(d[i]));
  return Outcome::kNext;
}

Element element_of(Decoder& d, ptx::Type type) {
  switch (type) {
    case ptx::Type::kF16: return Element::kF16;
    case ptx::Type::kBf16: return Element::kBf16;
    case ptx::Type::kTf32: return Element::kTf32;
    case ptx::Type::kE4m3: return Element::kE4m3;
    case ptx::Type::kE5m2: return Element::kE5m2;
    case ptx::Type::kS8: return Element::kS8;
    case ptx::Type::kU8: return Element::kU8;
    default: d.fail("tensor cores do not multiply ." + ptx::name(type).str() + " in this shape");
  }
}

bool is_integer(Element e) { return e == Element::kS8 || e == Element::kU8; }
bool is_small_float(Element e) { return e == Element::kE4m3 || e == Element::kE5m2; }

/// The accumulators' kind from the types of D and C; fails where the operands do not go with it.
Accumulator accumulator_of(Decoder& d, ptx::Type type, ptx::Type c, Element a, Element b, bool saturate) {
  bool mixes = a == b || (is_integer(a) && is_integer(b)) || (is_small_float(a) && is_small_float(b));
  if (!mixes) d.fail("A and B are of types that do not go together");
  if (type != c) d.fail("C and D must be of one type");
  if (is_integer(a)) {
    if (type != ptx::Type::kS32) d.fail("integers are summed in .s32");
    return saturate ? Accumulator::kS32Saturated : Accumulator::kS32;
  }
  if (saturate) d.fail(".satfinite is for integers");
  if (type == ptx::Type::kF32) return Accumulator::kF32;
  if (type == ptx::Type::kF16 && (a == Element::kF16 || is_small_float(a))) return Accumulator::kF16;
  d.fail("no accumulators of ." + ptx::name(type).str() + " for these operands");
}

void decode_mma(Decoder& d) {
  expect_aligned(d);
  llvm::StringRef shape = d.expect_any({"m16n8k4", "m16n8k8", "m16n8k16", "m16n8k32"});
  if (!d.accept("row") || !d.accept("col")) d.fail("expected .row.col");
  bool saturate = d.accept("satfinite");
  ptx::Type types[4];
  for (ptx::Type& type : types) type = d.expect_type();
  auto& form = d.form<Mma>();
  form.a = element_of(d, types[1]);
  form.b = element_of(d, types[2]);
  form.accumulator = accumulator_of(d, types[0], types[3], form.a, form.b, saturate);
  int k = 0;
  shape.substr(5).getAsInteger(10, k);
  form.chunks = k / core_depth(form.a);
  if (form.chunks < 1 || form.chunks > kMostChunks)
    d.fail(shape.str() + " is no shape of ." + ptx::name(types[1]).str());
  if (is_small_float(form.a) && d.target_arch() < 89) d.fail("8-bit floats need sm_89 or newer");
  form.rule = sum_rule(d.target_arch(), form.a, form.b);
  if (is_integer(form.a)) form.rule.terms = 0;  // integers are exact

  d.expect_operands(4, 4);
  bool packed = form.accumulator == Accumulator::kF16;
  ptx::Type sum_type = packed ? ptx::Type::kB32 : types[0];
  int counts[4] = {d.write_all(d.operand(0), sum_type), d.read_all(d.operand(1), ptx::Type::kB32),
                   d.read_all(d.operand(2), ptx::Type::kB32), d.read_all(d.operand(3), sum_type)};
  int registers = accumulator_registers(form.accumulator);
  int expected[4] = {registers, 2 * form.chunks, form.chunks, registers};
  for (int i = 0; i < 4; ++i)
    if (counts[i] != expected[i])
      d.fail("operand " + std::to_string(i + 1) + " must have " + std::to_string(expected[i]) + " registers");
  d.emit(run_mma, OpClass::kMatrix, 2 * kTileRows * kTileColumns * k);
}

constexpr OpcodeEntry kOpcodes[] = {
    {"mma", decode_mma},
    {"ldmatrix", decode_ldmatrix},
    {"stmatrix", decode_stmatrix},
    {"movmatrix", decode_movmatrix},
};

}  // namespace

OpcodeTable matrix_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
