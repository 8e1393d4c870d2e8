// float_cases.h: what the PTX ISA says of float arithmetic. f32 and f64 are computed by the host under its own rounding modes; 16-bit
// floats in double, rounded to the format by its quantum.
#pragma once
#include <cfenv>
#include <cmath>
#include <limits>

#include "tests/runtime/emulator/instructions/cases/instruction_case.h"

namespace tenon::emulator {

/// The host rounds so for as long as this lives.
class HostRounding {
 public:
  explicit HostRounding(const std::string& mode) : before_(std::fegetround()) {
    std::fesetround(mode == "rz"   ? FE_TOWARDZERO
                    : mode == "rm" ? FE_DOWNWARD
                    : mode == "rp" ? FE_UPWARD
                                   : FE_TONEAREST);
  }
  ~HostRounding() { std::fesetround(before_); }
  HostRounding(const HostRounding&) = delete;

 private:
  int before_;
};

inline float float_of(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }
inline double double_of(uint64_t bits) { return std::bit_cast<double>(bits); }
inline uint64_t bits_of(float value) {
  return std::isnan(value) ? 0x7fffffff : std::bit_cast<uint32_t>(value);
}
constexpr uint64_t kNan64 = 0xfff8000000000000;
inline uint64_t bits_of(double value) { return std::isnan(value) ? kNan64 : std::bit_cast<uint64_t>(value); }
inline bool is_nan64(uint64_t bits) { return (bits & ~(1ull << 63)) > 0x7ff0000000000000; }
/// f64 hands on the first NaN among its operands, made quiet.
inline uint64_t nan64_of(const Inputs& in, int sources) {
  for (int i = 0; i < sources; ++i)
    if (is_nan64(in[i])) return in[i] | 0x8000000000000;
  return kNan64;
}

/// A format of less than 64 bits: of its mantissa and exponent, and what NaN and the largest finite value are.
struct Small {
  int mantissa, exponent;
  uint64_t nan;
  bool infinite = true;
  int bias() const { return (1 << (exponent - 1)) - 1; }
  int width() const { return 1 + mantissa + exponent; }
  double largest() const {
    int top = infinite ? (1 << exponent) - 2 : (1 << exponent) - 1;
    return std::ldexp(2 - std::ldexp(infinite ? 1.0 : 2.0, -mantissa), top - bias());
  }
};
constexpr Small kF16{10, 5, 0x7fff}, kBf16{7, 8, 0x7fff}, kF32{23, 8, 0x7fffffff}, kTf32{10, 8, 0x3ffff},
    kE4m3{3, 4, 0x7f, false}, kE5m2{2, 5, 0x7f};

inline double small_value(uint64_t bits, const Small& format) {
  bits &= (1ull << format.width()) - 1;
  double sign = bits >> (format.width() - 1) ? -1 : 1;
  auto exponent = static_cast<int>(bits >> format.mantissa) & ((1 << format.exponent) - 1);
  double fraction = std::ldexp(static_cast<double>(bits & ((1ull << format.mantissa) - 1)), -format.mantissa);
  if (exponent == (1 << format.exponent) - 1 && format.infinite)
    return fraction == 0 ? sign * std::numeric_limits<double>::infinity() : std::nan("");
  if (!format.infinite && (bits & ((1ull << (format.width() - 1)) - 1)) == format.nan) return std::nan("");
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - format.bias())
                               : std::ldexp(1 + fraction, exponent - format.bias()));
}
/// The bits of a value of the format; `value` is one.
inline uint64_t small_bits(double value, const Small& format) {
  uint64_t sign = std::signbit(value) ? 1ull << (format.width() - 1) : 0;
  if (std::isnan(value)) return format.nan;
  if (std::isinf(value)) return sign | ((1ull << format.exponent) - 1) << format.mantissa;
  if (value == 0) return sign;
  int exponent = std::max(std::ilogb(value), 1 - format.bias());
  auto significand = static_cast<uint64_t>(std::ldexp(std::fabs(value), format.mantissa - exponent));
  if (significand >> format.mantissa == 0) return sign | significand;
  return sign | static_cast<uint64_t>(exponent + format.bias()) << format.mantissa |
         (significand & ((1ull << format.mantissa) - 1));
}
/// `rounding`: rn rz rm rp rna.
inline double round_small(double value, const Small& format, const std::string& rounding) {
  if (value == 0 || !std::isfinite(value)) return value;
  double quantum = std::ldexp(1.0, std::max(std::ilogb(value), 1 - format.bias()) - format.mantissa);
  double steps = value / quantum;  // exact: a power of two
  {
    HostRounding host(rounding);
    volatile double rounded = rounding == "rna" ? std::round(steps) : std::nearbyint(steps);
    steps = rounded;
  }
  double result = std::copysign(steps * quantum, value);
  if (std::fabs(result) <= format.largest()) return result;
  bool stays = rounding == "rz" || (rounding == "rm" && value > 0) || (rounding == "rp" && value < 0);
  return std::copysign(stays || !format.infinite ? format.largest() : std::numeric_limits<double>::infinity(),
                       value);
}

/// a * b + c, or a + b with b = 1, and whether the double is not all of it: then it is odd, so that any narrower rounding is right.
inline double odd_fma(double a, double b, double c) {
  HostRounding host("rz");
  std::feclearexcept(FE_INEXACT);
  volatile double x = a, y = b, z = c, result = std::fma(x, y, z);
  if (std::fetestexcept(FE_INEXACT) == 0 || result == 0 || !std::isfinite(result)) return result;
  return std::bit_cast<double>(std::bit_cast<uint64_t>(result) | 1);
}

/// Modifiers in a name: ".rz.ftz.sat".
inline bool has_modifier(const std::string& modifiers, const std::string& name) {
  return (modifiers + ".").find("." + name + ".") != std::string::npos;
}
inline std::string rounding_in(const std::string& modifiers) {
  for (std::string name : {"rz", "rm", "rp", "rn"})
    if (has_modifier(modifiers, name)) return name;
  return "rn";
}
template <class T>
T flushed_to_zero(T value) {
  return std::fpclassify(value) == FP_SUBNORMAL ? std::copysign(T{0}, value) : value;
}
template <class T>
T into_unit(T value) {
  return value > 0 ? std::min<T>(value, 1) : 0;
}

// --- f32 and f64
/// Scales operands so that the result is 2^40 times as large. It is tiny: what is scaled does not overflow.
template <class T>
void scale_result(const std::string& opcode, volatile T* x) {
  auto scale = [&](int i, int by) { x[i] = std::ldexp(T{x[i]}, by); };
  bool product = opcode == "mul" || opcode == "fma" || opcode == "mad";
  if (product) scale(std::fabs(T{x[0]}) < std::fabs(T{x[1]}) ? 0 : 1, 40);
  if (product && opcode != "mul") scale(2, 40);
  if (opcode == "add" || opcode == "sub") scale(0, 40), scale(1, 40);
  if (opcode == "div") scale(0, 40);
  if (opcode == "rcp") scale(0, -40);
  if (opcode == "sqrt") scale(0, 80);
}
/// `compute` does the operation under the host's rounding mode.
template <class T, class F>
InstructionCase host_float_case(const std::string& opcode, const std::string& modifiers, int sources,
                                F compute) {
  std::string type = sizeof(T) == 4 ? "f32" : "f64";
  InstructionCase test;
  test.text = opcode + modifiers + "." + type + " $d, $a" + (sources > 1 ? ", $b" : "") +
              (sources > 2 ? ", $c" : "") + ";";
  test.results = {sizeof(T) == 4 ? "b32" : "b64"};
  test.sources.assign(sources, type);
  test.expected = [=](const Inputs& in) {
    bool flush = has_modifier(modifiers, "ftz");
    volatile T x[3] = {};
    for (int i = 0; i < sources; ++i) {
      T value = sizeof(T) == 4 ? static_cast<T>(float_of(in[i])) : static_cast<T>(double_of(in[i]));
      x[i] = flush ? flushed_to_zero(value) : value;
    }
    T result;
    {
      HostRounding host(rounding_in(modifiers));
      volatile T computed = compute(x);
      result = computed;
    }
    // Tiny is what is below the least normal value when it is rounded as if exponents had no end: with a result 2^40 times as large.
    if (flush && std::fabs(result) <= std::numeric_limits<T>::min()) {
      scale_result(opcode, x);
      HostRounding host(rounding_in(modifiers));
      volatile T scaled = compute(x);
      if (std::fabs(T{scaled}) < std::ldexp(std::numeric_limits<T>::min(), 40))
        result = std::copysign(T{0}, result);
    }
    if (has_modifier(modifiers, "sat")) result = into_unit(result);
    if (sizeof(T) == 8 && std::isnan(result)) return Outputs{nan64_of(in, sources), 0};
    return Outputs{bits_of(result), 0};
  };
  return test;
}

template <class T>
void add_host_cases(Cases& cases, const std::vector<std::string>& tails) {
  for (std::string rounding : {".rn", ".rz", ".rm", ".rp"})
    for (const std::string& tail : tails) {
      std::string modifiers = rounding + tail;
      cases.push_back(host_float_case<T>("add", modifiers, 2, [](volatile T* x) { return x[0] + x[1]; }));
      cases.push_back(host_float_case<T>("sub", modifiers, 2, [](volatile T* x) { return x[0] - x[1]; }));
      cases.push_back(host_float_case<T>("mul", modifiers, 2, [](volatile T* x) { return x[0] * x[1]; }));
      cases.push_back(host_float_case<T>("fma", modifiers, 3,
                                         [](volatile T* x) { return std::fma(T{x[0]}, T{x[1]}, T{x[2]}); }));
      cases.push_back(host_float_case<T>("mad", modifiers, 3,
                                         [](volatile T* x) { return std::fma(T{x[0]}, T{x[1]}, T{x[2]}); }));
      if (has_modifier(tail, "sat")) continue;
      cases.push_back(host_float_case<T>("div", modifiers, 2, [](volatile T* x) { return x[0] / x[1]; }));
      cases.push_back(host_float_case<T>("rcp", modifiers, 1, [](volatile T* x) { return 1 / x[0]; }));
      cases.push_back(
          host_float_case<T>("sqrt", modifiers, 1, [](volatile T* x) { return std::sqrt(T{x[0]}); }));
    }
}
inline Cases wide_float_cases() {
  Cases cases;
  add_host_cases<float>(cases, {"", ".ftz", ".sat", ".ftz.sat"});
  add_host_cases<double>(cases, {""});
  return cases;
}

// --- f16 and bf16
inline bool is_brain(const std::string& type) { return type.starts_with("bf16"); }
inline const Small& format_of(const std::string& type) { return is_brain(type) ? kBf16 : kF16; }

/// A case of f16 or bf16, or of their pairs, from a function of doubles with their modifiers applied.
template <class F>
InstructionCase small_float_case(const std::string& opcode, const std::string& modifiers,
                                 const std::string& type, int sources, F compute) {
  InstructionCase test;
  test.text = opcode + modifiers + "." + type + " $d, $a" + (sources > 1 ? ", $b" : "") +
              (sources > 2 ? ", $c" : "") + ";";
  bool pair = type.ends_with("x2");
  test.results = {pair ? "b32" : "b16"};
  test.sources.assign(sources, type);
  test.expected = [=](const Inputs& in) {
    const Small& format = format_of(type);
    uint64_t result = 0;
    auto flush = [&](double value) {
      bool subnormal = value != 0 && std::fabs(value) < std::ldexp(1.0, 1 - format.bias());
      return has_modifier(modifiers, "ftz") && subnormal ? std::copysign(0.0, value) : value;
    };
    for (int half = 0; half < (pair ? 2 : 1); ++half) {
      double x[3] = {};
      for (int i = 0; i < sources; ++i) x[i] = flush(small_value(in[i] >> 16 * half & 0xffff, format));
      double exact = compute(x), value = round_small(exact, format, "rn");
      const Small endless{format.mantissa, 11, 0};
      if (has_modifier(modifiers, "ftz"))
        value = std::copysign(flush(round_small(exact, endless, "rn")) == 0 ? 0 : value, value);
      if (has_modifier(modifiers, "sat")) value = into_unit(value);
      if (has_modifier(modifiers, "relu") && value <= 0) value = 0;
      result |= small_bits(value, format) << 16 * half;
    }
    return Outputs{result, 0};
  };
  return test;
}
inline Cases small_float_cases() {
  Cases cases;
  for (std::string type : {"f16", "f16x2", "bf16", "bf16x2"}) {
    std::vector<std::string> tails = is_brain(type)
                                         ? std::vector<std::string>{"", ".rn"}
                                         : std::vector<std::string>{"", ".rn.ftz", ".sat", ".ftz.sat"};
    for (const std::string& tail : tails) {
      cases.push_back(
          small_float_case("add", tail, type, 2, [](double* x) { return odd_fma(x[0], 1, x[1]); }));
      cases.push_back(
          small_float_case("sub", tail, type, 2, [](double* x) { return odd_fma(x[1], -1, x[0]); }));
      cases.push_back(small_float_case("mul", tail, type, 2, [](double* x) { return x[0] * x[1]; }));
    }
    tails = is_brain(type) ? std::vector<std::string>{".rn", ".rn.relu"}
                           : std::vector<std::string>{".rn",         ".rn.ftz",  ".rn.sat",
                                                      ".rn.ftz.sat", ".rn.relu", ".rn.ftz.relu"};
    for (const std::string& tail : tails)
      cases.push_back(
          small_float_case("fma", tail, type, 3, [](double* x) { return odd_fma(x[0], x[1], x[2]); }));
  }
  return cases;
}

// --- min, max, abs, neg: on bits
struct Bits {
  int width;
  uint64_t nan, top_exponent;
  uint64_t sign() const { return 1ull << (width - 1); }
  uint64_t magnitude(uint64_t x) const { return x & (sign() - 1); }
  bool is_nan(uint64_t x) const { return magnitude(x) > top_exponent; }
  /// In the order of the values, -0 below +0.
  int64_t key(uint64_t x) const {
    return x & sign() ? -1 - static_cast<int64_t>(magnitude(x)) : static_cast<int64_t>(magnitude(x));
  }
  bool is_subnormal(uint64_t x) const { return magnitude(x) != 0 && magnitude(x) < least_normal(); }
  uint64_t least_normal() const { return top_exponent & ~(top_exponent << 1); }
};
inline Bits layout_of(const std::string& type) {
  if (type == "f32") return {32, 0x7fffffff, 0x7f800000};
  if (type == "f64") return {64, kNan64, 0x7ff0000000000000};
  return is_brain(type) ? Bits{16, 0x7fff, 0x7f80} : Bits{16, 0x7fff, 0x7c00};
}
inline uint64_t extreme_bits(uint64_t a, uint64_t b, const Bits& f, const std::string& modifiers, bool max) {
  uint64_t sign = (a ^ b) & f.sign();
  bool xor_sign = has_modifier(modifiers, "xorsign");
  if (has_modifier(modifiers, "ftz")) {
    if (f.is_subnormal(a)) a &= f.sign();
    if (f.is_subnormal(b)) b &= f.sign();
  }
  if (has_modifier(modifiers, "abs")) a = f.magnitude(a), b = f.magnitude(b);
  bool both = f.is_nan(a) && f.is_nan(b);
  if (both && f.width == 64) return nan64_of({a, b}, 2);
  if (both || (has_modifier(modifiers, "NaN") && (f.is_nan(a) || f.is_nan(b)))) return f.nan;
  uint64_t chosen = f.is_nan(a) ? b : f.is_nan(b) ? a : (f.key(a) > f.key(b)) == max ? a : b;
  return xor_sign ? f.magnitude(chosen) | sign : chosen;
}
inline Cases extreme_cases() {
  Cases cases;
  for (std::string type : {"f32", "f64", "f16", "f16x2", "bf16", "bf16x2"})
    for (std::string ftz : {"", ".ftz"})
      for (std::string nan : {"", ".NaN"})
        for (std::string sign : {"", ".xorsign.abs"})
          for (bool max : {false, true}) {
            std::string modifiers = ftz + nan + sign;
            if ((type == "f64" && !modifiers.empty()) || (is_brain(type) && !ftz.empty())) continue;
            Bits f = layout_of(type);
            bool pair = type.ends_with("x2");
            InstructionCase test{(max ? "max" : "min") + modifiers + "." + type + " $d, $a, $b;",
                                 {"b" + std::to_string(pair ? 32 : f.width)},
                                 {type, type},
                                 nullptr};
            test.expected = [=](const Inputs& in) {
              if (!pair) return Outputs{extreme_bits(in[0], in[1], f, modifiers, max), 0};
              return Outputs{extreme_bits(in[0] & 0xffff, in[1] & 0xffff, f, modifiers, max) |
                                 extreme_bits(in[0] >> 16, in[1] >> 16, f, modifiers, max) << 16,
                             0};
            };
            cases.push_back(test);
          }
  return cases;
}
/// The ISA leaves open what becomes of NaN: it is the format's, and in f64 stays itself.
inline Cases sign_cases() {
  Cases cases;
  for (std::string type : {"f32", "f64", "f16", "f16x2", "bf16", "bf16x2"})
    for (std::string opcode : {"neg", "abs"})
      for (std::string ftz : {"", ".ftz"}) {
        if (!ftz.empty() && (type == "f64" || is_brain(type))) continue;
        Bits f = layout_of(type);
        bool pair = type.ends_with("x2");
        auto value = [=](uint64_t x) {
          if (!ftz.empty() && f.is_subnormal(x)) x &= f.sign();
          if (f.is_nan(x)) return f.width == 64 ? nan64_of({x}, 1) : f.nan;
          return opcode == "neg" ? x ^ f.sign() : f.magnitude(x);
        };
        cases.push_back(
            {opcode + ftz + "." + type + " $d, $a;",
             {"b" + std::to_string(pair ? 32 : f.width)},
             {type},
             [=](const Inputs& in) {
               return Outputs{pair ? value(in[0] & 0xffff) | value(in[0] >> 16) << 16 : value(in[0]), 0};
             }});
      }
  for (std::string type : {"f32", "f64"}) {
    Bits f = layout_of(type);
    cases.push_back({"copysign." + type + " $d, $a, $b;",
                     {"b" + std::to_string(f.width)},
                     {type, type},
                     [=](const Inputs& in) {
                       return Outputs{f.magnitude(in[1]) | (in[0] & f.sign()), 0};
                     }});
    auto test = [&](const std::string& name, auto holds) {
      cases.push_back({"testp." + name + "." + type + " $d, $a;", {"pred"}, {type}, [=](const Inputs& in) {
                         return Outputs{holds(f, in[0]) ? 1u : 0u, 0};
                       }});
    };
    test("finite", [](const Bits& f, uint64_t x) { return f.magnitude(x) < f.top_exponent; });
    test("infinite", [](const Bits& f, uint64_t x) { return f.magnitude(x) == f.top_exponent; });
    test("number", [](const Bits& f, uint64_t x) { return !f.is_nan(x); });
    test("notanumber", [](const Bits& f, uint64_t x) { return f.is_nan(x); });
    test("normal",
         [](const Bits& f, uint64_t x) { return f.magnitude(x) < f.top_exponent && !f.is_subnormal(x); });
    test("subnormal", [](const Bits& f, uint64_t x) { return f.is_subnormal(x); });
  }
  return cases;
}

// --- approximations
inline Cases approximate_cases() {
  Cases cases;
  auto add = [&](const std::string& opcode, Bound bound, auto real) {
    for (std::string ftz : {"", ".ftz"}) {
      if (!ftz.empty() && opcode.starts_with("tanh")) continue;
      bool two = opcode.starts_with("div");
      std::string source = opcode.starts_with("sin") || opcode.starts_with("cos") ? "angle" : "f32";
      InstructionCase test{opcode + ftz + ".f32 $d, $a" + (two ? ", $b;" : ";"),
                           {"b32"},
                           two ? std::vector<std::string>{"f32", "f32"} : std::vector<std::string>{source},
                           nullptr};
      test.real = [=](const Inputs& in) {
        float a = float_of(in[0]), b = float_of(in[1]);
        if (!ftz.empty()) a = flushed_to_zero(a), b = flushed_to_zero(b);
        return real(static_cast<long double>(a), static_cast<long double>(b));
      };
      test.bound = bound;
      test.flushes = !ftz.empty();
      cases.push_back(test);
    }
  };
  using Real = long double;
  add("rcp.approx", {0x1p-23, 0}, [](Real a, Real) { return 1 / a; });
  add("sqrt.approx", {0x1p-23, 0}, [](Real a, Real) { return std::sqrt(a); });
  add("rsqrt.approx", {0x1.1p-23, 0}, [](Real a, Real) { return 1 / std::sqrt(a); });
  add("ex2.approx", {0x1p-22, 0}, [](Real a, Real) { return std::exp2(a); });
  add("lg2.approx", {0x1p-22, 0x1p-22}, [](Real a, Real) { return std::log2(a); });
  add("tanh.approx", {0x1p-11, 0}, [](Real a, Real) { return std::tanh(a); });
  add("div.full", {0x1p-22, 0}, [](Real a, Real b) { return a / b; });
  add("div.approx", {0x1p-22, 0}, [](Real a, Real b) {
    return std::fabs(b) <= 0x1p126L || std::isnan(a) ? a / b
           : std::isinf(a)                           ? std::nan("")
                                                     : std::copysign(Real{0}, a) * std::copysign(Real{1}, b);
  });
  add("sin.approx", {0, 0x1p-20}, [](Real a, Real) { return std::sin(a); });
  add("cos.approx", {0, 0x1p-20}, [](Real a, Real) { return std::cos(a); });
  return cases;
}
inline Cases small_approximate_cases() {
  Cases cases;
  for (std::string type : {"f16", "f16x2", "bf16", "bf16x2"}) {
    cases.push_back(small_float_case("tanh.approx", "", type, 1, [](double* x) { return std::tanh(x[0]); }));
    InstructionCase exp = small_float_case("ex2.approx", is_brain(type) ? ".ftz" : "", type, 1,
                                           [](double* x) { return std::exp2(x[0]); });
    cases.push_back(exp);
    for (size_t i = cases.size() - 2; i < cases.size(); ++i) cases[i].bound.units = true;
  }
  return cases;
}

}  // namespace tenon::emulator
