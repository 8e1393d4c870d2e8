// address.cpp: addresses between spaces and between the blocks of a cluster, and hints about them.
#include <algorithm>

#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

using ptx::Operand;
using ptx::Space;
using ptx::Type;

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

struct Add {
  uint64_t operator()(uint64_t address, uint64_t added) const { return address + added; }
};

void decode_cvta(Decoder& decoder) {
  const bool to_space = decoder.accept("to");
  const Space space = decoder.space_of(decoder.operand(1), decoder.accept_space());
  const Type type = decoder.expect_type();
  if (type != Type::kU64) decoder.fail("generic addresses have 64 bits; .u64 is wanted");
  decoder.expect_operands(2, 2);
  const uint64_t added = window(decoder, space);
  decoder.write(0, type);
  decoder.read(1, type);
  Operand constant;
  constant.kind = Operand::kNumber;
  constant.bits = to_space ? 0 - added : added;
  decoder.read(constant, type);
  decoder.emit(each_lane<Add>(), OpClass::kMove);
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

template <class T>
struct MapToBlock {
  T operator()(T address, uint32_t rank) const {
    const auto offset = static_cast<uint32_t>(address);
    return address - offset + address_in_cluster(offset, rank);
  }
};

void decode_mapa(Decoder& decoder) {
  decoder.accept("shared::cluster");  // without it the address is a generic one of shared memory
  const Type type = decoder.expect_type();
  if (type != Type::kU32 && type != Type::kU64) decoder.fail("mapa takes .u32 or .u64");
  decoder.expect_operands(3, 3);
  decoder.write(0, type);
  decoder.read(1, type);
  decoder.read(2, Type::kU32);
  decoder.emit(type == Type::kU32 ? each_lane<MapToBlock<uint32_t>>() : each_lane<MapToBlock<uint64_t>>(),
               OpClass::kMove);
}

template <class T>
struct RankOf {
  explicit RankOf(const Warp& warp, const Op&) : own(static_cast<uint32_t>(warp.block().rank())) {}
  uint32_t operator()(T address) const {
    const uint32_t rank = static_cast<uint32_t>(address) >> kClusterRankShift;
    return rank == 0 ? own : rank - 1;
  }
  uint32_t own;
};

void decode_getctarank(Decoder& decoder) {
  decoder.accept("shared::cluster");
  const Type type = decoder.expect_type();
  if (type != Type::kU32 && type != Type::kU64) decoder.fail("getctarank takes .u32 or .u64");
  decoder.expect_operands(2, 2);
  decoder.write(0, Type::kU32);
  decoder.read(1, type);
  decoder.emit(type == Type::kU32 ? each_lane<RankOf<uint32_t>>() : each_lane<RankOf<uint64_t>>(),
               OpClass::kMove);
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
  uint64_t* to = warp.lanes<uint64_t>(op.words[0]);
  for (LaneMask rest = active; rest; rest &= rest - 1) to[__builtin_ctz(rest)] = 0;
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

OpcodeTable address_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
