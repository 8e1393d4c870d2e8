// wgmma.cpp: a warpgroup's matrix instructions (PTX ISA 9.0, 9.7.15).
//
// The four warps of a warpgroup meet at wgmma.mma_async; the last to come multiplies for all, so that none of them can give
// away shared memory that another's share has yet to read. What that means for registers is wgmma_state.h's.
#include <array>
#include <bit>
#include <cstring>

#include "runtime/emulator/instructions/async_state.h"
#include "runtime/emulator/instructions/matrix_descriptor.h"
#include "runtime/emulator/instructions/matrix_types.h"
#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/instructions/tensor_core.h"
#include "runtime/emulator/machine/engine_access.h"

namespace tenon::emulator {
namespace {

constexpr int kRows = kWarpgroupWarps * kTileRows;  // of D
constexpr int kChunks = 2;                          // core matrices along k: every shape has 32 bytes of it
constexpr int kMostColumns = 256;
constexpr int kMostDepth = kChunks * kCoreRowBytes;

/// Words: D, A (4 registers, or the slot of its descriptor), B's descriptor, scale-d.
struct Wgmma {
  Element a, b;
  Accumulator accumulator;
  int columns = 8;
  bool a_in_registers = false;
  bool a_k_major = true, b_k_major = true;
  double a_sign = 1, b_sign = 1;
  SumRule rule;

  int panels() const { return columns / kTileColumns; }
  int panel_registers() const { return accumulator_registers(accumulator); }
  const int32_t* d(const Op& op) const { return op.words; }
  const int32_t* a_words(const Op& op) const { return op.words + panels() * panel_registers(); }
  int32_t b_word(const Op& op) const { return a_words(op)[a_in_registers ? 4 : 1]; }
  PredicateSlot scale_d(const Op& op) const { return a_words(op)[a_in_registers ? 5 : 2]; }
};

const Wgmma& form_of(const Op& op) { return *static_cast<const Wgmma*>(op.form); }

void hazard(const Warp& warp, const Op& op, std::string message, std::vector<std::string> notes = {}) {
  report(warp, op, -1, FindingKind::kRegisterHazard, std::move(message), std::move(notes));
}

/// One wgmma.mma_async of a warpgroup, from its operands to its registers.
class Multiplication {
 public:
  Multiplication(Warp& last, const Op& op) : op_(op), form_(form_of(op)), last_(last) {
    for (int i = 0; i < kWarpgroupWarps; ++i)
      warps_[i] =
          last.block().warps[static_cast<size_t>(last.index() / kWarpgroupWarps * kWarpgroupWarps + i)].get();
  }

  void run() {
    check_registers();
    meet();
    bool good = load_b();
    issue();
    good = good && (form_.a_in_registers ? load_a_registers() : load_a_shared());
    if (!good) a_rows_ = ~uint64_t{0};  // nothing is known of D
    multiply();
  }

 private:
  void check_registers();
  void meet();
  void issue();
  bool load_a_registers();
  bool load_a_shared();
  bool load_b();
  bool descriptor(Slot slot, const char* operand, MatrixDescriptor& descriptor) const;
  bool load(Slot slot, const char* operand, bool k_major, int blocks, std::byte* cores, uint8_t* unwritten);
  void multiply();
  void multiply_panel(int panel, const double* a, const double* b, bool add);
  void finish_panel(int panel, int slice, bool add, void* const* registers, const double* sums);
  bool scale_d() const;

  const Op& op_;
  const Wgmma& form_;
  Warp& last_;
  Warp* warps_[kWarpgroupWarps];
  Agent engine_ = -1;
  /// Core matrices of [chunk][block of 8 rows], and of B [chunk][block of 8 columns].
  std::array<std::byte, kChunks * kRows / 8 * kCoreBytes> a_;
  std::array<std::byte, kChunks * kMostColumns / 8 * kCoreBytes> b_;
  uint64_t a_rows_ = 0;                                   // poison: rows of A
  std::array<uint8_t, kMostColumns / 8> b_columns_ = {};  // poison: columns of B, by panel
};

/// The rules of registers, before they are read.
void Multiplication::check_registers() {
  if (!last_.launch().options.shared_races) return;
  if (const UnfencedWrite* unfenced = last_.program().unfenced_write(op_)) {
    const Op& write = last_.program().ops[static_cast<size_t>(unfenced->write)];
    hazard(last_, op_, "no wgmma.fence stands between this and the write of one of its registers",
           {"the write: ptx line " + std::to_string(write.line) + ": " + last_.program().text(write).str()});
  }
  for (Warp* warp : warps_)
    if (!warp->async().wgmma.fenced) hazard(*warp, op_, "no wgmma.fence comes before the warp's first wgmma");
  for (Warp* warp : warps_)
    for (int i = 0; i < form_.panels() * form_.panel_registers(); ++i)
      warp->async().wgmma.check_unchanged(*warp, form_.d(op_)[i]);
}

/// B is every warp's: it must be there for each of them, whichever comes first. (A's rows are one warp's each.)
void Multiplication::meet() {
  const Block& block = last_.block();
  RaceDetector* races = block.residency().races(block);
  if (!races) return;
  engine_ = races->agents().wgmma(block.rank(), last_.index() / kWarpgroupWarps);
  std::vector<Agent> warps;
  for (Warp* warp : warps_) warps.push_back(races->agents().warp(block.rank(), warp->index()));
  races->meet(engine_, warps);
}

void Multiplication::issue() {
  const Block& block = last_.block();
  RaceDetector* races = block.residency().races(block);
  if (!races) return;
  for (Warp* warp : warps_) races->issue(engine_, races->agents().warp(block.rank(), warp->index()));
}

bool Multiplication::load_a_registers() {
  const int32_t* a = form_.a_words(op_);
  for (int slice = 0; slice < kWarpgroupWarps; ++slice) {
    Warp& warp = *warps_[slice];
    WgmmaState& state = warp.async().wgmma;
    for (int i = 0; i < 2 * kChunks; ++i) {
      if (state.accumulates(a[i]))
        hazard(warp, op_, "A is read from an accumulator that a wgmma in flight still writes");
      int block = 2 * slice + i % 2, chunk = i / 2;
      std::memcpy(a_.data() + (chunk * kRows / 8 + block) * kCoreBytes, warp.lanes<std::byte>(a[i]),
                  kCoreBytes);
      a_rows_ |= uint64_t{rows_of_lanes(state.poison(warp, a[i]))} << 8 * block;
    }
    for (int i = 0; i < 2 * kChunks; ++i)
      if (!state.accumulates(a[i])) state.hold(warp, a[i], WgmmaState::Use::kOperand, op_, warp.poison(a[i]));
  }
  return true;
}

bool Multiplication::load_a_shared() {
  std::array<uint8_t, kRows / 8> rows = {};
  if (!load(form_.a_words(op_)[0], "A", form_.a_k_major, kRows / 8, a_.data(), rows.data())) return false;
  for (int block = 0; block < kRows / 8; ++block)
    a_rows_ |= uint64_t{rows[static_cast<size_t>(block)]} << 8 * block;
  return true;
}

bool Multiplication::load_b() {
  return load(form_.b_word(op_), "B", form_.b_k_major, form_.panels(), b_.data(), b_columns_.data());
}

/// The descriptor that all threads of the warpgroup must agree on.
bool Multiplication::descriptor(Slot slot, const char* operand, MatrixDescriptor& descriptor) const {
  const uint64_t bits = last_.lanes<uint64_t>(slot)[0];
  for (Warp* warp : warps_) {
    if (report_poison(*warp, op_, warp->poison(slot), "a matrix descriptor")) return false;
    const uint64_t* lanes = warp->lanes<uint64_t>(slot);
    uint64_t differs = 0;
    for (int lane = 0; lane < kLanes; ++lane) differs |= lanes[lane] ^ bits;
    if (differs == 0) continue;
    report(*warp, op_, -1, FindingKind::kDescriptor,
           std::string("the descriptor of ") + operand + " is not the same in all threads of the warpgroup");
    return false;
  }
  descriptor = matrix_descriptor(bits);
  const std::string error = descriptor_error(descriptor);
  if (!error.empty())
    report(last_, op_, -1, FindingKind::kDescriptor,
           std::string("the descriptor of ") + operand + ": " + error);
  return error.empty();
}

/// Cores [chunk][block] of an operand, rows along k; bit r of unwritten[block]: its row or column r is not all written.
bool Multiplication::load(Slot slot, const char* operand, bool k_major, int blocks, std::byte* cores,
                          uint8_t* unwritten) {
  MatrixDescriptor layout;
  if (!descriptor(slot, operand, layout)) return false;
  std::array<uint32_t, kChunks * kMostColumns / 8 * kCoreRows> addresses;
  const int count = kChunks * blocks;
  for (int i = 0; i < count; ++i) {
    auto rows = core_addresses(layout, k_major, i % blocks, i / blocks);
    std::memcpy(addresses.data() + i * kCoreRows, rows.data(), sizeof(rows));
  }
  std::array<uint64_t, kChunks * kMostColumns / 8 * kCoreRows / 64> holes;
  const Access access{.warp = last_, .op = op_, .agent = engine_, .async = true};
  const auto pieces = static_cast<size_t>(count * kCoreRows);
  if (!read_pieces(access, {addresses.data(), pieces}, cores, {holes.data(), (pieces + 63) / 64}))
    return false;
  for (int i = 0; i < count; ++i) {
    if (!k_major) transpose_core(cores + i * kCoreBytes, cores + i * kCoreBytes);
    auto rows = static_cast<uint8_t>(holes[static_cast<size_t>(i / 8)] >> i % 8 * 8);
    if (!k_major && rows != 0) rows = 0xff;  // a k of which nothing is known spoils the whole block
    unwritten[i % blocks] |= rows;
  }
  return true;
}

bool Multiplication::scale_d() const {
  const PredicateSlot slot = form_.scale_d(op_);
  const LaneMask first = last_.predicate(slot);
  for (Warp* warp : warps_) {
    report_poison(*warp, op_, warp->predicate_poison(slot), "the scale of D");
    if (warp->predicate(slot) == first && (first == 0 || first == kAllLanes)) continue;
    report(*warp, op_, -1, FindingKind::kDivergentCollective,
           "the scale of D is not the same in all threads of the warpgroup");
    break;
  }
  return first != 0;
}

void Multiplication::multiply() {
  const bool add = scale_d();
  const int depth = core_depth(form_.a), slice = kTileRows * kChunks * depth;
  // Of each warp's 16 rows: [chunk][2][8][depth].
  alignas(64) std::array<double, kRows * kMostDepth> a;
  for (int i = 0; i < kWarpgroupWarps; ++i) {
    const std::byte* cores[2 * kChunks];
    for (int j = 0; j < 2 * kChunks; ++j)
      cores[j] = a_.data() + (j / 2 * kRows / 8 + 2 * i + j % 2) * kCoreBytes;
    widen_rows(form_.a, cores, 2 * kChunks, form_.a_sign, a.data() + i * slice);
  }
  for (int panel = 0; panel < form_.panels(); ++panel) {
    alignas(64) std::array<double, kTileColumns * kMostDepth> b;
    const std::byte* cores[kChunks];
    for (int chunk = 0; chunk < kChunks; ++chunk)
      cores[chunk] = b_.data() + (chunk * form_.panels() + panel) * kCoreBytes;
    widen_columns(form_.b, cores, kChunks, form_.b_sign, b.data());
    multiply_panel(panel, a.data(), b.data(), add);
  }
}

/// Eight columns of D, of all four warps.
void Multiplication::multiply_panel(int panel, const double* a, const double* b, bool add) {
  const int depth = core_depth(form_.a), count = form_.panel_registers();
  const bool aligned = form_.rule.terms > 0 && last_.launch().options.numerics == Numerics::kHardware;
  for (int slice = 0; slice < kWarpgroupWarps; ++slice, a += kTileRows * kChunks * depth) {
    void* registers[4];
    for (int i = 0; i < count; ++i)
      registers[i] = warps_[slice]->lanes<std::byte>(form_.d(op_)[panel * count + i]);
    alignas(64) double sums[kTileElements] = {};
    if (add) load_sums(form_.accumulator, registers, sums);
    if (aligned)
      multiply_add_aligned(form_.rule, a, b, kChunks, depth, sums);
    else
      multiply_add(a, b, kChunks, depth, sums);
    finish_panel(panel, slice, add, registers, sums);
  }
}

void Multiplication::finish_panel(int panel, int slice, bool add, void* const* registers,
                                  const double* sums) {
  Warp& warp = *warps_[slice];
  WgmmaState& state = warp.async().wgmma;
  const int count = form_.panel_registers();
  const int32_t* d = form_.d(op_) + panel * count;
  const auto rows = static_cast<uint32_t>(a_rows_ >> kTileRows * slice & 0xffff);
  LaneMask poison[4];
  for (int i = 0; i < count; ++i) {
    poison[i] = accumulator_lanes(form_.accumulator, i, rows, b_columns_[static_cast<size_t>(panel)]);
    if (add) poison[i] |= state.poison(warp, d[i]);
  }
  store_sums(form_.accumulator, sums, registers);
  for (int i = 0; i < count; ++i) state.hold(warp, d[i], WgmmaState::Use::kAccumulator, op_, poison[i]);
}

// --- wgmma.mma_async

/// Whether all four warps of the warpgroup are there; a finding otherwise.
bool whole_warpgroup(const Warp& warp, const Op& op) {
  const auto& warps = warp.block().warps;
  const auto first = static_cast<size_t>(warp.index() / kWarpgroupWarps * kWarpgroupWarps);
  for (size_t i = first; i < first + kWarpgroupWarps; ++i) {
    if (i < warps.size() && warps[i]->live() == kAllLanes) continue;
    report(warp, op, -1, FindingKind::kDivergentCollective,
           "it wants all 128 threads of the warpgroup, but " +
               (i >= warps.size() ? "the block has no warp " + std::to_string(i)
                                  : "not all lanes of warp " + std::to_string(i) + " are alive"));
    return false;
  }
  return true;
}

/// The warps of a warpgroup are at different wgmmas: nothing is multiplied, and all go on.
void report_different(const Warp& warp, const Op& op, const Op& other) {
  report(warp, op, -1, FindingKind::kDivergentCollective,
         "the warps of the warpgroup execute different wgmma.mma_async",
         {"another warp is at ptx line " + std::to_string(other.line) + ": " +
          warp.program().text(other).str()});
}

Outcome run_mma_async(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  Warpgroup& warpgroup = warp.block().warpgroups[warp.index() / kWarpgroupWarps];
  uint64_t& ticket = warp.group().ticket;
  if (ticket != 0 && ticket != warpgroup.generation) {
    ticket = 0;
    return Outcome::kNext;
  }
  if (ticket == 0) {
    if (active != kAllLanes || !whole_warpgroup(warp, op)) return Outcome::kNext;  // a finding was made
    const bool same = warpgroup.arrived == 0 || warpgroup.op == &op;
    if (!same) report_different(warp, op, *warpgroup.op);
    warpgroup.op = &op;
    warpgroup.arrived |= 1u << warp.index() % kWarpgroupWarps;
    if (!same || warpgroup.arrived == 0xf) {
      if (same) Multiplication(warp, op).run();
      warpgroup.arrived = 0;
      ++warpgroup.generation;
      warp.block().residency().progress();
      return Outcome::kNext;
    }
    ticket = warpgroup.generation;
  }
  warp.waits_for([&] {
    return "the warpgroup, of which " + std::to_string(std::popcount(warpgroup.arrived)) +
           " of 4 warps have come";
  });
  return Outcome::kRetry;
}

/// m64nNkK: fails for a shape that the operands' type does not have.
int columns_of(Decoder& d, llvm::StringRef shape, Element element) {
  int columns = 0, k = 0;
  auto [n, depth] = shape.split('k');
  const bool number = !n.getAsInteger(10, columns) && !depth.getAsInteger(10, k);
  bool fits = number && columns >= 8 && columns <= kMostColumns && columns % 8 == 0 &&
              k == kChunks * core_depth(element);
  if (is_integer(element) && columns > 32 && columns % 16 != 0) fits = false;
  if (!fits) d.fail("m64n" + shape.str() + " is no shape of these operands");
  return columns;
}

void decode_types(Decoder& d, Wgmma& form) {
  llvm::StringRef shape = d.accept_prefix("m64n");
  if (!shape.consume_front("m64n")) d.fail("expected a shape m64nNkK");
  const ptx::Type sum = d.expect_type(), a = d.expect_type(), b = d.expect_type();
  form.a = element_of(d, a);
  form.b = element_of(d, b);
  form.accumulator = accumulator_of(d, sum, form.a, form.b, d.accept("satfinite"));
  form.columns = columns_of(d, shape, form.a);
  form.rule = rule_of(d, MatrixUnit::kWarpgroup, form.a, form.b);
}

double sign_of(Decoder& d, const ptx::Operand& operand) {
  const int64_t sign = d.immediate(operand, -1, 1);
  if (sign == 0) d.fail("a scale is 1 or -1");
  return static_cast<double>(sign);
}

void decode_mma_async(Decoder& d) {
  if (!d.accept("sync") || !d.accept("aligned")) d.fail("expected .sync.aligned");
  if (d.accept("sp")) d.fail("sparse wgmma is not supported");
  auto& form = d.form<Wgmma>();
  decode_types(d, form);
  const bool halves = element_bytes(form.a) == 2;
  if (d.operand_count() < 4) d.fail("wgmma.mma_async wants D, A, B and the scale of D");
  form.a_in_registers = d.operand(1).kind == ptx::Operand::kVector;
  const int scales = is_integer(form.a) ? 0 : 2, transposes = !halves ? 0 : form.a_in_registers ? 1 : 2;
  d.expect_operands(4 + scales + transposes, 4 + scales + transposes);

  const auto registers = static_cast<size_t>(form.panels() * form.panel_registers());
  if (d.operand(0).kind != ptx::Operand::kVector || d.operand(0).elements.size() != registers)
    d.fail("D must have " + std::to_string(registers) + " registers");
  for (const ptx::Operand& element : d.operand(0).elements)
    d.read_write(element, register_type(form.accumulator));
  d.keep_until_wait(d.operand(0));
  if (form.a_in_registers) {
    if (d.read_all(d.operand(1), ptx::Type::kB32) != 4) d.fail("A must have 4 registers");
    d.keep_until_wait(d.operand(1));
  } else {
    d.read(1, ptx::Type::kB64);
  }
  d.read(2, ptx::Type::kB64);
  d.read_predicate(d.operand(3));
  if (scales != 0) {
    form.a_sign = sign_of(d, d.operand(4));
    form.b_sign = sign_of(d, d.operand(5));
  }
  if (transposes == 2) form.a_k_major = d.immediate(d.operand(6), 0, 1) == 0;
  if (transposes != 0) form.b_k_major = d.immediate(d.operand(5 + transposes), 0, 1) == 0;
  d.emit(run_mma_async, OpClass::kMatrix, 2 * kTileRows * form.columns * kChunks * core_depth(form.a));
}

// --- wgmma.fence, commit_group, wait_group

/// What it orders is checked ahead (Program::unfenced_writes).
Outcome run_fence(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  warp.async().wgmma.fenced = true;
  return Outcome::kNext;
}

Outcome run_commit(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  const Block& block = warp.block();
  VectorClock clock;
  if (RaceDetector* races = block.residency().races(block))
    clock = races->release(races->agents().wgmma(block.rank(), warp.index() / kWarpgroupWarps));
  warp.async().wgmma.commit(std::move(clock));
  return Outcome::kNext;
}

Outcome run_wait(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.converge(op, active, kAllLanes)) return Outcome::kRetry;
  const VectorClock clock = warp.async().wgmma.wait(warp, op.words[0]);
  const Block& block = warp.block();
  if (RaceDetector* races = block.residency().races(block); races && !clock.empty())
    races->acquire(races->agents().warp(block.rank(), warp.index()), clock);
  return Outcome::kNext;
}

void decode_wgmma(Decoder& d) {
  if (d.target_arch() != 90) d.fail("wgmma is sm_90a's alone");
  llvm::StringRef operation = d.expect_any({"fence", "commit_group", "wait_group", "mma_async"});
  if (operation == "mma_async") return decode_mma_async(d);
  if (!d.accept("sync") || !d.accept("aligned")) d.fail("expected .sync.aligned");
  const bool wait = operation == "wait_group";
  d.expect_operands(wait, wait);
  if (wait) d.number(static_cast<int32_t>(d.immediate(d.operand(0), 0, INT32_MAX)));
  d.emit(wait ? run_wait : operation == "fence" ? run_fence : run_commit, OpClass::kSync);
}

constexpr OpcodeEntry kOpcodes[] = {{"wgmma", decode_wgmma}};

}  // namespace

OpcodeTable wgmma_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
