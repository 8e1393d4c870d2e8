// move.cpp: values and addresses from one place to another, and what a thread may ask about itself.
#include <algorithm>
#include <cstring>

#include "llvm/ADT/STLExtras.h"
#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

using ptx::Operand;
using ptx::Space;
using ptx::Type;

template <class T, class F>
[[gnu::always_inline]] inline void each_lane(T* out, LaneMask active, const F& value) {
  if (active == kAllLanes)
    for (int lane = 0; lane < kLanes; ++lane) out[lane] = value(lane);
  else
    for (LaneMask rest = active; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      out[lane] = value(lane);
    }
}

// --- mov of a register or a constant

// Words: to, from.
template <class T>
Outcome run_mov(Warp& warp, const Op& op, LaneMask active) {
  const T* from = warp.lanes<T>(op.words[1]);
  T* to = warp.lanes<T>(op.words[0]);
  if (active == kAllLanes)
    std::memmove(to, from, kLanes * sizeof(T));
  else
    each_lane(to, active, [&](int lane) { return from[lane]; });
  warp.set_poison(op.words[0], active, warp.poison(op.words[1]));
  return Outcome::kNext;
}

// Words: to, from.
Outcome run_mov_predicate(Warp& warp, const Op& op, LaneMask active) {
  warp.set_predicate(op.words[0], active, warp.predicate(op.words[1]), warp.predicate_poison(op.words[1]));
  return Outcome::kNext;
}

// Words: to, 0 or 1.
Outcome run_set_predicate(Warp& warp, const Op& op, LaneMask active) {
  warp.set_predicate(op.words[0], active, op.words[1] ? kAllLanes : 0);
  return Outcome::kNext;
}

// --- mov of {a, b, ..} to and from one register

uint64_t lane_bits(const Warp& warp, Slot slot, int lane, bool wide) {
  return wide ? warp.lanes<uint64_t>(slot)[lane] : warp.lanes<uint32_t>(slot)[lane];
}

void set_lane_bits(Warp& warp, Slot slot, int lane, bool wide, uint64_t value) {
  if (wide)
    warp.lanes<uint64_t>(slot)[lane] = value;
  else
    warp.lanes<uint32_t>(slot)[lane] = static_cast<uint32_t>(value);
}

struct PackForm {
  int parts = 0, part_bits = 0;
  uint64_t part_mask() const { return (uint64_t{1} << part_bits) - 1; }
};

// Words: to, parts. The commonest form, two halves of a word.
template <class Whole, int kPartBits>
Outcome run_pack_two(Warp& warp, const Op& op, LaneMask active) {
  const uint32_t* low = warp.lanes<uint32_t>(op.words[1]);
  const uint32_t* high = warp.lanes<uint32_t>(op.words[2]);
  each_lane(warp.lanes<Whole>(op.words[0]), active,
            [&](int lane) { return static_cast<Whole>(high[lane]) << kPartBits | low[lane]; });
  warp.set_poison(op.words[0], active, warp.poison(op.words[1]) | warp.poison(op.words[2]));
  return Outcome::kNext;
}

Outcome run_pack(Warp& warp, const Op& op, LaneMask active) {
  const auto& form = *static_cast<const PackForm*>(op.form);
  const bool wide = form.parts * form.part_bits > 32;
  LaneMask poison = 0;
  for (int part = 0; part < form.parts; ++part) poison |= warp.poison(op.words[1 + part]);
  for (LaneMask rest = active; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    uint64_t whole = 0;
    for (int part = 0; part < form.parts; ++part)
      whole |= lane_bits(warp, op.words[1 + part], lane, false) << part * form.part_bits;
    set_lane_bits(warp, op.words[0], lane, wide, whole);
  }
  warp.set_poison(op.words[0], active, poison);
  return Outcome::kNext;
}

// Words: from, parts.
Outcome run_unpack(Warp& warp, const Op& op, LaneMask active) {
  const auto& form = *static_cast<const PackForm*>(op.form);
  const bool wide = form.parts * form.part_bits > 32;
  uint64_t whole[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) whole[lane] = lane_bits(warp, op.words[0], lane, wide);
  const LaneMask poison = warp.poison(op.words[0]);
  for (int part = 0; part < form.parts; ++part) {
    const int shift = part * form.part_bits;
    each_lane(warp.lanes<uint32_t>(op.words[1 + part]), active,
              [&](int lane) { return static_cast<uint32_t>(whole[lane] >> shift & form.part_mask()); });
    warp.set_poison(op.words[1 + part], active, poison);
  }
  return Outcome::kNext;
}

Type bits_type(Decoder& decoder, int bits) {
  switch (bits) {
    case 8: return Type::kB8;
    case 16: return Type::kB16;
    case 32: return Type::kB32;
  }
  decoder.fail("a vector of " + std::to_string(bits) + "-bit parts is not supported");
}

PackForm pack_form(Decoder& decoder, const Operand& vector, Type type) {
  PackForm form;
  form.parts = static_cast<int>(vector.elements.size());
  if (form.parts != 2 && form.parts != 4) decoder.fail("mov takes vectors of 2 or 4 parts");
  if (ptx::bits(type) > 64) decoder.fail("mov of 128 bits is not supported");
  form.part_bits = ptx::bits(type) / form.parts;
  return form;
}

void decode_pack(Decoder& decoder, Type type) {
  const PackForm form = pack_form(decoder, decoder.operand(1), type);
  decoder.write(0, type);
  decoder.read_all(decoder.operand(1), bits_type(decoder, form.part_bits));
  if (form.parts == 2 && form.part_bits == 16)
    return decoder.emit(run_pack_two<uint32_t, 16>, OpClass::kMove);
  if (form.parts == 2 && form.part_bits == 32)
    return decoder.emit(run_pack_two<uint64_t, 32>, OpClass::kMove);
  decoder.form<PackForm>() = form;
  decoder.emit(run_pack, OpClass::kMove);
}

void decode_unpack(Decoder& decoder, Type type) {
  const PackForm form = pack_form(decoder, decoder.operand(0), type);
  decoder.read(1, type);
  decoder.write_all(decoder.operand(0), bits_type(decoder, form.part_bits));
  decoder.form<PackForm>() = form;
  decoder.emit(run_unpack, OpClass::kMove);
}

// --- special registers

struct Asker {
  Warp& warp;
  Block& block() const { return warp.block(); }
  const Launch& launch() const { return warp.launch(); }
  const LaunchRequest& request() const { return launch().request; }
};

int product(const int (&extents)[3]) { return extents[0] * extents[1] * extents[2]; }

int thread_index(const Asker& asker, int lane, int axis) {
  const int(&extents)[3] = asker.request().block;
  const int linear = asker.warp.thread(lane);
  if (axis == 0) return linear % extents[0];
  return axis == 1 ? linear / extents[0] % extents[1] : linear / (extents[0] * extents[1]);
}

int block_number(const Asker& asker) {
  const int(&grid)[3] = asker.request().grid;
  return asker.block().index(0) + grid[0] * (asker.block().index(1) + grid[1] * asker.block().index(2));
}

// Time that passes when it is asked for: a nanosecond and a clock are one.
uint64_t time(const Asker& asker) { return asker.warp.tick(); }

int64_t shared_bytes(const Asker& asker) {
  return asker.warp.program().static_shared_bytes + asker.request().dynamic_shared_bytes;
}

using SpecialValue = uint64_t (*)(const Asker& asker, int lane, int axis);
struct Special {
  llvm::StringRef name;  ///< without the axis
  int bits;              ///< 1: a predicate
  bool by_lane;
  SpecialValue value;
};

#define VALUE(...)                                         \
  [](const Asker& asker, int lane, int axis) -> uint64_t { \
    (void)asker, (void)lane, (void)axis;                   \
    return __VA_ARGS__;                                    \
  }
constexpr uint64_t kOne = 1;
const Special kSpecials[] = {
    {"%tid", 32, true, VALUE(thread_index(asker, lane, axis))},
    {"%laneid", 32, true, VALUE(lane)},
    {"%lanemask_eq", 32, true, VALUE(kOne << lane)},
    {"%lanemask_lt", 32, true, VALUE((kOne << lane) - 1)},
    {"%lanemask_le", 32, true, VALUE((kOne << lane << 1) - 1)},
    {"%lanemask_gt", 32, true, VALUE(static_cast<uint32_t>(~((kOne << lane << 1) - 1)))},
    {"%lanemask_ge", 32, true, VALUE(static_cast<uint32_t>(~((kOne << lane) - 1)))},
    {"%ntid", 32, false, VALUE(asker.request().block[axis])},
    {"%ctaid", 32, false, VALUE(asker.block().index(axis))},
    {"%nctaid", 32, false, VALUE(asker.request().grid[axis])},
    {"%warpid", 32, false, VALUE(asker.warp.index())},
    {"%nwarpid", 32, false, VALUE((product(asker.request().block) + kLanes - 1) / kLanes)},
    {"%smid", 32, false, VALUE(block_number(asker) % std::max(asker.launch().options.multiprocessors, 1))},
    {"%nsmid", 32, false, VALUE(asker.launch().options.multiprocessors)},
    {"%gridid", 64, false, VALUE(1)},
    {"%clusterid", 32, false, VALUE(asker.block().index(axis) / asker.request().cluster[axis])},
    {"%nclusterid", 32, false, VALUE(asker.request().grid[axis] / asker.request().cluster[axis])},
    {"%cluster_ctaid", 32, false, VALUE(asker.block().index(axis) % asker.request().cluster[axis])},
    {"%cluster_nctaid", 32, false, VALUE(asker.request().cluster[axis])},
    {"%cluster_ctarank", 32, false, VALUE(asker.block().rank())},
    {"%cluster_nctarank", 32, false, VALUE(product(asker.request().cluster))},
    {"%is_explicit_cluster", 1, false, VALUE(product(asker.request().cluster) > 1)},
    {"%clock", 32, false, VALUE(static_cast<uint32_t>(time(asker)))},
    {"%clock_hi", 32, false, VALUE(time(asker) >> 32)},
    {"%clock64", 64, false, VALUE(time(asker))},
    {"%globaltimer", 64, false, VALUE(time(asker))},
    {"%globaltimer_lo", 32, false, VALUE(static_cast<uint32_t>(time(asker)))},
    {"%globaltimer_hi", 32, false, VALUE(time(asker) >> 32)},
    {"%dynamic_smem_size", 32, false, VALUE(asker.request().dynamic_shared_bytes)},
    {"%total_smem_size", 32, false, VALUE(shared_bytes(asker))},
    {"%aggr_smem_size", 32, false, VALUE(shared_bytes(asker))},
    {"%reserved_smem_offset_begin", 32, false, VALUE(0)},
    {"%reserved_smem_offset_end", 32, false, VALUE(kSharedBase)},
    {"%reserved_smem_offset_cap", 32, false, VALUE(kSharedBase)},
    {"%current_graph_exec", 64, false, VALUE(0)},
    {"WARP_SZ", 32, false, VALUE(kLanes)},
};
#undef VALUE

struct SpecialForm {
  const Special* special = nullptr;
  int axis = 0;
};

// Words: to.
template <class T>
Outcome run_special(Warp& warp, const Op& op, LaneMask active) {
  const auto& [special, axis] = *static_cast<const SpecialForm*>(op.form);
  const Asker asker{warp};
  T* to = warp.lanes<T>(op.words[0]);
  if (special->by_lane) {
    each_lane(to, active, [&, value = special->value, axis = axis](int lane) {
      return static_cast<T>(value(asker, lane, axis));
    });
  } else {
    const auto value = static_cast<T>(special->value(asker, 0, axis));
    each_lane(to, active, [&](int) { return value; });
  }
  warp.set_poison(op.words[0], active, 0);
  return Outcome::kNext;
}

Outcome run_special_predicate(Warp& warp, const Op& op, LaneMask active) {
  const auto& [special, axis] = *static_cast<const SpecialForm*>(op.form);
  warp.set_predicate(op.words[0], active, special->value({warp}, 0, axis) ? kAllLanes : 0);
  return Outcome::kNext;
}

void decode_special(Decoder& decoder, Type type) {
  const auto [name, axis] = decoder.operand(1).name.split('.');
  const Special* special =
      llvm::find_if(kSpecials, [&, name = name](const Special& s) { return s.name == name; });
  if (special == std::end(kSpecials) || axis == "w")
    decoder.fail("the special register '" + decoder.operand(1).name.str() + "' is not supported");
  // A 64-bit register may be read by halves; a 32-bit one has nothing more to give.
  const int bits = ptx::bits(type);
  if (bits != special->bits && !(special->bits == 64 && bits == 32))
    decoder.fail("'" + decoder.operand(1).name.str() + "' has " + std::to_string(special->bits) + " bits, ." +
                 ptx::name(type).str() + " has " + std::to_string(bits));
  decoder.form<SpecialForm>() = {special, axis == "y" ? 1 : axis == "z" ? 2 : 0};
  if (type == Type::kPred) {
    decoder.write_predicate(decoder.operand(0));
    return decoder.emit(run_special_predicate, OpClass::kMove);
  }
  decoder.write(0, type);
  decoder.emit(bits == 64 ? run_special<uint64_t> : run_special<uint32_t>, OpClass::kMove);
}

void decode_predicate_mov(Decoder& decoder) {
  decoder.write_predicate(decoder.operand(0));
  const Operand& from = decoder.operand(1);
  if (from.kind == Operand::kNumber) {
    decoder.number(decoder.immediate(from, -1, 1) != 0);
    return decoder.emit(run_set_predicate, OpClass::kMove);
  }
  decoder.read_predicate(from);
  decoder.emit(run_mov_predicate, OpClass::kMove);
}

void decode_mov(Decoder& decoder) {
  const Type type = decoder.expect_type();
  decoder.expect_operands(2, 2);
  if (decoder.operand(1).kind == Operand::kSpecial) return decode_special(decoder, type);
  if (type == Type::kPred) return decode_predicate_mov(decoder);
  if (decoder.operand(1).kind == Operand::kFunction) decoder.fail("pointers to functions are not supported");
  if (decoder.operand(0).kind == Operand::kVector) return decode_unpack(decoder, type);
  if (decoder.operand(1).kind == Operand::kVector) return decode_pack(decoder, type);
  decoder.write(0, type);
  decoder.read(1, type);
  decoder.emit(ptx::bits(type) == 64 ? run_mov<uint64_t> : run_mov<uint32_t>, OpClass::kMove);
}

// --- addresses

// What lies between an address in its space and its generic address.
uint64_t window(Decoder& decoder, Space space) {
  switch (space) {
    case Space::kShared: return kSharedWindow;
    case Space::kLocal: return kLocalWindow;
    case Space::kParam: return kParamWindow;
    case Space::kGlobal:
    case Space::kConst: return 0;
    case Space::kNone:
    case Space::kGeneric: break;
  }
  decoder.fail("'" + decoder.instruction().text.str() + "' lacks a state space");
}

// Words: to, from, what to add (a constant).
Outcome run_add_window(Warp& warp, const Op& op, LaneMask active) {
  const uint64_t* from = warp.lanes<uint64_t>(op.words[1]);
  const uint64_t added = warp.lanes<uint64_t>(op.words[2])[0];
  each_lane(warp.lanes<uint64_t>(op.words[0]), active, [&](int lane) { return from[lane] + added; });
  warp.set_poison(op.words[0], active, warp.poison(op.words[1]));
  return Outcome::kNext;
}

void decode_cvta(Decoder& decoder) {
  const bool to_space = decoder.accept("to");
  const Space space = decoder.space_of(decoder.operand(1), decoder.accept_space());
  const Type type = decoder.expect_type();
  if (type != Type::kU64) decoder.fail("generic addresses have 64 bits; .u64 is wanted");
  decoder.expect_operands(2, 2);
  const uint64_t added = window(decoder, space);
  decoder.write(0, type);
  decoder.read(1, type);
  if (added == 0) return decoder.emit(run_mov<uint64_t>, OpClass::kMove);
  Operand constant;
  constant.kind = Operand::kNumber;
  constant.bits = to_space ? 0 - added : added;
  decoder.read(constant, type);
  decoder.emit(run_add_window, OpClass::kMove);
}

// Words: predicate, address.
template <Space kSpace, bool kOwnBlock>
Outcome run_isspacep(Warp& warp, const Op& op, LaneMask active) {
  const uint64_t* address = warp.lanes<uint64_t>(op.words[1]);
  const auto own = static_cast<uint32_t>(warp.block().rank() + 1);
  LaneMask is = 0;
  for (LaneMask rest = active; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    const uint64_t value = address[lane];
    const uint32_t rank = static_cast<uint32_t>(value) >> kClusterRankShift;
    bool inside = false;
    if constexpr (kSpace == Space::kGlobal) inside = value < kParamWindow;
    if constexpr (kSpace == Space::kLocal) inside = value - kLocalWindow < kWindowBytes;
    if constexpr (kSpace == Space::kParam) inside = value - kParamWindow < kWindowBytes;
    if constexpr (kSpace == Space::kShared)
      inside = value - kSharedWindow < kWindowBytes && (!kOwnBlock || rank == 0 || rank == own);
    is |= static_cast<LaneMask>(inside) << lane;
  }
  warp.set_predicate(op.words[0], active, is, warp.poison(op.words[1]));
  return Outcome::kNext;
}

void decode_isspacep(Decoder& decoder) {
  bool cluster = false;
  const Space space = decoder.accept_space(&cluster);
  decoder.expect_operands(2, 2);
  decoder.write_predicate(decoder.operand(0));
  decoder.read(1, Type::kU64);
  switch (space) {
    case Space::kGlobal: return decoder.emit(run_isspacep<Space::kGlobal, false>, OpClass::kMove);
    case Space::kLocal: return decoder.emit(run_isspacep<Space::kLocal, false>, OpClass::kMove);
    case Space::kParam: return decoder.emit(run_isspacep<Space::kParam, false>, OpClass::kMove);
    case Space::kShared:
      return decoder.emit(cluster ? run_isspacep<Space::kShared, false> : run_isspacep<Space::kShared, true>,
                          OpClass::kMove);
    default: decoder.fail("isspacep knows .global, .local, .param and .shared");
  }
}

// The address of what `rank` of the cluster has at `address`. A rank that the cluster lacks is found by the access.
uint32_t address_in_cluster(uint32_t address, uint32_t rank) {
  constexpr uint32_t kMostRank = (1u << (32 - kClusterRankShift)) - 2;
  constexpr uint32_t kOffset = (1u << kClusterRankShift) - 1;
  return (std::min(rank, kMostRank) + 1) << kClusterRankShift | (address & kOffset);
}

// Words: to, address, rank.
template <class T>
Outcome run_mapa(Warp& warp, const Op& op, LaneMask active) {
  const T* address = warp.lanes<T>(op.words[1]);
  const uint32_t* rank = warp.lanes<uint32_t>(op.words[2]);
  each_lane(warp.lanes<T>(op.words[0]), active, [&](int lane) {
    const auto offset = static_cast<uint32_t>(address[lane]);
    return address[lane] - offset + address_in_cluster(offset, rank[lane]);
  });
  warp.set_poison(op.words[0], active, warp.poison(op.words[1]) | warp.poison(op.words[2]));
  return Outcome::kNext;
}

void decode_mapa(Decoder& decoder) {
  decoder.accept("shared::cluster");  // without it the address is a generic one of shared memory
  const Type type = decoder.expect_type();
  if (type != Type::kU32 && type != Type::kU64) decoder.fail("mapa takes .u32 or .u64");
  decoder.expect_operands(3, 3);
  decoder.write(0, type);
  decoder.read(1, type);
  decoder.read(2, Type::kU32);
  decoder.emit(type == Type::kU32 ? run_mapa<uint32_t> : run_mapa<uint64_t>, OpClass::kMove);
}

// Words: to, address.
template <class T>
Outcome run_getctarank(Warp& warp, const Op& op, LaneMask active) {
  const T* address = warp.lanes<T>(op.words[1]);
  const auto own = static_cast<uint32_t>(warp.block().rank());
  each_lane(warp.lanes<uint32_t>(op.words[0]), active, [&](int lane) {
    const uint32_t rank = static_cast<uint32_t>(address[lane]) >> kClusterRankShift;
    return rank == 0 ? own : rank - 1;
  });
  warp.set_poison(op.words[0], active, warp.poison(op.words[1]));
  return Outcome::kNext;
}

void decode_getctarank(Decoder& decoder) {
  decoder.accept("shared::cluster");
  const Type type = decoder.expect_type();
  if (type != Type::kU32 && type != Type::kU64) decoder.fail("getctarank takes .u32 or .u64");
  decoder.expect_operands(2, 2);
  decoder.write(0, Type::kU32);
  decoder.read(1, type);
  decoder.emit(type == Type::kU32 ? run_getctarank<uint32_t> : run_getctarank<uint64_t>, OpClass::kMove);
}

// --- hints to caches: an address and no effect

// Words: address, offset.
Outcome run_hint(Warp& warp, const Op& op, LaneMask active) {
  report_poison(warp, op, active & warp.poison(op.words[0]), "an address");
  return Outcome::kNext;
}

void decode_prefetch(Decoder& decoder) {
  const Space space = decoder.accept_space();
  const llvm::StringRef level =
      decoder.expect_any({"L1", "L2", "L2::evict_last", "L2::evict_normal", "tensormap"});
  if (level.contains("::evict") && space != Space::kGlobal)
    decoder.fail("." + level.str() + " wants .global");
  decoder.expect_operands(1, 1);
  decoder.address(decoder.operand(0), decoder.space_of(decoder.operand(0), space));
  decoder.emit(run_hint, OpClass::kMove);
}

void decode_prefetchu(Decoder& decoder) {
  decoder.expect_any({"L1"});
  decoder.expect_operands(1, 1);
  decoder.address(decoder.operand(0), Space::kGeneric);
  decoder.emit(run_hint, OpClass::kMove);
}

// discard.L2 [a], 128 and applypriority.L2::evict_normal [a], 128
void decode_line_hint(Decoder& decoder) {
  const Space space = decoder.accept_space();
  decoder.expect_any({decoder.instruction().opcode == "discard" ? "L2" : "L2::evict_normal"});
  decoder.expect_operands(2, 2);
  decoder.address(decoder.operand(0), space);
  decoder.immediate(decoder.operand(1), 128, 128);
  decoder.emit(run_hint, OpClass::kMove);
}

// Words: to. A policy is opaque, and caches are not modelled: any value will do.
Outcome run_createpolicy(Warp& warp, const Op& op, LaneMask active) {
  each_lane(warp.lanes<uint64_t>(op.words[0]), active, [](int) { return uint64_t{0}; });
  warp.set_poison(op.words[0], active, 0);
  return Outcome::kNext;
}

void decode_createpolicy(Decoder& decoder) {
  const llvm::StringRef kind = decoder.expect_any({"fractional", "range", "cvt"});
  if (kind == "range") decoder.accept("global");
  if (kind == "cvt")
    decoder.expect_any({"L2"});
  else
    decoder.expect_any({"L2::evict_last", "L2::evict_normal", "L2::evict_first", "L2::evict_unchanged"});
  if (kind != "cvt") decoder.accept_any({"L2::evict_first", "L2::evict_unchanged"});
  decoder.expect_any({"b64"});
  decoder.expect_operands(1, 4);
  decoder.write(0, Type::kB64);
  decoder.emit(run_createpolicy, OpClass::kMove);
}

constexpr OpcodeEntry kOpcodes[] = {
    {"mov", decode_mov},
    {"cvta", decode_cvta},
    {"isspacep", decode_isspacep},
    {"mapa", decode_mapa},
    {"getctarank", decode_getctarank},
    {"prefetch", decode_prefetch},
    {"prefetchu", decode_prefetchu},
    {"discard", decode_line_hint},
    {"applypriority", decode_line_hint},
    {"createpolicy", decode_createpolicy},
};

}  // namespace

OpcodeTable move_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
