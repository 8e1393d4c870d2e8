// float.cpp: rcp sqrt rsqrt ex2 lg2 sin cos tanh copysign testp.
#include <cmath>

#include "runtime/emulator/instructions/approximate.h"
#include "runtime/emulator/instructions/float_form.h"
#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

// --- functions of one f32: what they compute, and how far off the PTX ISA lets them be, less half an ulp for the rounding
struct Reciprocal {
  static double of(double x) { return 1 / x; }
  static double off(double y, uint32_t bits) { return off_by_relative(y, 0.5 * 0x1p-24, bits); }  // 1 ulp
};
struct Root {
  static double of(double x) { return std::sqrt(x); }
  static double off(double y, uint32_t bits) { return off_by_relative(y, 0x1p-24, bits); }  // 2^-23
};
struct ReciprocalRoot {
  static double of(double x) { return 1 / std::sqrt(x); }
  static double off(double y, uint32_t bits) { return off_by_relative(y, 0x1.1p-24, bits); }  // 2^-22.9
};
struct Exp2 {
  static double of(double x) { return exp2_of(x); }
  static double off(double y, uint32_t bits) { return off_by_relative(y, 0.75 * 0x1p-22, bits); }  // 2^-22
};
struct Log2 {
  static double of(double x) { return log2_of(x); }
  static double off(double y, uint32_t bits) { return off_by_absolute(y, 0.75 * 0x1p-22, bits); }  // 2^-22
};
struct Sine {
  static double of(double x) { return std::sin(x); }
  static double off(double y, uint32_t bits) { return off_by_absolute(y, 0.875 * 0x1p-21, bits); }  // 2^-20.9
};
struct Cosine {
  static double of(double x) { return std::cos(x); }
  static double off(double y, uint32_t bits) { return off_by_absolute(y, 0.875 * 0x1p-21, bits); }  // 2^-20.9
};
struct Tanh {
  static double of(double x) { return tanh_of(x); }
  static double off(double y, uint32_t bits) { return off_by_relative(y, 0x1.ffp-12, bits); }  // 2^-11
};

template <class Function>
struct Approximate {
  template <bool kNoisy>
  struct F : FloatFormed {
    using FloatFormed::FloatFormed;
    float operator()(float x) const {
      double y = Function::of(in(x));
      if (kNoisy) y = Function::off(y, std::bit_cast<uint32_t>(x));
      return canonical(out(static_cast<float>(y)));
    }
  };
  /// In f16 or bf16: off by half a unit in the last place at most, before the rounding takes another half.
  template <class T>
  struct Small {
    template <bool kNoisy>
    struct F : SmallFormed<T> {
      using SmallFormed<T>::SmallFormed;
      T operator()(T x) const {
        double y = Function::of(this->in(x));
        if (kNoisy) y = off_by_relative(y, std::ldexp(0.5, -kFormatOf<T>.mantissa_bits - 1), x.bits);
        return this->out(to_float_odd(y));
      }
    };
    template <bool kNoisy>
    using Pair = Packed1<T, F<kNoisy>>;
  };
};

// --- correctly rounded
template <class T>
struct RoundedReciprocal : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T x) const { return with_nan_of(out(1 / in(x)), x); }
};
template <class T>
struct RoundedRoot : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T x) const { return with_nan_of(out(std::sqrt(in(x))), x); }
};
template <class T>
T of_bits(uint64_t bits) {
  if constexpr (sizeof(T) == 4)
    return std::bit_cast<float>(static_cast<uint32_t>(bits));
  else
    return std::bit_cast<double>(bits);
}
template <class T>
struct DirectedReciprocal : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T x) const {
    x = in(x);
    return out(with_nan_of(of_bits<T>(exact_div(1, x, kFormatOf<T>, form.rounding, form.flush)), x));
  }
};
template <class T>
struct DirectedRoot : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T x) const {
    x = in(x);
    return out(with_nan_of(of_bits<T>(exact_sqrt(x, kFormatOf<T>, form.rounding, form.flush)), x));
  }
};

// --- f64, from and to the upper words alone
double upper_word(double x) { return std::bit_cast<double>(std::bit_cast<uint64_t>(x) & 0xffffffff00000000); }
double flush_double(double x) {
  auto bits = std::bit_cast<uint64_t>(x);
  return (bits & 0x7ff0000000000000) == 0 ? std::bit_cast<double>(bits & 0x8000000000000000) : x;
}
template <bool kRoot>
struct CoarseDouble {
  double operator()(double x) const {
    x = upper_word(flush_double(x));
    return flush_double(upper_word(1 / (kRoot ? std::sqrt(x) : x)));
  }
};
/// Without .ftz the whole operand counts: subnormals, and a NaN that shows in the lower word alone.
struct ReciprocalRootDouble {
  double operator()(double x) const { return with_nan_of(upper_word(1 / std::sqrt(x)), x); }
};

/// The sign of the first, the magnitude of the second.
template <class T>
struct CopySign {
  T operator()(T sign, T magnitude) const { return std::copysign(magnitude, sign); }
};

// --- testp: words p, a
enum class Class : int32_t { kFinite, kInfinite, kNumber, kNotANumber, kNormal, kSubnormal };
template <class T>
bool is_of(Class wanted, T value) {
  bool zero = value == 0, normal = std::isnormal(value) || zero;
  switch (wanted) {
    case Class::kFinite: return std::isfinite(value);
    case Class::kInfinite: return std::isinf(value);
    case Class::kNumber: return !std::isnan(value);
    case Class::kNotANumber: return std::isnan(value);
    case Class::kNormal: return normal;
    case Class::kSubnormal: return std::isfinite(value) && !normal;
  }
  return false;
}
template <class T>
Outcome test_class(Warp& warp, const Op& op, LaneMask active) {
  const Warp& reads = warp;
  const T* values = reads.lanes<T>(op.words[1]);
  LaneMask result = 0;
  for (int i = 0; i < kLanes; ++i)
    result |= static_cast<LaneMask>(is_of(static_cast<Class>(op.words[2]), values[i])) << i;
  warp.set_predicate(op.words[0], active, result, reads.poison(op.words[1]));
  return Outcome::kNext;
}

// --- decoding
void emit_special(Decoder& d, Handler handler, Type type) {
  if (handler == nullptr) fail_type(d, type);
  emit_lanes(d, handler, type, {type}, OpClass::kSpecial, ptx::is_packed(type) ? 2 : 1);
}
template <class Function>
Handler approximate() {
  return each_lane_approximately<Approximate<Function>::template F>();
}

/// sin cos lg2.
template <class Function>
void decode_approximate(Decoder& d) {
  auto& form = d.form<FloatForm>();
  d.expect_any({"approx"});
  form.flush = d.accept("ftz");
  Type type = d.expect_type();
  emit_special(d, type == Type::kF32 ? approximate<Function>() : nullptr, type);
}

template <class Function>
Handler small_handler(Type type) {
  using OnHalf = typename Approximate<Function>::template Small<Half>;
  using OnBrain = typename Approximate<Function>::template Small<Brain>;
  switch (type) {
    case Type::kF32: return approximate<Function>();
    case Type::kF16: return each_lane_approximately<OnHalf::template F>();
    case Type::kBf16: return each_lane_approximately<OnBrain::template F>();
    case Type::kF16x2: return each_lane_approximately<OnHalf::template Pair>();
    case Type::kBf16x2: return each_lane_approximately<OnBrain::template Pair>();
    default: return nullptr;
  }
}
void decode_tanh(Decoder& d) {
  d.form<FloatForm>();
  d.expect_any({"approx"});
  Type type = d.expect_type();
  emit_special(d, small_handler<Tanh>(type), type);
}
void decode_ex2(Decoder& d) {
  auto& form = d.form<FloatForm>();
  d.expect_any({"approx"});
  Type type = d.expect_type();
  bool brain = type == Type::kBf16 || type == Type::kBf16x2;
  if (brain)
    form.flush = !d.expect_any({"ftz"}).empty();
  else
    form.flush = type == Type::kF32 && d.accept("ftz");
  emit_special(d, small_handler<Exp2>(type), type);
}

/// rcp sqrt with a rounding.
template <template <class> class Nearest, template <class> class Directed>
void decode_rounded(Decoder& d, FloatForm& form, Type type) {
  auto rounding = accept_rounding(d);
  if (!rounding) d.fail("this needs .approx or a rounding: .rn, .rz, .rm or .rp");
  form.rounding = *rounding;
  form.flush = type == Type::kF32 && d.accept("ftz");
  bool nearest = *rounding == Rounding::kNearest;
  Handler handler = nullptr;
  if (type == Type::kF32) handler = nearest ? each_lane<Nearest<float>>() : each_lane<Directed<float>>();
  if (type == Type::kF64) handler = nearest ? each_lane<Nearest<double>>() : each_lane<Directed<double>>();
  emit_special(d, handler, type);
}
void decode_rcp(Decoder& d) {
  auto& form = d.form<FloatForm>();
  Type type = d.expect_type();
  if (!d.accept("approx")) return decode_rounded<RoundedReciprocal, DirectedReciprocal>(d, form, type);
  form.flush = type == Type::kF64 ? !d.expect_any({"ftz"}).empty() : d.accept("ftz");
  emit_special(d,
               type == Type::kF32   ? approximate<Reciprocal>()
               : type == Type::kF64 ? each_lane<CoarseDouble<false>>()
                                    : nullptr,
               type);
}
void decode_sqrt(Decoder& d) {
  auto& form = d.form<FloatForm>();
  Type type = d.expect_type();
  if (!d.accept("approx")) return decode_rounded<RoundedRoot, DirectedRoot>(d, form, type);
  form.flush = d.accept("ftz");
  emit_special(d, type == Type::kF32 ? approximate<Root>() : nullptr, type);
}
void decode_rsqrt(Decoder& d) {
  auto& form = d.form<FloatForm>();
  Type type = d.expect_type();
  d.expect_any({"approx"});
  form.flush = d.accept("ftz");
  Handler coarse = form.flush ? each_lane<CoarseDouble<true>>() : each_lane<ReciprocalRootDouble>();
  emit_special(d,
               type == Type::kF32   ? approximate<ReciprocalRoot>()
               : type == Type::kF64 ? coarse
                                    : nullptr,
               type);
}

void decode_copysign(Decoder& d) {
  Type type = d.expect_type();
  if (type != Type::kF32 && type != Type::kF64) fail_type(d, type);
  emit_lanes(d, type == Type::kF32 ? each_lane<CopySign<float>>() : each_lane<CopySign<double>>(), type,
             {type, type}, OpClass::kFloat);
}
void decode_testp(Decoder& d) {
  constexpr std::pair<const char*, Class> kNames[] = {
      {"finite", Class::kFinite},         {"infinite", Class::kInfinite}, {"number", Class::kNumber},
      {"notanumber", Class::kNotANumber}, {"normal", Class::kNormal},     {"subnormal", Class::kSubnormal}};
  llvm::StringRef wanted =
      d.expect_any({"finite", "infinite", "number", "notanumber", "normal", "subnormal"});
  Type type = d.expect_type();
  if (type != Type::kF32 && type != Type::kF64) fail_type(d, type);
  d.expect_operands(2, 2);
  d.write_predicate(d.operand(0));
  d.read(1, type);
  for (auto [name, value] : kNames)
    if (wanted == name) d.number(static_cast<int32_t>(value));
  d.emit(type == Type::kF32 ? test_class<float> : test_class<double>, OpClass::kFloat);
}

}  // namespace

OpcodeTable float_opcodes() {
  static constexpr OpcodeEntry kTable[] = {
      {"rcp", decode_rcp},
      {"sqrt", decode_sqrt},
      {"rsqrt", decode_rsqrt},
      {"ex2", decode_ex2},
      {"lg2", decode_approximate<Log2>},
      {"sin", decode_approximate<Sine>},
      {"cos", decode_approximate<Cosine>},
      {"tanh", decode_tanh},
      {"copysign", decode_copysign},
      {"testp", decode_testp},
  };
  return kTable;
}

}  // namespace tenon::emulator
