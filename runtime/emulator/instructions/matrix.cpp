// matrix.cpp: a warp's matrix instructions: mma, ldmatrix, stmatrix, movmatrix (PTX ISA 9.0, 9.7.14.5).
//
// Each register of an operand is a core matrix of 8 rows of 16 bytes (tensor_core.h), since 4 lanes hold a row: element
// (r, c) of 16-bit elements is half c % 2 of lane 4 r + c / 2. All 32 lanes take part.
#include <array>
#include <bit>
#include <cstring>

#include "runtime/emulator/instructions/matrix_types.h"
#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/instructions/tensor_core.h"
#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/machine/bits.h"

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

/// The rows' addresses in shared memory, by lane; lanes whose address is of no row or of other memory are left out of the
/// result.
LaneMask row_addresses(Warp& warp, const Op& op, const MatrixAccess& form, LaneAddresses& rows) {
  LaneMask used = form.count == 4 ? kAllLanes : (LaneMask{1} << form.count * kCoreRows) - 1;
  LaneMask bad = warp.poison(op.words[0]) & used;
  if (bad != 0 && report_poison(warp, op, bad, "an address")) return 0;
  const auto offset = static_cast<uint64_t>(static_cast<int64_t>(op.words[1]));
  LaneMask elsewhere = 0;
  for (int lane = 0; lane < form.count * kCoreRows; ++lane) {
    rows[lane] = offset + (form.wide ? warp.lanes<uint64_t>(op.words[0])[lane]
                                     : warp.lanes<uint32_t>(op.words[0])[lane]);
    if (form.generic) rows[lane] -= kSharedWindow;
    if (form.generic && rows[lane] >= kWindowBytes) elsewhere |= LaneMask{1} << lane;
    rows[lane] &= 0xffff'ffff;
  }
  if (elsewhere != 0)
    report(warp, op, std::countr_zero(elsewhere), FindingKind::kOutOfBounds,
           "a matrix's row is not in shared memory");
  return used & ~elsewhere;
}

/// The bits of a row in shared memory, one a byte, that say what was written: their words and the first one's number.
uint64_t* written_bits(const Access& access, uint64_t address, int64_t& first) {
  uint32_t offset = 0;
  Block* owner = shared_owner(access, static_cast<uint32_t>(address), offset);
  first = offset;
  return owner ? owner->shared.initialised.data() : nullptr;
}

/// Which of the 8 halves of a row nothing wrote.
uint64_t unwritten_halves(const Access& access, uint64_t address) {
  int64_t first = 0;
  const uint64_t* bits = written_bits(access, address, first);
  uint64_t halves = 0;
  for (int c = 0; c < 8; ++c) halves |= uint64_t{bits == nullptr || !all_bits(bits, first + 2 * c, 2)} << c;
  return halves;
}

Outcome run_ldmatrix(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  const auto& form = *static_cast<const MatrixAccess*>(op.form);
  LaneAddresses rows;
  LaneBytes found;
  Access access{warp, op};
  LaneMask used = row_addresses(warp, op, form, rows);
  if (used != 0) access_lanes(access, used, ptx::Space::kShared, rows, kCoreRowBytes, 0, found);
  LaneMask good = found.lanes & ~found.uninitialised;
  // All rows are read before a register is written: it may be that of the addresses.
  Core cores[4] = {};
  uint64_t unknown[4] = {};
  for (int i = 0; i < form.count; ++i)
    for (int r = 0; r < kCoreRows; ++r) {
      access.lane = i * kCoreRows + r;
      LaneMask bit = LaneMask{1} << access.lane;
      if (found.lanes & bit) std::memcpy(&cores[i][r * kCoreRowBytes], found.at[access.lane], kCoreRowBytes);
      if (good & bit) continue;
      uint64_t halves = found.lanes & bit ? unwritten_halves(access, rows[access.lane]) : 0xff;
      unknown[i] |= halves << 8 * r;
    }
  for (int i = 0; i < form.count; ++i) {
    if (form.transposed) transpose_core(cores[i].data(), cores[i].data());
    if (form.transposed && unknown[i] != 0) unknown[i] = transpose_halves(unknown[i]);
    write_core(warp, op.words[2 + i], active, cores[i], unknown[i] == 0 ? 0 : lanes_of_halves(unknown[i]));
  }
  return Outcome::kNext;
}

/// Makes the halves of a row that hold poison uninitialised: those alone.
void forget_halves(const Access& access, uint64_t address, uint64_t halves) {
  int64_t first = 0;
  uint64_t* bits = written_bits(access, address, first);
  for (int c = 0; bits != nullptr && c < 8; ++c)
    if (halves >> c & 1) clear_bits(bits, first + 2 * c, 2);
}

Outcome run_stmatrix(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  const auto& form = *static_cast<const MatrixAccess*>(op.form);
  LaneAddresses rows;
  LaneBytes found;
  Access access{warp, op, 0, AccessKind::kWrite};
  LaneMask used = row_addresses(warp, op, form, rows);
  if (used == 0) return Outcome::kNext;
  access_lanes(access, used, ptx::Space::kShared, rows, kCoreRowBytes, 0, found);
  for (int i = 0; i < form.count; ++i) {
    Core core;
    std::memcpy(core.data(), warp.lanes<std::byte>(op.words[2 + i]), kCoreBytes);
    uint64_t poisoned = halves_of_lanes(warp.poison(op.words[2 + i]));
    if (form.transposed) {
      transpose_core(core.data(), core.data());
      poisoned = transpose_halves(poisoned);
    }
    for (int r = 0; r < kCoreRows; ++r) {
      access.lane = i * kCoreRows + r;
      if ((found.lanes >> access.lane & 1) == 0) continue;
      std::memcpy(found.at[access.lane], core.data() + r * kCoreRowBytes, kCoreRowBytes);
      if (uint64_t halves = poisoned >> 8 * r & 0xff; halves != 0)
        forget_halves(access, rows[access.lane], halves);
    }
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

/// Poison of D: what row r of A or C, or column n of B, spoils.
void poison_result(Warp& warp, const Mma& form, const int32_t* d, const int32_t* a, const int32_t* b,
                   const int32_t* c, LaneMask active) {
  uint32_t rows = 0, columns = 0;
  for (int i = 0; i < 2 * form.chunks; ++i) rows |= rows_of_lanes(warp.poison(a[i])) << 8 * (i & 1);
  for (int i = 0; i < form.chunks; ++i) columns |= rows_of_lanes(warp.poison(b[i]));
  int registers = accumulator_registers(form.accumulator);
  LaneMask poison[4];
  for (int i = 0; i < registers; ++i)
    poison[i] = accumulator_lanes(form.accumulator, i, rows, columns) | warp.poison(c[i]);
  for (int i = 0; i < registers; ++i) warp.set_poison(d[i], active, poison[i]);
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
  if (types[0] != types[3]) d.fail("C and D must be of one type");
  form.accumulator = accumulator_of(d, types[0], form.a, form.b, saturate);
  int k = 0;
  shape.substr(6).getAsInteger(10, k);
  form.chunks = k / core_depth(form.a);
  if (form.chunks < 1 || form.chunks > kMostChunks)
    d.fail(shape.str() + " is no shape of ." + ptx::name(types[1]).str());
  if (is_small_float(form.a) && d.target_arch() < 89) d.fail("8-bit floats need sm_89 or newer");
  form.rule = rule_of(d, MatrixUnit::kWarp, form.a, form.b);

  d.expect_operands(4, 4);
  ptx::Type sum_type = register_type(form.accumulator);
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
