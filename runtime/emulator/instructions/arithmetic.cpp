// arithmetic.cpp: add sub mul mad fma div min max neg abs: the opcodes that integers (integer.cpp) and floats share, and
// their float side.
#include <cmath>

#include "runtime/emulator/instructions/approximate.h"
#include "runtime/emulator/instructions/float_form.h"
#include "runtime/emulator/instructions/float_formats.h"
#include "runtime/emulator/instructions/integer.h"
#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

struct Add {
  template <class T>
  T operator()(T a, T b) const {
    return a + b;
  }
  static constexpr auto exact = exact_add;
};
struct Sub {
  template <class T>
  T operator()(T a, T b) const {
    return a - b;
  }
  static uint64_t exact(double a, double b, const FloatFormat& f, Rounding r, bool flush) {
    return exact_add(a, -b, f, r, flush);
  }
};
struct Mul {
  template <class T>
  T operator()(T a, T b) const {
    return a * b;
  }
  static constexpr auto exact = exact_mul;
};
struct Div {
  template <class T>
  T operator()(T a, T b) const {
    return a / b;
  }
  static constexpr auto exact = exact_div;
};

// --- f32 and f64, to nearest
template <bool kFlush>
float prepared(float value) {
  return kFlush ? flush(value) : value;
}
/// `exact` is the result before it was rounded, as far as a double can hold it.
template <bool kFlush, bool kSaturate>
float finished(float value, double exact) {
  value = kFlush ? flush_tiny(value, exact) : value;
  return kSaturate ? saturate(value) : canonical(value);
}
template <class Operation, bool kFlush, bool kSaturate>
struct Single {
  float operator()(float a, float b) const {
    a = prepared<kFlush>(a), b = prepared<kFlush>(b);
    return finished<kFlush, kSaturate>(Operation{}(a, b), Operation{}(double{a}, double{b}));
  }
};
template <bool kFlush, bool kSaturate>
struct SingleFma {
  float operator()(float a, float b, float c) const {
    a = prepared<kFlush>(a), b = prepared<kFlush>(b), c = prepared<kFlush>(c);
    return finished<kFlush, kSaturate>(std::fma(a, b, c), kFlush ? double{a} * b + c : 0);
  }
};
template <class Operation>
struct Double {
  double operator()(double a, double b) const { return with_nan_of(Operation{}(a, b), a, b); }
};
struct DoubleFma {
  double operator()(double a, double b, double c) const { return with_nan_of(std::fma(a, b, c), a, b, c); }
};

// --- f32 and f64 in the other directions
template <class T>
using BitsOf = std::conditional_t<sizeof(T) == 8, uint64_t, uint32_t>;
template <class T, class Operation>
struct Directed : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T a, T b) const {
    a = in(a), b = in(b);
    uint64_t bits = Operation::exact(a, b, kFormatOf<T>, form.rounding, form.flush);
    return out(with_nan_of(std::bit_cast<T>(static_cast<BitsOf<T>>(bits)), a, b));
  }
};
template <class T>
struct DirectedFma : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T a, T b, T c) const {
    a = in(a), b = in(b), c = in(c);
    uint64_t bits = exact_fma(a, b, c, kFormatOf<T>, form.rounding, form.flush);
    return out(with_nan_of(std::bit_cast<T>(static_cast<BitsOf<T>>(bits)), a, b, c));
  }
};

// --- f16 and bf16. A sum or product is rounded to f32 and then again: f32's 24 bits are more than twice 11 and two, so that gives
// what one rounding would. A fused product needs more: exact in double, its sum rounded to odd.
template <class T, class Operation>
struct Small : SmallFormed<T> {
  using SmallFormed<T>::SmallFormed;
  T operator()(T a, T b) const { return this->out(Operation{}(this->in(a), this->in(b))); }
};
template <class T>
struct SmallFma : SmallFormed<T> {
  using SmallFormed<T>::SmallFormed;
  T operator()(T a, T b, T c) const {
    double product = static_cast<double>(this->in(a)) * this->in(b);
    return this->out(to_float_odd(add_to_odd(product, this->in(c))));
  }
};

// --- min and max: the number where the other is NaN, or NaN with .NaN; -0 is less than +0
template <class T, bool kMax>
T extreme(T a, T b, const FloatForm& form) {
  using Bits = BitsOf<T>;
  constexpr Bits kSign = Bits{1} << (sizeof(T) * 8 - 1);
  Bits x = std::bit_cast<Bits>(a), y = std::bit_cast<Bits>(b);
  Bits sign = form.xor_sign ? (x ^ y) & kSign : 0;
  if (form.absolute) {
    a = std::bit_cast<T>(x &= ~kSign);
    b = std::bit_cast<T>(y &= ~kSign);
  }
  T tie = std::bit_cast<T>(kMax ? x & y : x | y);
  T first = kMax ? (a > b ? a : b) : (a < b ? a : b);
  T ordered = std::bit_cast<T>(std::bit_cast<Bits>(a == b ? tie : first) | sign);
  T signed_a = std::bit_cast<T>(std::bit_cast<Bits>(a) | sign),
    signed_b = std::bit_cast<T>(std::bit_cast<Bits>(b) | sign);
  bool a_nan = a != a, b_nan = b != b;
  T nan = with_nan_of(std::bit_cast<T>(static_cast<Bits>(kFormatOf<T>.nan)), a, b);
  T one = a_nan ? (b_nan ? nan : signed_b) : signed_a;
  return a_nan || b_nan ? (form.nan ? nan : one) : ordered;
}
template <class T, bool kMax>
struct Extreme : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T a, T b) const { return extreme<T, kMax>(in(a), in(b), form); }
};
template <class T, bool kMax>
struct Extreme3 : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T a, T b, T c) const {
    return extreme<T, kMax>(extreme<T, kMax>(in(a), in(b), form), in(c), form);
  }
};
template <class T, bool kMax>
struct SmallExtreme : SmallFormed<T> {
  using SmallFormed<T>::SmallFormed;
  T operator()(T a, T b) const {
    return from_float<T>(extreme<float, kMax>(this->in(a), this->in(b), this->form));
  }
};

// --- signs. The ISA leaves a NaN's bits open; these are an H200's
template <class T, bool kAbsolute>
T with_sign(T value) {
  if constexpr (sizeof(T) == 2) {
    auto bits = static_cast<uint16_t>(kAbsolute ? value.bits & 0x7fff : value.bits ^ 0x8000);
    return {static_cast<uint16_t>((value.bits & 0x7fff) > kFormatOf<T>.top_exponent() ? 0x7fff : bits)};
  } else {
    return value != value ? with_nan_of(value, value) : kAbsolute ? std::fabs(value) : -value;
  }
}
template <class T, bool kAbsolute>
struct Sign : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T value) const { return with_sign<T, kAbsolute>(in(value)); }
};
template <class T, bool kAbsolute>
struct SmallSign : SmallFormed<T> {
  using SmallFormed<T>::SmallFormed;
  T operator()(T value) const { return with_sign<T, kAbsolute>(this->form.flush ? flush(value) : value); }
};

// --- division
template <bool kNoisy, bool kFull>
struct Quotient : FloatFormed {
  using FloatFormed::FloatFormed;
  float operator()(float a, float b) const {
    a = in(a), b = in(b);
    double quotient = static_cast<double>(a) / b;
    if (kNoisy)  // 2 ulp, less the rounding's half
      quotient = off_by_relative(quotient, 1.5 * 0x1p-24,
                                 std::bit_cast<uint32_t>(a) * 31 + std::bit_cast<uint32_t>(b));
    auto result = static_cast<float>(quotient);
    // a * (1 / b), whose reciprocal is flushed
    if (!kFull && std::fabs(b) > 0x1p126f)
      result = std::bit_cast<float>((std::bit_cast<uint32_t>(a) ^ std::bit_cast<uint32_t>(b)) & 0x80000000) *
               (a - a + 1);
    return canonical(out(result));
  }
};
template <bool kNoisy>
using ApproximateQuotient = Quotient<kNoisy, false>;
template <bool kNoisy>
using FullQuotient = Quotient<kNoisy, true>;

// --- handlers by type and form
template <template <bool, bool> class F>
Handler single_handler(const FloatForm& form) {
  if (form.flush) return form.saturate ? each_lane<F<true, true>>() : each_lane<F<true, false>>();
  return form.saturate ? each_lane<F<false, true>>() : each_lane<F<false, false>>();
}
template <class Operation>
struct Singles {
  template <bool kFlush, bool kSaturate>
  using F = Single<Operation, kFlush, kSaturate>;
};

template <class Operation>
Handler binary_handler(Type type, const FloatForm& form) {
  bool nearest = form.rounding == Rounding::kNearest;
  switch (type) {
    case Type::kF32:
      return nearest ? single_handler<Singles<Operation>::template F>(form)
                     : each_lane<Directed<float, Operation>>();
    case Type::kF64:
      return nearest ? each_lane<Double<Operation>>() : each_lane<Directed<double, Operation>>();
    case Type::kF16: return each_lane<Small<Half, Operation>>();
    case Type::kBf16: return each_lane<Small<Brain, Operation>>();
    case Type::kF16x2: return each_lane<Packed2<Half, Small<Half, Operation>>>();
    case Type::kBf16x2: return each_lane<Packed2<Brain, Small<Brain, Operation>>>();
    default: return nullptr;
  }
}

Handler fma_handler(Type type, const FloatForm& form) {
  bool nearest = form.rounding == Rounding::kNearest;
  switch (type) {
    case Type::kF32: return nearest ? single_handler<SingleFma>(form) : each_lane<DirectedFma<float>>();
    case Type::kF64: return nearest ? each_lane<DoubleFma>() : each_lane<DirectedFma<double>>();
    case Type::kF16: return each_lane<SmallFma<Half>>();
    case Type::kBf16: return each_lane<SmallFma<Brain>>();
    case Type::kF16x2: return each_lane<Packed3<Half, SmallFma<Half>>>();
    case Type::kBf16x2: return each_lane<Packed3<Brain, SmallFma<Brain>>>();
    default: return nullptr;
  }
}

template <bool kMax>
Handler extreme_handler(Type type, bool three) {
  switch (type) {
    case Type::kF32: return three ? each_lane<Extreme3<float, kMax>>() : each_lane<Extreme<float, kMax>>();
    case Type::kF64: return each_lane<Extreme<double, kMax>>();
    case Type::kF16: return each_lane<SmallExtreme<Half, kMax>>();
    case Type::kBf16: return each_lane<SmallExtreme<Brain, kMax>>();
    case Type::kF16x2: return each_lane<Packed2<Half, SmallExtreme<Half, kMax>>>();
    case Type::kBf16x2: return each_lane<Packed2<Brain, SmallExtreme<Brain, kMax>>>();
    default: return nullptr;
  }
}

template <bool kAbsolute>
Handler sign_handler(Type type) {
  switch (type) {
    case Type::kF32: return each_lane<Sign<float, kAbsolute>>();
    case Type::kF64: return each_lane<Sign<double, kAbsolute>>();
    case Type::kF16: return each_lane<SmallSign<Half, kAbsolute>>();
    case Type::kBf16: return each_lane<SmallSign<Brain, kAbsolute>>();
    case Type::kF16x2: return each_lane<Packed1<Half, SmallSign<Half, kAbsolute>>>();
    case Type::kBf16x2: return each_lane<Packed1<Brain, SmallSign<Brain, kAbsolute>>>();
    default: return nullptr;
  }
}

// --- decoding
bool is_half(Type type) { return type == Type::kF16 || type == Type::kF16x2; }
int values(Type type) { return ptx::is_packed(type) ? 2 : 1; }

/// Rounding, .ftz, .sat, as far as the type has them.
FloatForm& arithmetic_form(Decoder& d, Type type, bool direction_needed) {
  auto& form = d.form<FloatForm>();
  if (type == Type::kF32 || type == Type::kF64) {
    auto rounding = accept_rounding(d);
    if (direction_needed && !rounding) d.fail("a rounding is missing: .rn, .rz, .rm or .rp");
    form.rounding = rounding.value_or(Rounding::kNearest);
  } else {
    bool nearest = d.accept("rn");
    if (direction_needed && !nearest) d.fail("a rounding is missing: .rn");
  }
  if (type == Type::kF32 || is_half(type)) {
    form.flush = d.accept("ftz");
    form.saturate = d.accept("sat");
  }
  return form;
}

void emit_float(Decoder& d, Handler handler, Type type, int sources, int flops) {
  if (handler == nullptr) fail_type(d, type);
  d.expect_operands(sources + 1, sources + 1);
  d.write(0, type);
  for (int i = 1; i <= sources; ++i) d.read(i, type);
  d.emit(handler, OpClass::kFloat, flops * values(type));
}

template <class Operation, auto kInteger>
void decode_binary(Decoder& d) {
  auto type = d.accept_type();
  if (!type || !ptx::is_float(*type)) return kInteger(d, type);
  const FloatForm& form = arithmetic_form(d, *type, false);
  emit_float(d, binary_handler<Operation>(*type, form), *type, 2, 1);
}

void decode_fma_of(Decoder& d, Type type) {
  FloatForm& form = arithmetic_form(d, type, true);
  if (type != Type::kF32 && type != Type::kF64 && !form.saturate) form.relu = d.accept("relu");
  emit_float(d, fma_handler(type, form), type, 3, 2);
}
void decode_fma(Decoder& d) { decode_fma_of(d, d.expect_type()); }
void decode_mad(Decoder& d) {
  auto type = d.accept_type();
  if (!type || !ptx::is_float(*type)) return decode_integer_mad(d, type);
  if (*type != Type::kF32 && *type != Type::kF64) fail_type(d, *type);
  decode_fma_of(d, *type);
}

void decode_div(Decoder& d) {
  auto type = d.accept_type();
  if (!type || !ptx::is_float(*type)) return decode_integer_div(d, type);
  if (*type != Type::kF32 && *type != Type::kF64) fail_type(d, *type);
  bool approx = *type == Type::kF32 && d.accept("approx"),
       full = *type == Type::kF32 && !approx && d.accept("full");
  if (!approx && !full) {
    auto& form = d.form<FloatForm>();
    auto rounding = accept_rounding(d);
    if (!rounding) d.fail("div needs .approx, .full or a rounding", "nvcc writes div.rn");
    form.rounding = *rounding;
    form.flush = *type == Type::kF32 && d.accept("ftz");
    return emit_float(d, binary_handler<Div>(*type, form), *type, 2, 1);
  }
  d.form<FloatForm>().flush = d.accept("ftz");
  emit_lanes(
      d, approx ? each_lane_approximately<ApproximateQuotient>() : each_lane_approximately<FullQuotient>(),
      *type, {*type, *type}, OpClass::kSpecial, 1);
}

template <bool kMax>
void decode_extreme(Decoder& d) {
  auto type = d.accept_type();
  if (!type || !ptx::is_float(*type)) return kMax ? decode_integer_max(d, type) : decode_integer_min(d, type);
  auto& form = d.form<FloatForm>();
  form.flush = (*type == Type::kF32 || is_half(*type)) && d.accept("ftz");
  bool three = *type == Type::kF32 && d.operand_count() == 4;
  if (*type != Type::kF64) {
    form.nan = d.accept("NaN");
    form.xor_sign = !three && d.accept("xorsign");
    form.absolute = d.accept("abs");
    if (form.absolute != form.xor_sign && !three) d.fail(".xorsign and .abs go together");
  }
  emit_float(d, extreme_handler<kMax>(*type, three), *type, three ? 3 : 2, three ? 2 : 1);
}

template <bool kAbsolute>
void decode_sign(Decoder& d) {
  auto type = d.accept_type();
  if (!type || !ptx::is_float(*type))
    return kAbsolute ? decode_integer_abs(d, type) : decode_integer_neg(d, type);
  auto& form = d.form<FloatForm>();
  form.flush = (*type == Type::kF32 || is_half(*type)) && d.accept("ftz");
  emit_float(d, sign_handler<kAbsolute>(*type), *type, 1, 0);
}

}  // namespace

OpcodeTable arithmetic_opcodes() {
  static constexpr OpcodeEntry kTable[] = {
      {"add", decode_binary<Add, decode_integer_add>},
      {"sub", decode_binary<Sub, decode_integer_sub>},
      {"mul", decode_binary<Mul, decode_integer_mul>},
      {"mad", decode_mad},
      {"fma", decode_fma},
      {"div", decode_div},
      {"min", decode_extreme<false>},
      {"max", decode_extreme<true>},
      {"neg", decode_sign<false>},
      {"abs", decode_sign<true>},
  };
  return kTable;
}

}  // namespace tenon::emulator
