// convert.cpp: cvt, between all integers and floats.
#include <algorithm>
#include <cmath>
#include <limits>

#include "runtime/emulator/instructions/float_form.h"
#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

struct ConvertForm {
  Rounding rounding = Rounding::kNearest;
  bool integral = false;  ///< between floats, round to an integral value
  bool flush = false, saturate = false, relu = false, finite = false;
  FloatFormat format = kF32Format;  ///< of a float result (each half's)
  // Of an integer result: its type, and what it is extended to.
  int bits = 32;
  bool is_signed = false;
  uint64_t register_mask = 0;
};
const ConvertForm& form_of(const Op& op) { return *static_cast<const ConvertForm*>(op.form); }

/// An integer source in a register of 64 bits.
template <class T>
struct InLong {
  T value;
};

}  // namespace

template <class T>
struct LaneOf<InLong<T>> {
  using Stored = uint64_t;
  static InLong<T> load(uint64_t stored) { return {static_cast<T>(stored)}; }
};

namespace {

template <class T>
T value_of(T source) {
  return source;
}
template <class T>
T value_of(InLong<T> source) {
  return source.value;
}
template <class T>
using ValueOf = decltype(value_of(std::declval<T>()));

// --- to integers
/// The low bits of the result's type, extended to its register: Work is as wide as anything involved.
template <class Work>
Work extended(Work value, const ConvertForm& form) {
  int up = static_cast<int>(sizeof(Work)) * 8 - form.bits;
  Work raised = value << up;
  Work back =
      form.is_signed ? static_cast<Work>(static_cast<std::make_signed_t<Work>>(raised) >> up) : raised >> up;
  return back & static_cast<Work>(form.register_mask);
}
int64_t least(const ConvertForm& form) { return form.is_signed ? INT64_MIN >> (64 - form.bits) : 0; }
uint64_t most(const ConvertForm& form) { return UINT64_MAX >> (64 - form.bits + (form.is_signed ? 1 : 0)); }

template <class From, class To>
struct IntegerToInteger {
  explicit IntegerToInteger(const Op& op) : form(form_of(op)) {}
  ConvertForm form;
  To operator()(From source) const {
    using Value = ValueOf<From>;
    using Work = std::conditional_t<sizeof(Value) == 8 || sizeof(To) == 8, uint64_t, uint32_t>;
    return static_cast<To>(extended(static_cast<Work>(value_of(source)), form));
  }
};
template <class From, class To>
struct IntegerToIntegerSaturating {
  explicit IntegerToIntegerSaturating(const Op& op) : form(form_of(op)) {}
  ConvertForm form;
  To operator()(From source) const {
    auto value = value_of(source);
    auto bits = static_cast<uint64_t>(value);
    if (value < 0)
      bits = static_cast<uint64_t>(std::max<int64_t>(static_cast<int64_t>(value), least(form)));
    else
      bits = std::min(bits, most(form));
    return static_cast<To>(extended(bits, form));
  }
};

double widened(float value) { return value; }
double widened(double value) { return value; }
template <class T>
double widened(T value) {
  return to_float(value);
}
float flushed(float value) { return flush(value); }
template <class T>
T flushed(T value) {
  return value;  // .ftz is f32's alone
}

template <class From, class To>
struct FloatToInteger {
  explicit FloatToInteger(const Op& op)
      : form(form_of(op)),
        low(static_cast<double>(least(form))),
        beyond(std::ldexp(1.0, form.bits - (form.is_signed ? 1 : 0))) {}
  ConvertForm form;
  double low, beyond;
  To operator()(From source) const {
    double value = round_to_integral(widened(form.flush ? flushed(source) : source), form.rounding);
    uint64_t bits;
    if (value != value)
      bits = sizeof(From) == 8 || form.bits == 64 ? 1ull << (form.bits - 1) : 0;
    else if (value < low)
      bits = static_cast<uint64_t>(least(form));
    else if (value >= beyond)
      bits = most(form);
    else if (value < 0)
      bits = static_cast<uint64_t>(static_cast<int64_t>(value));
    else
      bits = static_cast<uint64_t>(value);
    return static_cast<To>(extended(bits, form));
  }
};

// --- to floats
template <class T>
T from_bits(uint64_t bits) {
  if constexpr (sizeof(T) == 2)
    return {static_cast<uint16_t>(bits)};
  else if constexpr (sizeof(T) == 4)
    return std::bit_cast<T>(static_cast<uint32_t>(bits));
  else
    return std::bit_cast<T>(bits);
}

template <class From, class To>
struct IntegerToFloatNearest {
  To operator()(From source) const { return static_cast<To>(value_of(source)); }
};
template <class From, class To>
struct IntegerToFloat {
  explicit IntegerToFloat(const Op& op) : form(form_of(op)) {}
  ConvertForm form;
  To operator()(From source) const {
    auto value = value_of(source);
    auto bits = static_cast<uint64_t>(value);
    if (form.saturate) return from_bits<To>(round_integer(value > 0, false, kFormatOf<To>, form.rounding));
    return from_bits<To>(round_integer(value < 0 ? 0 - bits : bits, value < 0, kFormatOf<To>, form.rounding));
  }
};

/// A double to the form's format, with the modifiers.
uint64_t reformatted(double value, const ConvertForm& form) {
  const FloatFormat& format = form.format;
  if (form.integral && value - value == 0)
    value = std::copysign(round_to_integral(value, form.rounding), value);
  if (form.saturate) value = value > 0 ? std::min(value, 1.0) : 0.0;
  if (form.relu && value <= 0) value = 0.0;
  if (form.finite && std::isinf(value)) return format.largest() | (value < 0 ? format.sign() : 0);
  bool flush = form.flush && format.mantissa_bits == kF32Format.mantissa_bits;
  uint64_t bits = round(value, format, form.integral ? Rounding::kNearest : form.rounding, flush);
  if (form.finite && (bits & ~format.sign()) == format.top_exponent() && format.infinite) --bits;
  return bits;
}
/// What an H200 makes of a NaN: f64 keeps as much of it as there is and gives as much as there is room for, made quiet; bf16 is the
/// upper half of its f32; all others, and whatever .ftz has been at, give the one NaN of the result's format.
template <class From, class To>
To converted_nan(From source, bool flushes) {
  if constexpr (sizeof(To) == 8) {
    double wide = flushes ? double{std::bit_cast<float>(0x7fffffffu)} : widened(source);
    return with_nan_of(wide, wide);
  } else if constexpr (sizeof(From) == 8) {
    constexpr FloatFormat kFormat = kFormatOf<To>;
    auto bits = std::bit_cast<uint64_t>(source);
    uint64_t payload = bits >> (52 - kFormat.mantissa_bits) & (kFormat.sign() - 1);
    uint64_t quiet = kFormat.top_exponent() | 1ull << (kFormat.mantissa_bits - 1);
    return from_bits<To>(payload | quiet | (std::signbit(source) ? kFormat.sign() : 0));
  } else if constexpr (std::is_same_v<From, Brain> && std::is_same_v<To, float>) {
    return flushes ? canonical(to_float(source)) : to_float(source);
  } else {
    return from_bits<To>(kFormatOf<To>.nan);
  }
}
template <class From, class To>
struct FloatToFloat {
  explicit FloatToFloat(const Op& op) : form(form_of(op)) {}
  ConvertForm form;
  To operator()(From source) const {
    double value = widened(form.flush ? flushed(source) : source);
    if (value != value && !form.saturate) return converted_nan<From, To>(source, form.flush);
    return from_bits<To>(reformatted(value, form));
  }
};
/// To nearest, without modifiers.
template <class From, class To>
struct FloatToFloatNearest {
  To operator()(From source) const {
    if constexpr (sizeof(From) == 8 && sizeof(To) == 2) {
      uint64_t bits = round(source, kFormatOf<To>, Rounding::kNearest);
      return source != source ? converted_nan<From, To>(source, false) : from_bits<To>(bits);
    } else if constexpr (sizeof(From) == 8) {
      return source != source ? converted_nan<From, To>(source, false) : static_cast<To>(source);
    } else {
      float value = to_float(source);
      if constexpr (sizeof(To) == 2)
        return from_float<To>(value);
      else if constexpr (sizeof(To) == 8 || std::is_same_v<From, Brain>)
        return value;
      else
        return canonical(value);
    }
  }
};
/// NaN too goes through .rna as if it were a number (on an H200).
struct ToTf32 {
  explicit ToTf32(const Op& op) : form(form_of(op)) {}
  ConvertForm form;
  uint32_t operator()(float source) const {
    if (form.rounding != Rounding::kAway) return static_cast<uint32_t>(reformatted(source, form)) << 13;
    auto bits = std::bit_cast<uint32_t>(source);
    uint32_t rounded = std::min((bits & 0x7fffffff) + 0x1000, 0x7fffffffu) & 0xffffe000;
    if (form.finite && rounded >= 0x7f800000) rounded -= 0x2000;
    return rounded | (bits & 0x80000000);
  }
};

// --- packs: the first source becomes the upper half
template <class T>
struct PackNearest {
  Pair<T> operator()(float high, float low) const {
    return Pair<T>::of(from_float<T>(low), from_float<T>(high));
  }
};
struct Pack {
  explicit Pack(const Op& op) : form(form_of(op)) {}
  ConvertForm form;
  uint32_t operator()(float high, float low) const { return packed(high, low); }
  uint32_t packed(double high, double low) const {
    int bits = 1 + form.format.exponent_bits + form.format.mantissa_bits;
    return static_cast<uint32_t>(reformatted(high, form) << bits | reformatted(low, form));
  }
};
struct NarrowPair : Pack {
  using Pack::Pack;
  uint32_t operator()(Pair<Half> source) const {
    return packed(to_float(source.high()), to_float(source.low()));
  }
};
struct WidenPair {
  explicit WidenPair(const Op& op) : form(form_of(op)) {}
  ConvertForm form;  ///< its format is the source's
  Pair<Half> operator()(uint32_t source) const {
    return Pair<Half>::of(half(source & 0xff), half(source >> 8 & 0xff));
  }
  Half half(uint32_t bits) const {
    Half value = from_float<Half>(static_cast<float>(widen(bits, form.format)));
    return form.relu && (value.bits & 0x8000) != 0 ? Half{0} : value;
  }
};

// --- handlers by type
bool is_integer(Type type) { return !ptx::is_float(type) && type != Type::kPred && name(type)[0] != 'b'; }

template <template <class, class> class F, class To>
Handler from_integer(Type from, bool in_long) {
  switch (from) {
    case Type::kU8: return in_long ? each_lane<F<InLong<uint8_t>, To>>() : each_lane<F<uint8_t, To>>();
    case Type::kS8: return in_long ? each_lane<F<InLong<int8_t>, To>>() : each_lane<F<int8_t, To>>();
    case Type::kU16: return in_long ? each_lane<F<InLong<uint16_t>, To>>() : each_lane<F<uint16_t, To>>();
    case Type::kS16: return in_long ? each_lane<F<InLong<int16_t>, To>>() : each_lane<F<int16_t, To>>();
    case Type::kU32: return in_long ? each_lane<F<InLong<uint32_t>, To>>() : each_lane<F<uint32_t, To>>();
    case Type::kS32: return in_long ? each_lane<F<InLong<int32_t>, To>>() : each_lane<F<int32_t, To>>();
    case Type::kU64: return each_lane<F<uint64_t, To>>();
    case Type::kS64: return each_lane<F<int64_t, To>>();
    default: return nullptr;
  }
}
template <template <class, class> class F, class To>
Handler from_float_type(Type from) {
  switch (from) {
    case Type::kF16: return each_lane<F<Half, To>>();
    case Type::kBf16: return each_lane<F<Brain, To>>();
    case Type::kF32: return each_lane<F<float, To>>();
    case Type::kF64: return each_lane<F<double, To>>();
    default: return nullptr;
  }
}

// --- decoding
std::optional<Rounding> accept_integral_rounding(Decoder& d) {
  if (d.accept("rni")) return Rounding::kNearest;
  if (d.accept("rzi")) return Rounding::kZero;
  if (d.accept("rmi")) return Rounding::kDown;
  if (d.accept("rpi")) return Rounding::kUp;
  return std::nullopt;
}
bool accept_flush(Decoder& d, Type to, Type from) {
  return (to == Type::kF32 || from == Type::kF32) && d.accept("ftz");
}
bool is_brain(Type type) { return type == Type::kBf16; }

/// The result's slot, and how wide its register is.
void write_integer(Decoder& d, Type to, ConvertForm& form, bool& long_result) {
  int width = std::max(d.write(0, to, true), 16);
  long_result = width == 64;
  form.bits = ptx::bits(to);
  form.is_signed = ptx::is_signed(to);
  form.register_mask = UINT64_MAX >> (64 - width);
}
/// A float in a register that is no wider than a lane of it.
void read_float(Decoder& d, int operand, Type type) {
  if (d.read(operand, type, true) == 64 && type != Type::kF64)
    d.fail("a narrow float in a 64-bit register is not supported");
}
void write_float(Decoder& d, Type type) {
  if (d.write(0, type, true) == 64 && type != Type::kF64)
    d.fail("a narrow float in a 64-bit register is not supported");
}

/// Whether every value of `from` is one of `to`.
bool holds_all(Type to, Type from) {
  if (ptx::is_signed(from)) return ptx::is_signed(to) && ptx::bits(to) >= ptx::bits(from);
  return ptx::bits(to) > ptx::bits(from) || (to == from);
}
void decode_integer_to_integer(Decoder& d, Type to, Type from) {
  auto& form = d.form<ConvertForm>();
  form.saturate = !holds_all(to, from) && d.accept("sat");
  bool long_result = false;
  write_integer(d, to, form, long_result);
  bool in_long = d.read(1, from, true) == 64;
  Handler handler = nullptr;
  if (form.saturate)
    handler = long_result ? from_integer<IntegerToIntegerSaturating, uint64_t>(from, in_long)
                          : from_integer<IntegerToIntegerSaturating, uint32_t>(from, in_long);
  else
    handler = long_result ? from_integer<IntegerToInteger, uint64_t>(from, in_long)
                          : from_integer<IntegerToInteger, uint32_t>(from, in_long);
  d.emit(handler, OpClass::kConvert);
}

void decode_float_to_integer(Decoder& d, Type to, Type from) {
  if (is_brain(from) && ptx::bits(to) == 8) fail_type(d, to);
  auto& form = d.form<ConvertForm>();
  auto rounding = accept_integral_rounding(d);
  if (!rounding) d.fail("a rounding is missing: .rni, .rzi, .rmi or .rpi");
  form.rounding = *rounding;
  form.flush = accept_flush(d, to, from);
  if (!is_brain(from)) d.accept("sat");  // out of range saturates in any case
  bool long_result = false;
  write_integer(d, to, form, long_result);
  read_float(d, 1, from);
  Handler handler = long_result ? from_float_type<FloatToInteger, uint64_t>(from)
                                : from_float_type<FloatToInteger, uint32_t>(from);
  if (handler == nullptr) fail_type(d, from);
  d.emit(handler, OpClass::kConvert);
}

template <class To>
Handler integer_to_float(Type from, bool in_long, bool plain) {
  if constexpr (sizeof(To) >= 4)
    if (plain) return from_integer<IntegerToFloatNearest, To>(from, in_long);
  return from_integer<IntegerToFloat, To>(from, in_long);
}
void decode_integer_to_float(Decoder& d, Type to, Type from) {
  if (is_brain(to) && ptx::bits(from) == 8) fail_type(d, from);
  auto& form = d.form<ConvertForm>();
  auto rounding = accept_rounding(d);
  if (!rounding) d.fail("a rounding is missing: .rn, .rz, .rm or .rp");
  form.rounding = *rounding;
  accept_flush(d, to, from);  // no integer gives a subnormal
  form.saturate = !is_brain(to) && d.accept("sat");
  write_float(d, to);
  bool in_long = d.read(1, from, true) == 64, plain = *rounding == Rounding::kNearest && !form.saturate;
  Handler handler = to == Type::kF32    ? integer_to_float<float>(from, in_long, plain)
                    : to == Type::kF64  ? integer_to_float<double>(from, in_long, plain)
                    : to == Type::kF16  ? integer_to_float<Half>(from, in_long, plain)
                    : to == Type::kBf16 ? integer_to_float<Brain>(from, in_long, plain)
                                        : nullptr;
  if (handler == nullptr) fail_type(d, to);
  d.emit(handler, OpClass::kConvert);
}

const FloatFormat* scalar_format(Type type) {
  switch (type) {
    case Type::kF16: return &kF16Format;
    case Type::kBf16: return &kBf16Format;
    case Type::kF32: return &kF32Format;
    case Type::kF64: return &kF64Format;
    default: return nullptr;
  }
}
template <template <class, class> class F>
Handler float_to_float(Type to, Type from) {
  switch (to) {
    case Type::kF16: return from_float_type<F, Half>(from);
    case Type::kBf16: return from_float_type<F, Brain>(from);
    case Type::kF32: return from_float_type<F, float>(from);
    default: return from_float_type<F, double>(from);
  }
}
/// The rounding that a conversion between floats takes, into the form.
void accept_float_rounding(Decoder& d, Type to, Type from, ConvertForm& form) {
  bool brain = is_brain(to) || is_brain(from);
  if (to == from) {
    auto rounding = accept_integral_rounding(d);
    form.integral = rounding.has_value();
    form.rounding = rounding.value_or(Rounding::kNearest);
  } else if (ptx::bits(to) < ptx::bits(from) || brain) {
    auto rounding = accept_rounding(d);
    if (!rounding && ptx::bits(to) < ptx::bits(from)) d.fail("a rounding is missing: .rn, .rz, .rm or .rp");
    form.rounding = rounding.value_or(Rounding::kNearest);
  }
  // To f16 an H200 does not flush, though the ISA says that .ftz does; only .rm and .rp can tell.
  form.flush = accept_flush(d, to, from) && to != Type::kF16;
  form.saturate = !brain && d.accept("sat");
}
void decode_float_to_float(Decoder& d, Type to, Type from) {
  const FloatFormat* format = scalar_format(to);
  if (format == nullptr) fail_type(d, to);
  if (scalar_format(from) == nullptr) fail_type(d, from);
  auto& form = d.form<ConvertForm>();
  form.format = *format;
  accept_float_rounding(d, to, from, form);
  bool narrowed = from == Type::kF32 && (to == Type::kF16 || to == Type::kBf16);
  if (narrowed && form.rounding != Rounding::kDown && form.rounding != Rounding::kUp && !form.saturate &&
      !form.flush) {
    form.relu = d.accept("relu");
    form.finite = d.accept("satfinite");
  }
  write_float(d, to);
  read_float(d, 1, from);
  bool plain = form.rounding == Rounding::kNearest && !form.integral && !form.flush && !form.saturate &&
               !form.relu && !form.finite;
  d.emit(plain ? float_to_float<FloatToFloatNearest>(to, from) : float_to_float<FloatToFloat>(to, from),
         OpClass::kConvert);
}

void decode_to_tf32(Decoder& d, Type from) {
  if (from != Type::kF32) fail_type(d, from);
  auto& form = d.form<ConvertForm>();
  form.format = kTf32Format;
  llvm::StringRef rounding = d.expect_any({"rna", "rn", "rz"});
  form.rounding = rounding == "rna"  ? Rounding::kAway
                  : rounding == "rn" ? Rounding::kNearest
                                     : Rounding::kZero;
  bool away = form.rounding == Rounding::kAway;
  form.finite = (away || d.target_arch() >= 100) && d.accept("satfinite");
  form.relu = !away && d.accept("relu");
  emit_lanes(d, each_lane<ToTf32>(), Type::kB32, {Type::kF32}, OpClass::kConvert);
}

bool is_small_pair(Type type) { return type == Type::kE4m3x2 || type == Type::kE5m2x2; }
const FloatFormat& pair_format(Type type) {
  return type == Type::kE4m3x2   ? kE4m3Format
         : type == Type::kE5m2x2 ? kE5m2Format
         : type == Type::kF16x2  ? kF16Format
                                 : kBf16Format;
}
/// d, a, b to two 16-bit or 8-bit floats; two f16 to two 8-bit floats.
void decode_to_pair(Decoder& d, Type to, Type from) {
  auto& form = d.form<ConvertForm>();
  bool small = is_small_pair(to);
  form.format = pair_format(to);
  form.rounding = small || d.accept("rn") ? Rounding::kNearest : Rounding::kZero;
  if (small)
    d.expect_any({"rn"});
  else if (form.rounding == Rounding::kZero)
    d.expect_any({"rz"});
  form.finite = small ? !d.expect_any({"satfinite"}).empty() : d.accept("satfinite");
  form.relu = d.accept("relu");
  Type result = small ? Type::kB16 : Type::kB32;
  if (small && from == Type::kF16x2)
    return emit_lanes(d, each_lane<NarrowPair>(), result, {Type::kB32}, OpClass::kConvert);
  if (from != Type::kF32) fail_type(d, from);
  bool plain = !small && form.rounding == Rounding::kNearest && !form.finite && !form.relu;
  Handler handler = !plain               ? each_lane<Pack>()
                    : to == Type::kF16x2 ? each_lane<PackNearest<Half>>()
                                         : each_lane<PackNearest<Brain>>();
  emit_lanes(d, handler, result, {Type::kF32, Type::kF32}, OpClass::kConvert);
}
void decode_from_small_pair(Decoder& d, Type to, Type from) {
  if (to != Type::kF16x2) fail_type(d, to);
  auto& form = d.form<ConvertForm>();
  form.format = pair_format(from);
  d.expect_any({"rn"});
  form.relu = d.accept("relu");
  emit_lanes(d, each_lane<WidenPair>(), Type::kB32, {Type::kB16}, OpClass::kConvert);
}

void decode_cvt(Decoder& d) {
  Type to = d.expect_type(), from = d.expect_type();
  if (to == Type::kTf32) return decode_to_tf32(d, from);
  if (is_small_pair(from)) return decode_from_small_pair(d, to, from);
  if (ptx::is_packed(to)) return decode_to_pair(d, to, from);
  d.expect_operands(2, 2);
  for (Type type : {to, from})
    if (!is_integer(type) && scalar_format(type) == nullptr) fail_type(d, type);
  if (is_integer(to))
    return is_integer(from) ? decode_integer_to_integer(d, to, from) : decode_float_to_integer(d, to, from);
  return is_integer(from) ? decode_integer_to_float(d, to, from) : decode_float_to_float(d, to, from);
}

}  // namespace

OpcodeTable convert_opcodes() {
  static constexpr OpcodeEntry kTable[] = {{"cvt", decode_cvt}};
  return kTable;
}

}  // namespace tenon::emulator
