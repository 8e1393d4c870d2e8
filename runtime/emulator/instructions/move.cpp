// move.cpp: mov: of registers, constants and predicates, into and out of the parts of a register.
#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/special_registers.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Operand;
using ptx::Type;

template <class T>
struct Move {
  T operator()(T value) const { return value; }
};

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

// The commonest forms, two halves.
template <class Whole, int kPartBits>
struct PackTwo {
  Whole operator()(uint32_t low, uint32_t high) const { return static_cast<Whole>(high) << kPartBits | low; }
};

template <class Whole, int kPartBits, int kPart>
struct PartOf {
  uint32_t operator()(Whole whole) const {
    constexpr Whole kMask = (Whole{1} << kPartBits) - 1;
    return static_cast<uint32_t>(whole >> kPart * kPartBits & kMask);
  }
};
// Words: from, parts.
template <class Whole, int kPartBits>
struct UnpackTwo {
  static Outcome run(Warp& warp, const Op& op, LaneMask active) {
    const Whole* from = warp.lanes<Whole>(op.words[0]);
    using Low = PartOf<Whole, kPartBits, 0>;
    using High = PartOf<Whole, kPartBits, 1>;
    map_lanes<Low, uint32_t, Whole>(Low{}, active, warp.lanes<uint32_t>(op.words[1]), from);
    map_lanes<High, uint32_t, Whole>(High{}, active, warp.lanes<uint32_t>(op.words[2]), from);
    warp.set_poison(op.words[1], active, warp.poison(op.words[0]));
    warp.set_poison(op.words[2], active, warp.poison(op.words[0]));
    return Outcome::kNext;
  }
};

// Words: to, parts.
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
    uint32_t* to = warp.lanes<uint32_t>(op.words[1 + part]);
    for (LaneMask rest = active; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      to[lane] = static_cast<uint32_t>(whole[lane] >> shift & form.part_mask());
    }
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
    return decoder.emit(each_lane<PackTwo<uint32_t, 16>>(), OpClass::kMove);
  if (form.parts == 2 && form.part_bits == 32)
    return decoder.emit(each_lane<PackTwo<uint64_t, 32>>(), OpClass::kMove);
  decoder.form<PackForm>() = form;
  decoder.emit(run_pack, OpClass::kMove);
}

void decode_unpack(Decoder& decoder, Type type) {
  const PackForm form = pack_form(decoder, decoder.operand(0), type);
  decoder.read(1, type);
  decoder.write_all(decoder.operand(0), bits_type(decoder, form.part_bits));
  if (form.parts == 2 && form.part_bits == 16)
    return decoder.emit(versioned<UnpackTwo<uint32_t, 16>>(), OpClass::kMove);
  if (form.parts == 2 && form.part_bits == 32)
    return decoder.emit(versioned<UnpackTwo<uint64_t, 32>>(), OpClass::kMove);
  decoder.form<PackForm>() = form;
  decoder.emit(run_unpack, OpClass::kMove);
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
  if (decoder.operand(1).kind == Operand::kSpecial) return decode_special_register(decoder, type);
  if (type == Type::kPred) return decode_predicate_mov(decoder);
  if (decoder.operand(1).kind == Operand::kFunction) decoder.fail("pointers to functions are not supported");
  if (decoder.operand(0).kind == Operand::kVector) return decode_unpack(decoder, type);
  if (decoder.operand(1).kind == Operand::kVector) return decode_pack(decoder, type);
  decoder.write(0, type);
  decoder.read(1, type);
  decoder.emit(ptx::bits(type) == 64 ? each_lane<Move<uint64_t>>() : each_lane<Move<uint32_t>>(),
               OpClass::kMove);
}

constexpr OpcodeEntry kOpcodes[] = {{"mov", decode_mov}};

}  // namespace

OpcodeTable move_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
