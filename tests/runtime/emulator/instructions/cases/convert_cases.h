// convert_cases.h: what the PTX ISA says of cvt: which pairs of types take which modifiers, and what they give.
#pragma once
#include "tests/runtime/emulator/instructions/cases/float_cases.h"
#include "tests/runtime/emulator/instructions/cases/integer_cases.h"

namespace tenon::emulator {

inline bool is_float_name(const std::string& type) { return type[0] == 'f' || type[0] == 'b'; }
inline double float_value(uint64_t bits, const std::string& type) {
  if (type == "f64") return double_of(bits);
  if (type == "f32") return float_of(bits);
  return small_value(bits, format_of(type));
}
inline int register_width(const std::string& type) { return std::max(width_of(type), 16); }

inline InstructionCase convert_case(const std::string& modifiers, const std::string& to,
                                    const std::string& from, std::function<uint64_t(uint64_t)> value) {
  return {"cvt" + modifiers + "." + to + "." + from + " $d, $a;",
          {bits_name(register_width(to))},
          {from},
          [=](const Inputs& in) {
            return Outputs{value(in[0]), 0};
          }};
}

inline Cases integer_convert_cases() {
  Cases cases;
  const std::vector<std::string> types = {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"};
  for (const std::string& to : types)
    for (const std::string& from : types)
      for (std::string sat : {"", ".sat"}) {
        int to_width = std::stoi(to.substr(1)), from_width = std::stoi(from.substr(1));
        bool all_fit =
            to == from || (from[0] == 'u' ? to_width > from_width : to[0] == 's' && to_width >= from_width);
        if (all_fit && !sat.empty()) continue;
        // A result is extended to its register as its type says.
        cases.push_back(convert_case(sat, to, from, [=](uint64_t bits) {
          Int128 value = number(bits, from);
          if (!sat.empty()) value = clamped(value, to_width, to[0] == 's');
          return low_bits(number(low_bits(value, to_width), to), register_width(to));
        }));
      }
  // Registers wider than their types.
  auto wide = [&](const std::string& text, const std::string& result, const std::string& source, auto value) {
    cases.push_back({text, {result}, {source}, [=](const Inputs& in) { return Outputs{value(in[0]), 0}; }});
  };
  wide("cvt.u32.u16 $d, $a;", "b32", "u64", [](uint64_t x) { return x & 0xffff; });
  wide("cvt.s32.s16 $d, $a;", "b64", "u32", [](uint64_t x) { return low_bits(number(x, "s16"), 64); });
  wide("cvt.u16.s32 $d, $a;", "b32", "u64", [](uint64_t x) { return x & 0xffff; });
  wide("cvt.s8.s32 $d, $a;", "b64", "u32", [](uint64_t x) { return low_bits(number(x, "s8"), 64); });
  wide("cvt.sat.s16.s32 $d, $a;", "b32", "u64",
       [](uint64_t x) { return low_bits(clamped(number(x, "s32"), 16, true), 32); });
  wide("cvt.rn.f32.s16 $d, $a;", "b32", "u64",
       [](uint64_t x) { return bits_of(static_cast<float>(static_cast<int16_t>(x))); });
  wide("cvt.rzi.s16.f32 $d, $a;", "b64", "f32", [](uint64_t x) {
    double value = std::isnan(float_of(x)) ? 0 : std::trunc(std::clamp<double>(float_of(x), -32768, 32767));
    return low_bits(static_cast<int64_t>(value), 64);
  });
  return cases;
}

/// NaN becomes zero in 32 bits and less, and the integer of its top bit alone in 64 bits or out of f64.
inline Cases float_to_integer_cases() {
  Cases cases;
  for (std::string to : {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"})
    for (std::string from : {"f16", "bf16", "f32", "f64"})
      for (std::string rounding : {"rn", "rz", "rm", "rp"})
        for (std::string tail : {"", ".ftz", ".sat"}) {
          int width = std::stoi(to.substr(1));
          if ((from == "bf16" && (width == 8 || !tail.empty())) || (tail == ".ftz" && from != "f32"))
            continue;
          cases.push_back(convert_case("." + rounding + "i" + tail, to, from, [=](uint64_t bits) -> uint64_t {
            double value = float_value(bits, from);
            if (std::isnan(value))
              return low_bits(width == 64 || from == "f64" ? number(1ull << (width - 1), to) : 0,
                              register_width(to));
            if (tail == ".ftz") value = flushed_to_zero(static_cast<float>(value));
            {
              HostRounding host(rounding);
              volatile double whole = value;
              whole = std::nearbyint(double{whole});
              value = whole;
            }
            Int128 whole = static_cast<Int128>(std::clamp(value, -0x1p70, 0x1p70));
            return low_bits(clamped(whole, width, to[0] == 's'), register_width(to));
          }));
        }
  return cases;
}

inline Cases integer_to_float_cases() {
  Cases cases;
  for (std::string to : {"f16", "bf16", "f32", "f64"})
    for (std::string from : {"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"})
      for (std::string rounding : {"rn", "rz", "rm", "rp"})
        for (std::string tail : {"", ".sat", ".ftz"}) {
          if ((to == "bf16" && (from.ends_with("8") || !tail.empty())) || (tail == ".ftz" && to != "f32"))
            continue;
          cases.push_back(convert_case("." + rounding + tail, to, from, [=](uint64_t bits) -> uint64_t {
            Int128 value = number(bits, from);
            if (tail == ".sat") value = std::clamp<Int128>(value, 0, 1);
            if (to == "f64") {
              HostRounding host(rounding);
              volatile long double exact = static_cast<long double>(value);
              volatile double result = static_cast<double>(exact);
              return bits_of(double{result});
            }
            // 53 bits, the last of which stands for what was cut off.
            auto exact = static_cast<long double>(value);
            HostRounding host("rz");
            volatile double cut = static_cast<double>(exact);
            double odd = cut;
            if (static_cast<long double>(odd) != exact)
              odd = std::bit_cast<double>(std::bit_cast<uint64_t>(odd) | 1);
            const Small& format = to == "f32" ? kF32 : format_of(to);
            return small_bits(round_small(odd, format, rounding), format);
          }));
        }
  return cases;
}

/// What becomes of NaN where it does not become the format's: as on an H200, for the ISA does not say.
inline uint64_t converted_nan(uint64_t bits, const std::string& to, const std::string& from, bool flush) {
  if (from == "f64") {
    if (to == "f64") return bits | 0x8000000000000;
    const Small& format = to == "f32" ? kF32 : format_of(to);
    uint64_t top = bits >> (52 - format.mantissa) & ((1ull << (format.mantissa + format.exponent)) - 1);
    return top | 1ull << (format.mantissa - 1) | bits >> 63 << (format.width() - 1);
  }
  const Small& format = from == "f32" ? kF32 : format_of(from);
  if (to == "f64") {
    if (flush) bits = 0x7fffffff;
    uint64_t payload = bits & ((1ull << format.mantissa) - 1), sign = bits >> (format.width() - 1);
    return sign << 63 | 0x7ff8000000000000 | payload << (52 - format.mantissa);
  }
  if (from == "bf16" && to == "f32" && !flush) return bits << 16;
  return (to == "f32" ? kF32 : format_of(to)).nan;
}
inline Cases float_to_float_cases() {
  Cases cases;
  auto add = [&](const std::string& to, const std::string& from, const std::vector<std::string>& heads,
                 const std::vector<std::string>& tails) {
    for (const std::string& head : heads)
      for (const std::string& tail : tails)
        cases.push_back(convert_case(head + tail, to, from, [=](uint64_t bits) -> uint64_t {
          double value = float_value(bits, from);
          bool flush = has_modifier(tail, "ftz") && to != "f16";  // an H200 does not flush there
          if (std::isnan(value) && !has_modifier(tail, "sat")) return converted_nan(bits, to, from, flush);
          if (flush && from == "f32") value = flushed_to_zero(static_cast<float>(value));
          if (head.ends_with("i") && std::isfinite(value)) {
            HostRounding host(head.substr(1, 2));
            volatile double whole = value;
            whole = std::nearbyint(double{whole});
            value = std::copysign(double{whole}, value);
          }
          const Small& format = to == "f32" ? kF32 : format_of(to);
          if (to != "f64")
            value = round_small(value, format, head.empty() || head.ends_with("i") ? "rn" : head.substr(1));
          if (flush && to == "f32") value = flushed_to_zero(static_cast<float>(value));
          if (has_modifier(tail, "sat")) value = into_unit(value);
          return to == "f64" ? bits_of(value) : small_bits(value, format);
        }));
  };
  const std::vector<std::string> directions = {".rn", ".rz", ".rm", ".rp"},
                                 integral = {"", ".rni", ".rzi", ".rmi", ".rpi"},
                                 optional = {"", ".rn", ".rz", ".rm", ".rp"};
  add("f16", "f64", directions, {"", ".sat"});
  add("f16", "f32", directions, {"", ".sat", ".ftz", ".ftz.sat"});
  add("f32", "f64", directions, {"", ".sat", ".ftz", ".ftz.sat"});
  add("bf16", "f32", directions, {"", ".ftz"});
  add("bf16", "f64", directions, {""});
  add("f32", "f16", {""}, {"", ".sat", ".ftz", ".ftz.sat"});
  add("f64", "f32", {""}, {"", ".sat", ".ftz", ".ftz.sat"});
  add("f64", "f16", {""}, {"", ".sat"});
  add("f32", "bf16", optional, {"", ".ftz"});
  add("f16", "bf16", optional, {""});
  add("bf16", "f16", optional, {""});
  add("f64", "bf16", optional, {""});
  add("f32", "f32", {".rni", ".rzi", ".rmi", ".rpi"}, {"", ".sat", ".ftz", ".ftz.sat"});
  add("f32", "f32", {""}, {".sat", ".ftz.sat"});
  add("f64", "f64", integral, {".sat"});
  add("f16", "f16", integral, {".sat"});
  add("f64", "f64", {".rni", ".rzi", ".rmi", ".rpi"}, {""});
  add("f16", "f16", {".rni", ".rzi", ".rmi", ".rpi"}, {""});
  add("bf16", "bf16", {".rni", ".rzi", ".rmi", ".rpi"}, {""});
  return cases;
}

/// .relu and .satfinite; packs; the 8-bit floats; tf32.
inline Cases packed_convert_cases() {
  Cases cases;
  auto narrowed = [](double value, const Small& format, const std::string& rounding,
                     const std::string& tail) {
    if (!std::isnan(value)) {
      if (has_modifier(tail, "relu") && value <= 0) value = 0;
      double limit = format.largest();
      value = round_small(value, format, rounding);
      if (has_modifier(tail, "satfinite")) value = std::clamp(value, -limit, limit);
    }
    return small_bits(value, format);
  };
  for (std::string rounding : {"rn", "rz"})
    for (std::string tail : {"", ".relu", ".satfinite", ".relu.satfinite"})
      for (std::string to : {"f16", "bf16"}) {
        const Small& format = format_of(to);
        if (!tail.empty())
          cases.push_back(convert_case("." + rounding + tail, to, "f32", [=, &format](uint64_t x) {
            return narrowed(float_of(x), format, rounding, tail);
          }));
        cases.push_back({"cvt." + rounding + tail + "." + to + "x2.f32 $d, $a, $b;",
                         {"b32"},
                         {"f32", "f32"},
                         [=, &format](const Inputs& in) {
                           return Outputs{narrowed(float_of(in[0]), format, rounding, tail) << 16 |
                                              narrowed(float_of(in[1]), format, rounding, tail),
                                          0};
                         }});
      }
  for (std::string to : {"e4m3", "e5m2"}) {
    const Small& format = to == "e4m3" ? kE4m3 : kE5m2;
    for (std::string relu : {"", ".relu"}) {
      std::string tail = ".satfinite" + relu;
      cases.push_back({"cvt.rn" + tail + "." + to + "x2.f32 $d, $a, $b;",
                       {"b16"},
                       {"f32", "f32"},
                       [=, &format](const Inputs& in) {
                         return Outputs{narrowed(float_of(in[0]), format, "rn", tail) << 8 |
                                            narrowed(float_of(in[1]), format, "rn", tail),
                                        0};
                       }});
      cases.push_back({"cvt.rn" + tail + "." + to + "x2.f16x2 $d, $a;",
                       {"b16"},
                       {"f16x2"},
                       [=, &format](const Inputs& in) {
                         return Outputs{narrowed(small_value(in[0] >> 16, kF16), format, "rn", tail) << 8 |
                                            narrowed(small_value(in[0], kF16), format, "rn", tail),
                                        0};
                       }});
      cases.push_back(
          {"cvt.rn" + relu + ".f16x2." + to + "x2 $d, $a;", {"b32"}, {"u16"}, [=, &format](const Inputs& in) {
             auto half = [&](uint64_t bits) {
               return narrowed(small_value(bits & 0xff, format), kF16, "rn", relu);
             };
             return Outputs{half(in[0] >> 8) << 16 | half(in[0]), 0};
           }});
    }
  }
  for (std::string head : {".rna", ".rn", ".rz"})
    for (std::string tail : {"", ".satfinite", ".relu"}) {
      // sm_90 takes .satfinite with .rna alone, and .relu not with it.
      if ((head == ".rna") == (tail == ".relu") && !tail.empty()) continue;
      if (head != ".rna" && tail == ".satfinite") continue;
      cases.push_back(convert_case(head + tail, "tf32", "f32", [=](uint64_t x) -> uint64_t {
        if (head != ".rna" || !std::isnan(float_of(x)))
          return narrowed(float_of(x), kTf32, head.substr(1), tail) << 13;
        // NaN as if it were a number, which stops at the last one: as on an H200.
        uint64_t magnitude = x & 0x7fffffff, sign = x & 0x80000000;
        uint64_t rounded = magnitude >= 0x7ffff000 ? 0x7fffe000 : (magnitude + 0x1000) / 0x2000 * 0x2000;
        return sign | (tail.empty() ? rounded : rounded - 0x2000);
      }));
    }
  return cases;
}

}  // namespace tenon::emulator
