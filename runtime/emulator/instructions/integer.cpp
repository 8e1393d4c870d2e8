// integer.cpp: arithmetic on integers: the integer side of arithmetic.cpp's opcodes, and rem sad mul24 mad24 dp4a dp2a addc subc madc.
#include "runtime/emulator/instructions/integer.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "llvm/ADT/STLExtras.h"
#include "runtime/emulator/instructions/float_form.h"
#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

template <class T>
using Unsigned = std::make_unsigned_t<T>;
template <class T>
constexpr int kBits = sizeof(T) * 8;
/// Of twice the width.
template <class T>
struct WiderOf;
template <>
struct WiderOf<int16_t> {
  using type = int32_t;
};
template <>
struct WiderOf<uint16_t> {
  using type = uint32_t;
};
template <>
struct WiderOf<int32_t> {
  using type = int64_t;
};
template <>
struct WiderOf<uint32_t> {
  using type = uint64_t;
};
template <>
struct WiderOf<int64_t> {
  using type = __int128;
};
template <>
struct WiderOf<uint64_t> {
  using type = unsigned __int128;
};
template <class T>
using Wider = typename WiderOf<T>::type;

// --- lane functions; sums and products wrap
template <class T>
struct Add {
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Unsigned<T>>(a) + static_cast<Unsigned<T>>(b));
  }
};
template <class T>
struct Sub {
  T operator()(T a, T b) const {
    return static_cast<T>(static_cast<Unsigned<T>>(a) - static_cast<Unsigned<T>>(b));
  }
};
int32_t saturated(int64_t value) {
  return static_cast<int32_t>(
      std::clamp<int64_t>(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max()));
}
struct AddSaturating {
  int32_t operator()(int32_t a, int32_t b) const { return saturated(int64_t{a} + b); }
};
struct SubSaturating {
  int32_t operator()(int32_t a, int32_t b) const { return saturated(int64_t{a} - b); }
};

template <class T>
T low_product(T a, T b) {
  // Through 32 bits at least: 16-bit operands are promoted to int, whose overflow is undefined.
  using Work = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
  return static_cast<T>(static_cast<Work>(a) * static_cast<Work>(b));
}
template <class T>
T high_product(T a, T b) {
  return static_cast<T>((static_cast<Wider<T>>(a) * b) >> kBits<T>);
}
template <class T>
struct MulLow {
  T operator()(T a, T b) const { return low_product(a, b); }
};
template <class T>
struct MulHigh {
  T operator()(T a, T b) const { return high_product(a, b); }
};
template <class T>
struct MulWide {
  Wider<T> operator()(T a, T b) const { return static_cast<Wider<T>>(a) * b; }
};
template <class T>
struct MadLow {
  T operator()(T a, T b, T c) const { return Add<T>{}(low_product(a, b), c); }
};
template <class T>
struct MadHigh {
  T operator()(T a, T b, T c) const { return Add<T>{}(high_product(a, b), c); }
};
template <class T>
struct MadWide {
  Wider<T> operator()(T a, T b, Wider<T> c) const { return Add<Wider<T>>{}(static_cast<Wider<T>>(a) * b, c); }
};
struct MadHighSaturating {
  int32_t operator()(int32_t a, int32_t b, int32_t c) const {
    return saturated(int64_t{high_product(a, b)} + c);
  }
};

/// Of the low 24 bits.
template <class T>
int64_t product24(T a, T b) {
  if constexpr (std::is_signed_v<T>)
    return int64_t{static_cast<T>(static_cast<uint32_t>(a) << 8) >> 8} *
           (static_cast<T>(static_cast<uint32_t>(b) << 8) >> 8);
  else
    return static_cast<int64_t>(uint64_t{a & 0xffffff} * (b & 0xffffff));
}
template <class T, int kShift>
struct Mul24 {
  T operator()(T a, T b) const { return static_cast<T>(product24(a, b) >> kShift); }
};
template <class T, int kShift>
struct Mad24 {
  T operator()(T a, T b, T c) const { return Add<T>{}(static_cast<T>(product24(a, b) >> kShift), c); }
};
struct Mad24HighSaturating {
  int32_t operator()(int32_t a, int32_t b, int32_t c) const {
    return saturated(int64_t{static_cast<int32_t>(product24(a, b) >> 16)} + c);
  }
};

/// By zero: all ones. The least value by -1 wraps. Up to 32 bits the quotient is taken in double, whose 53 bits tell every quotient
/// from the next integer, for vectors have no division of integers.
template <class T>
T quotient(T a, T b) {
  if constexpr (sizeof(T) == 8) {
    if (b == 0) return static_cast<T>(-1);
    if (std::is_signed_v<T> && b == static_cast<T>(-1)) return Sub<T>{}(0, a);
    return static_cast<T>(a / b);
  } else {
    double exact = static_cast<double>(a) / (b == 0 ? 1.0 : static_cast<double>(b));
    auto whole = static_cast<T>(static_cast<int64_t>(exact));
    return b == 0 ? static_cast<T>(-1) : whole;
  }
}
template <class T>
struct Div {
  T operator()(T a, T b) const { return quotient(a, b); }
};
template <class T>
struct Rem {
  T operator()(T a, T b) const {
    T multiple = low_product(quotient(a, b), b);
    return b == 0 ? static_cast<T>(-1) : Sub<T>{}(a, multiple);
  }
};

template <class T>
struct Min {
  T operator()(T a, T b) const { return b < a ? b : a; }
};
template <class T>
struct Max {
  T operator()(T a, T b) const { return a < b ? b : a; }
};
template <class F, class T>
struct ThenRelu {
  T operator()(T a, T b) const { return std::max<T>(F{}(a, b), 0); }
};
template <class T>
struct Neg {
  T operator()(T a) const { return Sub<T>{}(0, a); }
};
template <class T>
struct Abs {
  T operator()(T a) const { return a < 0 ? Sub<T>{}(0, a) : a; }
};
template <class T>
struct Sad {
  T operator()(T a, T b, T c) const { return Add<T>{}(c, a < b ? Sub<T>{}(b, a) : Sub<T>{}(a, b)); }
};

/// A 16-bit lane function on both halves of a register.
template <class F, class T>
struct Halves {
  uint32_t operator()(uint32_t a, uint32_t b) const {
    auto low = static_cast<uint16_t>(F{}(static_cast<T>(a), static_cast<T>(b)));
    auto high = static_cast<uint16_t>(F{}(static_cast<T>(a >> 16), static_cast<T>(b >> 16)));
    return low | static_cast<uint32_t>(high) << 16;
  }
};

template <class A, class B>
struct DotFour {
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    for (int i = 0; i < 32; i += 8)
      c += static_cast<uint32_t>(static_cast<A>(a >> i) * static_cast<B>(b >> i));
    return c;
  }
};
template <class A, class B, int kFirst>
struct DotTwo {
  using A16 = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  uint32_t operator()(uint32_t a, uint32_t b, uint32_t c) const {
    for (int i = 0; i < 2; ++i)
      c += static_cast<uint32_t>(int32_t{static_cast<A16>(a >> 16 * i)} *
                                 static_cast<B>(b >> (8 * (kFirst + i))));
    return c;
  }
};

// --- the carry flag
struct CarryForm {
  bool reads = false, writes = false;
};
/// a + b + carry; `carry` becomes the carry out.
template <class T>
struct AddCarry {
  static constexpr int kSources = 2;
  static T run(const T* in, bool& carry) {
    T sum = in[0] + in[1], all = sum + carry;
    carry = sum < in[0] || all < sum;
    return all;
  }
};
/// a - (b + borrow).
template <class T>
struct SubCarry {
  static constexpr int kSources = 2;
  static T run(const T* in, bool& borrow) {
    T difference = in[0] - in[1], all = difference - borrow;
    borrow = in[0] < in[1] || difference < T{borrow};
    return all;
  }
};
template <class T, bool kHigh>
struct MadCarry {
  static constexpr int kSources = 3;
  using Bits = Unsigned<T>;
  static Bits run(const Bits* in, bool& carry) {
    T a = static_cast<T>(in[0]), b = static_cast<T>(in[1]);
    const Bits sum[2] = {static_cast<Bits>(kHigh ? high_product(a, b) : low_product(a, b)), in[2]};
    return AddCarry<Bits>::run(sum, carry);
  }
};
template <class T, class F>
struct CarryMap {
  static Outcome run(Warp& warp, const Op& op, LaneMask active) {
    const auto& form = *static_cast<const CarryForm*>(op.form);
    const Warp& reads = warp;
    LaneMask carries = form.reads ? warp.carry.bits : 0, poison = form.reads ? warp.carry.poison : 0, out = 0;
    for (int i = 1; i <= F::kSources; ++i) poison |= warp.poison(op.words[i]);
    T* result = warp.lanes<T>(op.words[0]);
    for (LaneMask left = active; left != 0; left &= left - 1) {
      int lane = __builtin_ctz(left);
      T in[F::kSources];
      for (int i = 0; i < F::kSources; ++i) in[i] = reads.lanes<T>(op.words[i + 1])[lane];
      bool carry = (carries >> lane & 1) != 0;
      result[lane] = F::run(in, carry);
      out |= static_cast<LaneMask>(carry) << lane;
    }
    warp.set_poison(op.words[0], active, poison);
    if (form.writes) {
      warp.carry.bits = (warp.carry.bits & ~active) | out;
      warp.carry.poison = (warp.carry.poison & ~active) | (poison & active);
    }
    return Outcome::kNext;
  }
};

// --- handlers by type
/// F<T> for the integer type of that name among 16, 32 and 64 bits; null for others.
template <template <class> class F>
Handler for_integer(Type type) {
  switch (type) {
    case Type::kU16: return each_lane<F<uint16_t>>();
    case Type::kS16: return each_lane<F<int16_t>>();
    case Type::kU32: return each_lane<F<uint32_t>>();
    case Type::kS32: return each_lane<F<int32_t>>();
    case Type::kU64: return each_lane<F<uint64_t>>();
    case Type::kS64: return each_lane<F<int64_t>>();
    default: return nullptr;
  }
}
template <template <class> class F>
Handler for_signed(Type type) {
  switch (type) {
    case Type::kS16: return each_lane<F<int16_t>>();
    case Type::kS32: return each_lane<F<int32_t>>();
    case Type::kS64: return each_lane<F<int64_t>>();
    default: return nullptr;
  }
}
template <template <class> class F>
Handler for_narrow(Type type) {
  switch (type) {
    case Type::kU16: return each_lane<F<uint16_t>>();
    case Type::kS16: return each_lane<F<int16_t>>();
    case Type::kU32: return each_lane<F<uint32_t>>();
    case Type::kS32: return each_lane<F<int32_t>>();
    default: return nullptr;
  }
}
Type doubled(Type type) {
  switch (type) {
    case Type::kU16: return Type::kU32;
    case Type::kS16: return Type::kS32;
    case Type::kU32: return Type::kU64;
    default: return Type::kS64;
  }
}

// --- decoding
void emit_integer(Decoder& d, Handler handler, Type result, std::initializer_list<Type> sources) {
  if (handler == nullptr) fail_type(d, result);
  emit_lanes(d, handler, result, sources, OpClass::kInteger);
}
Type required(Decoder& d, std::optional<Type> type) { return type ? *type : d.expect_type(); }

template <template <class> class F>
void emit_carry(Decoder& d, Type type, bool reads) {
  auto& form = d.form<CarryForm>();
  form = {reads, d.accept("cc")};
  Handler handler = nullptr;
  if (type == Type::kU32 || type == Type::kS32) handler = CarryMap<uint32_t, F<uint32_t>>::run;
  if (type == Type::kU64 || type == Type::kS64) handler = CarryMap<uint64_t, F<uint64_t>>::run;
  emit_integer(d, handler, type, {type, type});
}
template <class T>
Handler mad_carry(bool high) {
  return high ? CarryMap<Unsigned<T>, MadCarry<T, true>>::run
              : CarryMap<Unsigned<T>, MadCarry<T, false>>::run;
}
void emit_mad_carry(Decoder& d, Type type, bool high, bool reads) {
  auto& form = d.form<CarryForm>();
  form = {reads, d.accept("cc")};
  Handler handler = type == Type::kU32   ? mad_carry<uint32_t>(high)
                    : type == Type::kS32 ? mad_carry<int32_t>(high)
                    : type == Type::kU64 ? mad_carry<uint64_t>(high)
                    : type == Type::kS64 ? mad_carry<int64_t>(high)
                                         : nullptr;
  emit_integer(d, handler, type, {type, type, type});
}
bool has(const Decoder& d, llvm::StringRef modifier) {
  return llvm::is_contained(d.instruction().modifiers, modifier);
}

/// .u16x2 and .s16x2, min and max with .relu; true when it was one of them.
template <template <class> class F, bool kRelu>
bool emit_packed(Decoder& d, std::optional<Type> type) {
  if (type) return false;
  bool is_signed = d.expect_any({"u16x2", "s16x2"}) == "s16x2";
  Handler handler =
      is_signed ? each_lane<Halves<F<int16_t>, int16_t>>() : each_lane<Halves<F<uint16_t>, uint16_t>>();
  if (kRelu && is_signed && d.accept("relu"))
    handler = each_lane<Halves<ThenRelu<F<int16_t>, int16_t>, int16_t>>();
  emit_integer(d, handler, Type::kB32, {Type::kB32, Type::kB32});
  return true;
}

template <template <class> class F, class Saturating, template <class> class Carry>
void decode_sum(Decoder& d, std::optional<Type> type) {
  if (has(d, "cc")) return emit_carry<Carry>(d, required(d, type), false);
  if (*type == Type::kS32 && d.accept("sat"))
    return emit_integer(d, each_lane<Saturating>(), *type, {*type, *type});
  emit_integer(d, for_integer<F>(*type), *type, {*type, *type});
}

template <template <class> class F>
void decode_extreme(Decoder& d, std::optional<Type> type) {
  if (emit_packed<F, true>(d, type)) return;
  Handler handler = for_integer<F>(*type);
  if (*type == Type::kS32 && d.accept("relu")) handler = each_lane<ThenRelu<F<int32_t>, int32_t>>();
  emit_integer(d, handler, *type, {*type, *type});
}

template <template <class> class F, int kSources>
void decode_simple(Decoder& d) {
  Type type = d.expect_type();
  Handler handler = for_integer<F>(type);
  if (kSources == 2)
    emit_integer(d, handler, type, {type, type});
  else
    emit_integer(d, handler, type, {type, type, type});
}

template <template <class> class Add>
void decode_with_carry(Decoder& d) {
  emit_carry<Add>(d, d.expect_type(), true);
}
void decode_madc(Decoder& d) {
  bool high = d.expect_any({"lo", "hi"}) == "hi";
  emit_mad_carry(d, d.expect_type(), high, true);
}

void decode_mul24(Decoder& d) {
  bool high = d.expect_any({"lo", "hi"}) == "hi";
  Type type = d.expect_type();
  Handler handler = nullptr;
  if (type == Type::kU32) handler = high ? each_lane<Mul24<uint32_t, 16>>() : each_lane<Mul24<uint32_t, 0>>();
  if (type == Type::kS32) handler = high ? each_lane<Mul24<int32_t, 16>>() : each_lane<Mul24<int32_t, 0>>();
  emit_integer(d, handler, type, {type, type});
}
void decode_mad24(Decoder& d) {
  bool high = d.expect_any({"lo", "hi"}) == "hi";
  Type type = d.expect_type();
  Handler handler = nullptr;
  if (type == Type::kU32) handler = high ? each_lane<Mad24<uint32_t, 16>>() : each_lane<Mad24<uint32_t, 0>>();
  if (type == Type::kS32) handler = high ? each_lane<Mad24<int32_t, 16>>() : each_lane<Mad24<int32_t, 0>>();
  if (type == Type::kS32 && high && d.accept("sat")) handler = each_lane<Mad24HighSaturating>();
  emit_integer(d, handler, type, {type, type, type});
}

template <class A, class B>
Handler dot_handler(bool two, bool high) {
  if (!two) return each_lane<DotFour<A, B>>();
  return high ? each_lane<DotTwo<A, B, 2>>() : each_lane<DotTwo<A, B, 0>>();
}
void decode_dot(Decoder& d) {
  bool two = d.instruction().opcode == "dp2a", high = two && d.expect_any({"lo", "hi"}) == "hi";
  Type a = d.expect_type(), b = d.expect_type();
  for (Type type : {a, b})
    if (type != Type::kU32 && type != Type::kS32) fail_type(d, type);
  bool a_signed = a == Type::kS32, b_signed = b == Type::kS32;
  Handler handler =
      a_signed
          ? (b_signed ? dot_handler<int8_t, int8_t>(two, high) : dot_handler<int8_t, uint8_t>(two, high))
          : (b_signed ? dot_handler<uint8_t, int8_t>(two, high) : dot_handler<uint8_t, uint8_t>(two, high));
  emit_integer(d, handler, a_signed || b_signed ? Type::kS32 : Type::kU32,
               {a, b, a_signed || b_signed ? Type::kS32 : Type::kU32});
}

}  // namespace

void decode_integer_add(Decoder& d, std::optional<Type> type) {
  if (!has(d, "cc") && emit_packed<Add, false>(d, type)) return;
  decode_sum<Add, AddSaturating, AddCarry>(d, type);
}
void decode_integer_sub(Decoder& d, std::optional<Type> type) {
  decode_sum<Sub, SubSaturating, SubCarry>(d, required(d, type));
}
void decode_integer_mul(Decoder& d, std::optional<Type> of) {
  Type type = required(d, of);
  llvm::StringRef part = d.expect_any({"lo", "hi", "wide"});
  if (part == "wide") return emit_integer(d, for_narrow<MulWide>(type), doubled(type), {type, type});
  emit_integer(d, part == "lo" ? for_integer<MulLow>(type) : for_integer<MulHigh>(type), type, {type, type});
}
void decode_integer_mad(Decoder& d, std::optional<Type> of) {
  Type type = required(d, of);
  llvm::StringRef part = d.expect_any({"lo", "hi", "wide"});
  if (part == "wide") {
    Type wide = doubled(type);
    return emit_integer(d, for_narrow<MadWide>(type), wide, {type, type, wide});
  }
  if (has(d, "cc")) return emit_mad_carry(d, type, part == "hi", false);
  Handler handler = part == "lo" ? for_integer<MadLow>(type) : for_integer<MadHigh>(type);
  if (type == Type::kS32 && part == "hi" && d.accept("sat")) handler = each_lane<MadHighSaturating>();
  emit_integer(d, handler, type, {type, type, type});
}
void decode_integer_div(Decoder& d, std::optional<Type> of) {
  Type type = required(d, of);
  emit_integer(d, for_integer<Div>(type), type, {type, type});
}
void decode_integer_min(Decoder& d, std::optional<Type> type) { decode_extreme<Min>(d, type); }
void decode_integer_max(Decoder& d, std::optional<Type> type) { decode_extreme<Max>(d, type); }
void decode_integer_neg(Decoder& d, std::optional<Type> of) {
  Type type = required(d, of);
  emit_integer(d, for_signed<Neg>(type), type, {type});
}
void decode_integer_abs(Decoder& d, std::optional<Type> of) {
  Type type = required(d, of);
  emit_integer(d, for_signed<Abs>(type), type, {type});
}

OpcodeTable integer_opcodes() {
  static constexpr OpcodeEntry kTable[] = {
      {"rem", decode_simple<Rem, 2>},
      {"sad", decode_simple<Sad, 3>},
      {"addc", decode_with_carry<AddCarry>},
      {"subc", decode_with_carry<SubCarry>},
      {"madc", decode_madc},
      {"mul24", decode_mul24},
      {"mad24", decode_mad24},
      {"dp4a", decode_dot},
      {"dp2a", decode_dot},
  };
  return kTable;
}

}  // namespace tenon::emulator
