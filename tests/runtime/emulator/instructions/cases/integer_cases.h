// integer_cases.h: what the PTX ISA says of integer arithmetic and of bits, computed bit by bit or in 128 bits.
#pragma once
#include <algorithm>

#include "tests/runtime/emulator/instructions/cases/instruction_case.h"

namespace tenon::emulator {

using Int128 = __int128;

/// The value of a register as its type reads it.
inline Int128 number(uint64_t bits, const std::string& type) {
  int width = std::stoi(type.substr(1));
  Int128 value = width == 64 ? bits : bits & ((1ull << width) - 1);
  if (type[0] == 's' && (value >> (width - 1)) != 0) value -= Int128{1} << width;
  return value;
}
inline uint64_t low_bits(Int128 value, int width) {
  return width == 64 ? static_cast<uint64_t>(value) : static_cast<uint64_t>(value) & ((1ull << width) - 1);
}
inline std::string bits_name(int width) { return "b" + std::to_string(width); }

/// One whose result is a function of its sources' numbers, all of one type.
template <class F>
InstructionCase integer_case(const std::string& opcode, const std::string& type, int sources, F value,
                             int result_width = 0) {
  int width = std::stoi(type.substr(1)), result = result_width == 0 ? width : result_width;
  InstructionCase test;
  test.text =
      opcode + "." + type + " $d, $a" + (sources > 1 ? ", $b" : "") + (sources > 2 ? ", $c" : "") + ";";
  test.results = {bits_name(result)};
  test.sources.assign(sources, type);
  test.expected = [=](const Inputs& in) {
    Int128 n[3] = {};
    for (int i = 0; i < sources; ++i) n[i] = number(in[i], type);
    return Outputs{low_bits(value(n[0], n[1], n[2]), result), 0};
  };
  return test;
}

inline Int128 clamped(Int128 value, int width, bool is_signed) {
  Int128 low = is_signed ? -(Int128{1} << (width - 1)) : 0,
         high = (Int128{1} << (is_signed ? width - 1 : width)) - 1;
  return std::clamp(value, low, high);
}

inline Cases integer_arithmetic_cases() {
  Cases cases;
  for (std::string type : {"u16", "s16", "u32", "s32", "u64", "s64"}) {
    int width = std::stoi(type.substr(1));
    cases.push_back(integer_case("add", type, 2, [](Int128 a, Int128 b, Int128) { return a + b; }));
    cases.push_back(integer_case("sub", type, 2, [](Int128 a, Int128 b, Int128) { return a - b; }));
    cases.push_back(integer_case("mul.lo", type, 2, [](Int128 a, Int128 b, Int128) {
      return static_cast<Int128>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b));
    }));
    auto high = [width](Int128 a, Int128 b, Int128) {
      if (width < 64) return (a * b) >> width;
      if (a >= 0 && b >= 0)
        return static_cast<Int128>((static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b)) >>
                                   64);
      return (a * b) >> 64;
    };
    cases.push_back(integer_case("mul.hi", type, 2, high));
    cases.push_back(
        integer_case("mad.hi", type, 3, [high](Int128 a, Int128 b, Int128 c) { return high(a, b, c) + c; }));
    cases.push_back(integer_case("mad.lo", type, 3, [](Int128 a, Int128 b, Int128 c) {
      return static_cast<Int128>(static_cast<unsigned __int128>(a) * static_cast<unsigned __int128>(b) +
                                 static_cast<unsigned __int128>(c));
    }));
    cases.push_back(
        integer_case("div", type, 2, [](Int128 a, Int128 b, Int128) { return b == 0 ? Int128{-1} : a / b; }));
    cases.push_back(
        integer_case("rem", type, 2, [](Int128 a, Int128 b, Int128) { return b == 0 ? Int128{-1} : a % b; }));
    cases.push_back(integer_case("min", type, 2, [](Int128 a, Int128 b, Int128) { return std::min(a, b); }));
    cases.push_back(integer_case("max", type, 2, [](Int128 a, Int128 b, Int128) { return std::max(a, b); }));
    cases.push_back(integer_case("sad", type, 3,
                                 [](Int128 a, Int128 b, Int128 c) { return c + (a < b ? b - a : a - b); }));
    if (type[0] == 's') {
      cases.push_back(integer_case("neg", type, 1, [](Int128 a, Int128, Int128) { return -a; }));
      cases.push_back(integer_case("abs", type, 1, [](Int128 a, Int128, Int128) { return a < 0 ? -a : a; }));
    }
    if (width == 64) continue;
    cases.push_back(integer_case(
        "mul.wide", type, 2, [](Int128 a, Int128 b, Int128) { return a * b; }, 2 * width));
    InstructionCase wide = integer_case(
        "mad.wide", type, 3, [](Int128 a, Int128 b, Int128 c) { return a * b + c; }, 2 * width);
    std::string wide_type = type[0] + std::to_string(2 * width);
    wide.sources[2] = wide_type;
    wide.expected = [=](const Inputs& in) {
      return Outputs{
          low_bits(number(in[0], type) * number(in[1], type) + number(in[2], wide_type), 2 * width), 0};
    };
    cases.push_back(wide);
  }
  cases.push_back(
      integer_case("add.sat", "s32", 2, [](Int128 a, Int128 b, Int128) { return clamped(a + b, 32, true); }));
  cases.push_back(
      integer_case("sub.sat", "s32", 2, [](Int128 a, Int128 b, Int128) { return clamped(a - b, 32, true); }));
  cases.push_back(integer_case("mad.hi.sat", "s32", 3, [](Int128 a, Int128 b, Int128 c) {
    return clamped(((a * b) >> 32) + c, 32, true);
  }));
  cases.push_back(integer_case(
      "min.relu", "s32", 2, [](Int128 a, Int128 b, Int128) { return std::max<Int128>(std::min(a, b), 0); }));
  cases.push_back(integer_case(
      "max.relu", "s32", 2, [](Int128 a, Int128 b, Int128) { return std::max<Int128>(std::max(a, b), 0); }));
  for (std::string type : {"u32", "s32"}) {
    auto product = [type](Int128 a, Int128 b) {
      auto low24 = [&](Int128 v) {
        Int128 low = v & 0xffffff;
        return type == "s32" && (low >> 23) != 0 ? low - (1 << 24) : low;
      };
      return low24(a) * low24(b);
    };
    cases.push_back(
        integer_case("mul24.lo", type, 2, [=](Int128 a, Int128 b, Int128) { return product(a, b); }));
    cases.push_back(
        integer_case("mul24.hi", type, 2, [=](Int128 a, Int128 b, Int128) { return product(a, b) >> 16; }));
    cases.push_back(
        integer_case("mad24.lo", type, 3, [=](Int128 a, Int128 b, Int128 c) { return product(a, b) + c; }));
    cases.push_back(integer_case("mad24.hi", type, 3,
                                 [=](Int128 a, Int128 b, Int128 c) { return (product(a, b) >> 16) + c; }));
    if (type == "s32")
      cases.push_back(integer_case("mad24.hi.sat", type, 3, [=](Int128 a, Int128 b, Int128 c) {
        return clamped((product(a, b) >> 16) + c, 32, true);
      }));
  }
  return cases;
}

/// Two 16-bit values in a register.
inline Cases packed_integer_cases() {
  Cases cases;
  for (std::string type : {"u16", "s16"})
    for (std::string opcode : {"add", "min", "max", "min.relu", "max.relu"}) {
      if (opcode.ends_with("relu") && type == "u16") continue;
      InstructionCase test{opcode + "." + type + "x2 $d, $a, $b;", {"b32"}, {"u32", "u32"}, nullptr};
      test.expected = [=](const Inputs& in) {
        uint64_t result = 0;
        for (int half = 0; half < 2; ++half) {
          Int128 a = number(in[0] >> 16 * half, type), b = number(in[1] >> 16 * half, type);
          Int128 value = opcode == "add"             ? a + b
                         : opcode.starts_with("min") ? std::min(a, b)
                                                     : std::max(a, b);
          if (opcode.ends_with("relu")) value = std::max<Int128>(value, 0);
          result |= low_bits(value, 16) << 16 * half;
        }
        return Outputs{result, 0};
      };
      cases.push_back(test);
    }
  return cases;
}

/// Carries go from one instruction to the next: sums, differences and products of two words.
inline Cases carry_cases() {
  using Uint128 = unsigned __int128;
  Cases cases;
  auto two = [](Uint128 value, int width) {
    uint64_t mask = width == 64 ? ~0ull : (1ull << width) - 1;
    return Outputs{static_cast<uint64_t>(value) & mask, static_cast<uint64_t>(value >> width) & mask};
  };
  for (std::string type : {"u32", "s32", "u64", "s64"}) {
    int width = std::stoi(type.substr(1));
    std::vector<std::string> results(2, bits_name(width)), sources(4, type);
    auto join = [width](uint64_t low, uint64_t high) { return static_cast<Uint128>(high) << width | low; };
    cases.push_back({"add.cc." + type + " $d, $a, $b; addc." + type + " $e, $c, $f;", results, sources,
                     [=](const Inputs& in) { return two(join(in[0], in[2]) + join(in[1], in[3]), width); }});
    cases.push_back({"sub.cc." + type + " $d, $a, $b; subc." + type + " $e, $c, $f;", results, sources,
                     [=](const Inputs& in) { return two(join(in[0], in[2]) - join(in[1], in[3]), width); }});
    // Three words: the middle one both takes and makes a carry, and the top shows it.
    cases.push_back(
        {"add.cc." + type + " $d, $a, $b; addc.cc." + type + " $d, $c, $f; addc." + type + " $e, $a, $f;",
         results, sources, [=](const Inputs& in) {
           uint64_t mask = width == 64 ? ~0ull : (1ull << width) - 1;
           Uint128 low = static_cast<Uint128>(in[0]) + in[1];
           Uint128 middle = static_cast<Uint128>(in[2]) + in[3] + static_cast<uint64_t>(low >> width);
           return Outputs{static_cast<uint64_t>(middle) & mask,
                          (in[0] + in[3] + static_cast<uint64_t>(middle >> width)) & mask};
         }});
    cases.push_back(
        {"sub.cc." + type + " $d, $a, $b; subc.cc." + type + " $d, $c, $f; subc." + type + " $e, $a, $f;",
         results, sources, [=](const Inputs& in) {
           uint64_t mask = width == 64 ? ~0ull : (1ull << width) - 1;
           Int128 low = static_cast<Int128>(in[0]) - in[1];
           Int128 middle = static_cast<Int128>(in[2]) - in[3] - (low < 0);
           return Outputs{static_cast<uint64_t>(middle) & mask, (in[0] - in[3] - (middle < 0)) & mask};
         }});
    // c + a * b in two words, d's carry into e.
    cases.push_back({"mad.lo.cc." + type + " $d, $a, $b, $c; madc.hi." + type + " $e, $a, $b, $f;", results,
                     sources, [=](const Inputs& in) {
                       Int128 a = number(in[0], type), b = number(in[1], type);
                       Uint128 product = type[0] == 'u' ? static_cast<Uint128>(a) * static_cast<Uint128>(b)
                                                        : static_cast<Uint128>(a * b);
                       return two(product + join(in[2], in[3]), width);
                     }});
    cases.push_back({"mad.hi.cc." + type + " $d, $a, $b, $c; madc.lo." + type + " $e, $a, $b, $f;", results,
                     sources, [=](const Inputs& in) {
                       uint64_t mask = width == 64 ? ~0ull : (1ull << width) - 1;
                       Int128 a = number(in[0], type), b = number(in[1], type);
                       Uint128 product = type[0] == 'u' ? static_cast<Uint128>(a) * static_cast<Uint128>(b)
                                                        : static_cast<Uint128>(a * b);
                       uint64_t high = static_cast<uint64_t>(product >> width) & mask;
                       Uint128 sum = static_cast<Uint128>(high) + in[2];
                       return Outputs{
                           static_cast<uint64_t>(sum) & mask,
                           (static_cast<uint64_t>(product) + in[3] + static_cast<uint64_t>(sum >> width)) &
                               mask};
                     }});
  }
  return cases;
}

inline Cases dot_cases() {
  Cases cases;
  for (std::string a : {"u32", "s32"})
    for (std::string b : {"u32", "s32"})
      for (std::string opcode : {"dp4a", "dp2a.lo", "dp2a.hi"}) {
        InstructionCase test{
            opcode + "." + a + "." + b + " $d, $a, $b, $c;", {"b32"}, {"u32", "u32", "u32"}, nullptr};
        test.expected = [=](const Inputs& in) {
          Int128 sum = in[2];
          for (int i = 0; i < (opcode == "dp4a" ? 4 : 2); ++i) {
            int first = opcode == "dp2a.hi" ? 2 : 0;
            Int128 x = opcode == "dp4a" ? number(in[0] >> 8 * i, a[0] + std::string("8"))
                                        : number(in[0] >> 16 * i, a[0] + std::string("16"));
            sum += x * number(in[1] >> 8 * (i + first), b[0] + std::string("8"));
          }
          return Outputs{low_bits(sum, 32), 0};
        };
        cases.push_back(test);
      }
  return cases;
}

}  // namespace tenon::emulator
