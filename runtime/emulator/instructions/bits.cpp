// bits.cpp: and or xor not cnot shl shr shf lop3 prmt bfe bfi bfind brev clz popc fns szext bmsk.
#include <algorithm>
#include <bit>
#include <functional>

#include "runtime/emulator/instructions/float_form.h"
#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

template <class T>
constexpr uint32_t kBits = sizeof(T) * 8;
/// The ones below bit `count`; all of them from the width on.
template <class T>
T low_ones(uint32_t count) {
  return count >= kBits<T> ? static_cast<T>(~T{0}) : static_cast<T>((T{1} << count) - 1);
}

// --- logic: on lanes and on predicates
template <class T, class F>
struct Logic {
  T operator()(T a, T b) const { return F{}(a, b); }
};
template <class T>
struct Not {
  T operator()(T a) const { return static_cast<T>(~a); }
};
template <class T>
struct LogicalNot {
  T operator()(T a) const { return a == 0; }
};
/// Words: the result, then one source or two.
template <class F>
Outcome predicate_logic(Warp& warp, const Op& op, LaneMask active) {
  const int32_t* w = op.words;
  warp.set_predicate(w[0], active, F{}(warp.predicate(w[1]), warp.predicate(w[2])),
                     warp.predicate_poison(w[1]) | warp.predicate_poison(w[2]));
  return Outcome::kNext;
}
Outcome predicate_not(Warp& warp, const Op& op, LaneMask active) {
  warp.set_predicate(op.words[0], active, ~warp.predicate(op.words[1]), warp.predicate_poison(op.words[1]));
  return Outcome::kNext;
}

// --- shifts: by the width or more, everything is shifted out
template <class T>
struct ShiftLeft {
  T operator()(T a, uint32_t by) const { return by < kBits<T> ? static_cast<T>(a << by) : T{0}; }
};
template <class T>
struct ShiftRight {
  T operator()(T a, uint32_t by) const {
    if (std::is_signed_v<T>) return static_cast<T>(a >> std::min(by, kBits<T> - 1));
    return by < kBits<T> ? static_cast<T>(a >> by) : T{0};
  }
};
/// Of the 64 bits b:a, the upper word after a shift left, or the lower after one right.
template <bool kLeft, bool kWrap>
struct Funnel {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t by) const {
    uint32_t n = kWrap ? by & 31 : std::min(by, 32u);
    uint64_t both = uint64_t{b} << 32 | a;
    return static_cast<uint32_t>(kLeft ? (both << n) >> 32 : both >> n);
  }
};

// --- tables of bits
struct LogicTable {
  explicit LogicTable(const Op& op) : table(*static_cast<const uint32_t*>(op.form)) {}
  uint32_t table;
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    uint32_t result = 0;
    for (uint32_t row = 0; row < 8; ++row) {
      uint32_t hit = (row & 4 ? a : ~a) & (row & 2 ? b : ~b) & (row & 1 ? c : ~c);
      result |= table >> row & 1 ? hit : 0;
    }
    return result;
  }
};
/// lop3.BoolOp.b32 d|p, a, b, c, table, q: p is whether d is not zero, and/or q. Words: d, a, b, c, p, q.
template <class F>
Outcome logic_table_test(Warp& warp, const Op& op, LaneMask active) {
  const int32_t* w = op.words;
  const Warp& reads = warp;
  LogicTable table(op);
  uint32_t result[kLanes];
  LaneMask nonzero = 0;
  for (int i = 0; i < kLanes; ++i) {
    result[i] =
        table(reads.lanes<uint32_t>(w[1])[i], reads.lanes<uint32_t>(w[2])[i], reads.lanes<uint32_t>(w[3])[i]);
    nonzero |= static_cast<LaneMask>(result[i] != 0) << i;
  }
  LaneMask poison = warp.poison(w[1]) | warp.poison(w[2]) | warp.poison(w[3]);
  LaneMask other = warp.predicate(w[5]), other_poison = warp.predicate_poison(w[5]);
  for (LaneMask left = active; left != 0; left &= left - 1)
    warp.lanes<uint32_t>(w[0])[__builtin_ctz(left)] = result[__builtin_ctz(left)];
  warp.set_poison(w[0], active, poison);
  warp.set_predicate(w[4], active, F{}(nonzero, other), poison | other_poison);
  return Outcome::kNext;
}

enum class Permute : uint8_t {
  kIndex,
  kForward4,
  kBackward4,
  kReplicate8,
  kClampLeft,
  kClampRight,
  kReplicate16
};
/// Four selectors of a byte of b:a (bit 3: its sign instead), by mode from the low bits of the third operand.
template <Permute kMode>
struct PermuteBytes {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    uint32_t result = 0;
    for (uint32_t i = 0; i < 4; ++i) {
      uint32_t selector = select(i, c), byte = (selector & 4 ? b : a) >> 8 * (selector & 3) & 0xff;
      uint32_t sign = byte & 0x80 ? 0xff : 0;
      result |= (selector & 8 ? sign : byte) << 8 * i;
    }
    return result;
  }
  static uint32_t select(uint32_t i, uint32_t c) {
    uint32_t n = c & 3;
    switch (kMode) {
      case Permute::kIndex: return c >> 4 * i & 15;
      case Permute::kForward4: return n + i;
      case Permute::kBackward4: return (n - i) & 7;
      case Permute::kReplicate8: return n;
      case Permute::kClampLeft: return std::max(i, n);
      case Permute::kClampRight: return std::min(i, n);
      case Permute::kReplicate16: return (n & 1) * 2 + (i & 1);
    }
    return 0;
  }
};

// --- fields
template <class T>
struct ExtractField {
  T operator()(T a, uint32_t position, uint32_t length) const {
    using U = std::make_unsigned_t<T>;
    position &= 0xff, length &= 0xff;
    if (length == 0) return 0;
    bool sign = std::is_signed_v<T> && (a >> std::min(position + length - 1, kBits<T> - 1) & 1) != 0;
    // What lies beyond the register counts as sign, as does what lies beyond the field.
    uint32_t present = position >= kBits<T> ? 0 : std::min(length, kBits<T> - position);
    U mask = low_ones<U>(present), field = position >= kBits<T> ? U{0} : static_cast<U>(a) >> position;
    return static_cast<T>((field & mask) | (sign ? static_cast<U>(~mask) : U{0}));
  }
};
template <class T>
struct InsertField {
  T operator()(T a, T b, uint32_t position, uint32_t length) const {
    position &= 0xff, length &= 0xff;
    if (position >= kBits<T>) return b;
    T mask = static_cast<T>(low_ones<T>(length) << position);
    return static_cast<T>((b & ~mask) | ((a << position) & mask));
  }
};
template <bool kSigned, bool kWrap>
struct Extend {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    if (!kWrap && b >= 32) return a;
    uint32_t width = b & 31, mask = low_ones<uint32_t>(width);
    bool sign = kSigned && width != 0 && (a >> (width - 1) & 1) != 0;
    return (a & mask) | (sign ? ~mask : 0);
  }
};
template <bool kWrap>
struct MakeMask {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    if (!kWrap && a >= 32) return 0;
    uint32_t width = !kWrap && b >= 32 ? 32 : b & 31;
    return low_ones<uint32_t>(width) << (a & 31);
  }
};

// --- counting and finding
template <class T>
struct CountOnes {
  uint32_t operator()(T a) const { return static_cast<uint32_t>(std::popcount(a)); }
};
template <class T>
struct CountLeadingZeros {
  uint32_t operator()(T a) const { return static_cast<uint32_t>(std::countl_zero(a)); }
};
template <class T>
struct ReverseBits {
  T operator()(T a) const {
    T pairs = static_cast<T>(~T{0}) / 3, quads = static_cast<T>(~T{0}) / 5,
      nibbles = static_cast<T>(~T{0}) / 17;
    a = (a >> 1 & pairs) | (a & pairs) << 1;
    a = (a >> 2 & quads) | (a & quads) << 2;
    a = (a >> 4 & nibbles) | (a & nibbles) << 4;
    return sizeof(T) == 8 ? static_cast<T>(__builtin_bswap64(a))
                          : static_cast<T>(__builtin_bswap32(static_cast<uint32_t>(a)));
  }
};
/// The highest bit that differs from the sign: its number, or how far left it has to go.
template <class T, bool kShift>
struct FindLead {
  uint32_t operator()(T a) const {
    using U = std::make_unsigned_t<T>;
    auto bits = static_cast<U>(a < 0 ? ~a : a);
    if (bits == 0) return ~0u;
    auto zeros = static_cast<uint32_t>(std::countl_zero(bits));
    return kShift ? zeros : kBits<T> - 1 - zeros;
  }
};
/// The |offset|-th set bit of the mask from `base` on, upwards or downwards.
struct FindNth {
  uint32_t operator()(uint32_t mask, uint32_t base, int32_t offset) const {
    if (base > 31) return ~0u;
    if (offset == 0) return mask >> base & 1 ? base : ~0u;
    int64_t count = offset < 0 ? -int64_t{offset} : offset;
    for (int64_t at = base; at >= 0 && at<32; at += offset> 0 ? 1 : -1)
      if ((mask >> at & 1) != 0 && --count == 0) return static_cast<uint32_t>(at);
    return ~0u;
  }
};

// --- decoding
void emit(Decoder& d, Handler handler, Type type, Type result, std::initializer_list<Type> sources) {
  if (handler == nullptr) fail_type(d, type);
  emit_lanes(d, handler, result, sources, OpClass::kInteger);
}

template <class F>
void decode_logic(Decoder& d) {
  Type type = d.expect_type();
  if (type == Type::kPred) {
    d.expect_operands(3, 3);
    d.write_predicate(d.operand(0));
    d.read_predicate(d.operand(1));
    d.read_predicate(d.operand(2));
    return d.emit(predicate_logic<F>, OpClass::kInteger);
  }
  Handler handler = type == Type::kB16   ? each_lane<Logic<uint16_t, F>>()
                    : type == Type::kB32 ? each_lane<Logic<uint32_t, F>>()
                    : type == Type::kB64 ? each_lane<Logic<uint64_t, F>>()
                                         : nullptr;
  emit(d, handler, type, type, {type, type});
}

template <template <class> class F>
Handler for_bits(Type type) {
  switch (type) {
    case Type::kB16: return each_lane<F<uint16_t>>();
    case Type::kB32: return each_lane<F<uint32_t>>();
    case Type::kB64: return each_lane<F<uint64_t>>();
    default: return nullptr;
  }
}
template <template <class> class F>
Handler for_long_bits(Type type) {
  return type == Type::kB16 ? nullptr : for_bits<F>(type);
}

void decode_not(Decoder& d) {
  Type type = d.expect_type();
  if (type != Type::kPred) return emit(d, for_bits<Not>(type), type, type, {type});
  d.expect_operands(2, 2);
  d.write_predicate(d.operand(0));
  d.read_predicate(d.operand(1));
  d.emit(predicate_not, OpClass::kInteger);
}
void decode_cnot(Decoder& d) {
  Type type = d.expect_type();
  emit(d, for_bits<LogicalNot>(type), type, type, {type});
}
void decode_shl(Decoder& d) {
  Type type = d.expect_type();
  emit(d, for_bits<ShiftLeft>(type), type, type, {type, Type::kU32});
}
Handler shift_right(Type type) {
  switch (type) {
    case Type::kS16: return each_lane<ShiftRight<int16_t>>();
    case Type::kS32: return each_lane<ShiftRight<int32_t>>();
    case Type::kS64: return each_lane<ShiftRight<int64_t>>();
    case Type::kU16:
    case Type::kB16: return each_lane<ShiftRight<uint16_t>>();
    case Type::kU32:
    case Type::kB32: return each_lane<ShiftRight<uint32_t>>();
    case Type::kU64:
    case Type::kB64: return each_lane<ShiftRight<uint64_t>>();
    default: return nullptr;
  }
}
void decode_shr(Decoder& d) {
  Type type = d.expect_type();
  emit(d, shift_right(type), type, type, {type, Type::kU32});
}
Type expect_b32(Decoder& d) {
  Type type = d.expect_type();
  if (type != Type::kB32) fail_type(d, type);
  return type;
}
void decode_shf(Decoder& d) {
  bool left = d.expect_any({"l", "r"}) == "l", wrap = d.expect_any({"clamp", "wrap"}) == "wrap";
  Type b32 = expect_b32(d);
  Handler handler = left ? (wrap ? each_lane<Funnel<true, true>>() : each_lane<Funnel<true, false>>())
                         : (wrap ? each_lane<Funnel<false, true>>() : each_lane<Funnel<false, false>>());
  emit(d, handler, b32, b32, {b32, b32, Type::kU32});
}

void decode_lop3(Decoder& d) {
  llvm::StringRef combine = d.accept_any({"or", "and"});
  Type b32 = expect_b32(d);
  d.expect_operands(combine.empty() ? 5 : 6, combine.empty() ? 5 : 6);
  d.form<uint32_t>() = static_cast<uint32_t>(d.immediate(d.operand(4), 0, 255));
  bool pair = d.operand(0).kind == ptx::Operand::kPair;
  if (pair == combine.empty()) d.fail("lop3 writes d|p with .or or .and, and d without");
  d.write(pair ? d.operand(0).elements[0] : d.operand(0), b32);
  for (int i = 1; i < 4; ++i) d.read(i, b32);
  if (combine.empty()) return d.emit(each_lane<LogicTable>(), OpClass::kInteger);
  d.write_predicate(d.operand(0).elements[1]);
  d.read_predicate(d.operand(5));
  d.emit(combine == "or" ? logic_table_test<std::bit_or<>> : logic_table_test<std::bit_and<>>,
         OpClass::kInteger);
}

void decode_prmt(Decoder& d) {
  llvm::StringRef mode = d.accept_any({"f4e", "b4e", "rc8", "ecl", "ecr", "rc16"});
  Type b32 = expect_b32(d);
  Handler handler = mode == "f4e"    ? each_lane<PermuteBytes<Permute::kForward4>>()
                    : mode == "b4e"  ? each_lane<PermuteBytes<Permute::kBackward4>>()
                    : mode == "rc8"  ? each_lane<PermuteBytes<Permute::kReplicate8>>()
                    : mode == "ecl"  ? each_lane<PermuteBytes<Permute::kClampLeft>>()
                    : mode == "ecr"  ? each_lane<PermuteBytes<Permute::kClampRight>>()
                    : mode == "rc16" ? each_lane<PermuteBytes<Permute::kReplicate16>>()
                                     : each_lane<PermuteBytes<Permute::kIndex>>();
  emit(d, handler, b32, b32, {b32, b32, b32});
}

template <template <class> class F>
Handler for_long_integer(Type type) {
  switch (type) {
    case Type::kU32: return each_lane<F<uint32_t>>();
    case Type::kS32: return each_lane<F<int32_t>>();
    case Type::kU64: return each_lane<F<uint64_t>>();
    case Type::kS64: return each_lane<F<int64_t>>();
    default: return nullptr;
  }
}
void decode_bfe(Decoder& d) {
  Type type = d.expect_type();
  emit(d, for_long_integer<ExtractField>(type), type, type, {type, Type::kU32, Type::kU32});
}
void decode_bfi(Decoder& d) {
  Type type = d.expect_type();
  emit(d, for_long_bits<InsertField>(type), type, type, {type, type, Type::kU32, Type::kU32});
}
template <class T>
using FindBit = FindLead<T, false>;
template <class T>
using FindShift = FindLead<T, true>;
void decode_bfind(Decoder& d) {
  bool shift = d.accept("shiftamt");
  Type type = d.expect_type();
  emit(d, shift ? for_long_integer<FindShift>(type) : for_long_integer<FindBit>(type), type, Type::kU32,
       {type});
}
void decode_brev(Decoder& d) {
  Type type = d.expect_type();
  emit(d, for_long_bits<ReverseBits>(type), type, type, {type});
}
template <template <class> class F>
void decode_count(Decoder& d) {
  Type type = d.expect_type();
  emit(d, for_long_bits<F>(type), type, Type::kU32, {type});
}
void decode_fns(Decoder& d) {
  Type b32 = expect_b32(d);
  emit(d, each_lane<FindNth>(), b32, b32, {b32, b32, Type::kS32});
}
void decode_szext(Decoder& d) {
  bool wrap = d.expect_any({"clamp", "wrap"}) == "wrap";
  Type type = d.expect_type();
  Handler handler = nullptr;
  if (type == Type::kU32)
    handler = wrap ? each_lane<Extend<false, true>>() : each_lane<Extend<false, false>>();
  if (type == Type::kS32) handler = wrap ? each_lane<Extend<true, true>>() : each_lane<Extend<true, false>>();
  emit(d, handler, type, type, {type, Type::kU32});
}
void decode_bmsk(Decoder& d) {
  bool wrap = d.expect_any({"clamp", "wrap"}) == "wrap";
  Type b32 = expect_b32(d);
  emit(d, wrap ? each_lane<MakeMask<true>>() : each_lane<MakeMask<false>>(), b32, b32,
       {Type::kU32, Type::kU32});
}

}  // namespace

OpcodeTable bit_opcodes() {
  static constexpr OpcodeEntry kTable[] = {
      {"and", decode_logic<std::bit_and<>>},
      {"or", decode_logic<std::bit_or<>>},
      {"xor", decode_logic<std::bit_xor<>>},
      {"not", decode_not},
      {"cnot", decode_cnot},
      {"shl", decode_shl},
      {"shr", decode_shr},
      {"shf", decode_shf},
      {"lop3", decode_lop3},
      {"prmt", decode_prmt},
      {"bfe", decode_bfe},
      {"bfi", decode_bfi},
      {"bfind", decode_bfind},
      {"brev", decode_brev},
      {"clz", decode_count<CountLeadingZeros>},
      {"popc", decode_count<CountOnes>},
      {"fns", decode_fns},
      {"szext", decode_szext},
      {"bmsk", decode_bmsk},
  };
  return kTable;
}

}  // namespace tenon::emulator
