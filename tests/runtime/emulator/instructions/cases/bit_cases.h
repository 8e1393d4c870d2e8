// bit_cases.h: what the PTX ISA says of logic, shifts, fields and permutations, one bit at a time.
#pragma once
#include "tests/runtime/emulator/instructions/cases/integer_cases.h"

namespace tenon::emulator {

inline bool bit(uint64_t value, int64_t at) { return at >= 0 && at < 64 && (value >> at & 1) != 0; }
/// The number whose bit i is f(i).
template <class F>
uint64_t bits_where(int width, F f) {
  uint64_t value = 0;
  for (int i = 0; i < width; ++i) value |= static_cast<uint64_t>(f(i) ? 1 : 0) << i;
  return value;
}

inline Cases logic_cases() {
  Cases cases;
  for (int width : {16, 32, 64}) {
    std::string type = bits_name(width), of = "u" + std::to_string(width);
    auto add = [&](const std::string& opcode, auto f) {
      cases.push_back(
          {opcode + "." + type + " $d, $a, $b;", {type}, {of, of}, [=](const Inputs& in) {
             return Outputs{bits_where(width, [&](int i) { return f(bit(in[0], i), bit(in[1], i)); }), 0};
           }});
    };
    add("and", [](bool a, bool b) { return a && b; });
    add("or", [](bool a, bool b) { return a || b; });
    add("xor", [](bool a, bool b) { return a != b; });
    cases.push_back({"not." + type + " $d, $a;", {type}, {of}, [=](const Inputs& in) {
                       return Outputs{bits_where(width, [&](int i) { return !bit(in[0], i); }), 0};
                     }});
    cases.push_back({"cnot." + type + " $d, $a;", {type}, {of}, [=](const Inputs& in) {
                       return Outputs{in[0] == 0 ? 1u : 0u, 0};
                     }});
  }
  auto predicates = [&](const std::string& text, auto f) {
    cases.push_back({text, {"pred"}, {"pred", "pred"}, [=](const Inputs& in) {
                       return Outputs{f(in[0] != 0, in[1] != 0) ? 1u : 0u, 0};
                     }});
  };
  predicates("and.pred $d, $a, $b;", [](bool a, bool b) { return a && b; });
  predicates("or.pred $d, $a, $b;", [](bool a, bool b) { return a || b; });
  predicates("xor.pred $d, $a, $b;", [](bool a, bool b) { return a != b; });
  predicates("not.pred $d, $a;", [](bool a, bool) { return !a; });
  for (int table : {0x00, 0x80, 0x96, 0xe8, 0xca, 0x2d, 0xff}) {
    auto value = [table](const Inputs& in) {
      return bits_where(
          32, [&](int i) { return bit(table, bit(in[0], i) * 4 + bit(in[1], i) * 2 + bit(in[2], i)); });
    };
    std::string number = std::to_string(table);
    cases.push_back(
        {"lop3.b32 $d, $a, $b, $c, " + number + ";", {"b32"}, {"u32", "u32", "u32"}, [=](const Inputs& in) {
           return Outputs{value(in), 0};
         }});
    cases.push_back({"lop3.or.b32 $d|$e, $a, $b, $c, " + number + ", $f;",
                     {"b32", "pred"},
                     {"u32", "u32", "u32", "pred"},
                     [=](const Inputs& in) {
                       return Outputs{value(in), value(in) != 0 || in[3] != 0 ? 1u : 0u};
                     }});
    cases.push_back({"lop3.and.b32 $d|$e, $a, $b, $c, " + number + ", $f;",
                     {"b32", "pred"},
                     {"u32", "u32", "u32", "pred"},
                     [=](const Inputs& in) {
                       return Outputs{value(in), value(in) != 0 && in[3] != 0 ? 1u : 0u};
                     }});
  }
  return cases;
}

inline Cases shift_cases() {
  Cases cases;
  for (int width : {16, 32, 64}) {
    std::string digits = std::to_string(width);
    cases.push_back(
        {"shl.b" + digits + " $d, $a, $b;", {"b" + digits}, {"u" + digits, "shift"}, [=](const Inputs& in) {
           return Outputs{
               bits_where(width, [&](int i) { return bit(in[0], i - static_cast<int64_t>(in[1])); }), 0};
         }});
    for (char kind : {'u', 's', 'b'})
      cases.push_back({std::string("shr.") + kind + digits + " $d, $a, $b;",
                       {"b" + digits},
                       {"u" + digits, "shift"},
                       [=](const Inputs& in) {
                         return Outputs{bits_where(width,
                                                   [&](int i) {
                                                     int64_t from = i + static_cast<int64_t>(in[1]);
                                                     return from < width
                                                                ? bit(in[0], from)
                                                                : kind == 's' && bit(in[0], width - 1);
                                                   }),
                                        0};
                       }});
  }
  for (bool left : {true, false})
    for (bool wrap : {true, false})
      cases.push_back(
          {std::string("shf.") + (left ? "l" : "r") + (wrap ? ".wrap" : ".clamp") + ".b32 $d, $a, $b, $c;",
           {"b32"},
           {"u32", "u32", "shift"},
           [=](const Inputs& in) {
             int64_t n = static_cast<int64_t>(wrap ? in[2] % 32 : std::min<uint64_t>(in[2], 32));
             uint64_t both = in[1] << 32 | in[0];
             return Outputs{
                 bits_where(32, [&](int i) { return left ? bit(both, 32 + i - n) : bit(both, i + n); }), 0};
           }});
  return cases;
}

inline Cases permute_cases() {
  Cases cases;
  // For each mode, the byte that goes to each place, for the selector's values 0 to 3.
  const std::vector<std::pair<std::string, std::array<std::array<int, 4>, 4>>> modes = {
      {".f4e", {{{0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {3, 4, 5, 6}}}},
      {".b4e", {{{0, 7, 6, 5}, {1, 0, 7, 6}, {2, 1, 0, 7}, {3, 2, 1, 0}}}},
      {".rc8", {{{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}}}},
      {".ecl", {{{0, 1, 2, 3}, {1, 1, 2, 3}, {2, 2, 2, 3}, {3, 3, 3, 3}}}},
      {".ecr", {{{0, 0, 0, 0}, {0, 1, 1, 1}, {0, 1, 2, 2}, {0, 1, 2, 3}}}},
      {".rc16", {{{0, 1, 0, 1}, {2, 3, 2, 3}, {0, 1, 0, 1}, {2, 3, 2, 3}}}}};
  auto byte = [](const Inputs& in, int n) { return (n < 4 ? in[0] >> 8 * n : in[1] >> 8 * (n - 4)) & 0xff; };
  for (const auto& [mode, table] : modes)
    cases.push_back({"prmt.b32" + mode + " $d, $a, $b, $c;",
                     {"b32"},
                     {"u32", "u32", "u32"},
                     [=, table = table](const Inputs& in) {
                       uint64_t result = 0;
                       for (int i = 0; i < 4; ++i) result |= byte(in, table[in[2] & 3][i]) << 8 * i;
                       return Outputs{result, 0};
                     }});
  cases.push_back({"prmt.b32 $d, $a, $b, $c;", {"b32"}, {"u32", "u32", "u32"}, [=](const Inputs& in) {
                     uint64_t result = 0;
                     for (int i = 0; i < 4; ++i) {
                       int selector = static_cast<int>(in[2] >> 4 * i & 15);
                       uint64_t value = byte(in, selector & 7);
                       if (selector & 8) value = value >= 128 ? 255 : 0;
                       result |= value << 8 * i;
                     }
                     return Outputs{result, 0};
                   }});
  return cases;
}

inline Cases field_cases() {
  Cases cases;
  for (int width : {32, 64}) {
    std::string digits = std::to_string(width);
    for (char kind : {'u', 's'}) {
      std::string type = kind + digits;
      cases.push_back({"bfe." + type + " $d, $a, $b, $c;",
                       {"b" + digits},
                       {type, "field", "field"},
                       [=](const Inputs& in) {
                         int64_t position = in[1] & 255, length = in[2] & 255;
                         bool sign = kind == 's' && length != 0 &&
                                     bit(in[0], std::min<int64_t>(position + length - 1, width - 1));
                         return Outputs{bits_where(width,
                                                   [&](int i) {
                                                     return i < length && position + i < width
                                                                ? bit(in[0], position + i)
                                                                : sign;
                                                   }),
                                        0};
                       }});
      for (bool shift : {false, true})
        cases.push_back({std::string("bfind") + (shift ? ".shiftamt." : ".") + type + " $d, $a;",
                         {"b32"},
                         {type},
                         [=](const Inputs& in) {
                           bool sign = kind == 's' && bit(in[0], width - 1);
                           for (int i = width - 1; i >= 0; --i)
                             if (bit(in[0], i) != sign)
                               return Outputs{static_cast<uint32_t>(shift ? width - 1 - i : i), 0};
                           return Outputs{0xffffffff, 0};
                         }});
    }
    cases.push_back({"bfi.b" + digits + " $d, $a, $b, $c, $f;",
                     {"b" + digits},
                     {"u" + digits, "u" + digits, "field", "field"},
                     [=](const Inputs& in) {
                       int64_t position = in[2] & 255, length = in[3] & 255;
                       return Outputs{bits_where(width,
                                                 [&](int i) {
                                                   return i >= position && i < position + length
                                                              ? bit(in[0], i - position)
                                                              : bit(in[1], i);
                                                 }),
                                      0};
                     }});
    cases.push_back({"brev.b" + digits + " $d, $a;", {"b" + digits}, {"u" + digits}, [=](const Inputs& in) {
                       return Outputs{bits_where(width, [&](int i) { return bit(in[0], width - 1 - i); }), 0};
                     }});
    cases.push_back({"popc.b" + digits + " $d, $a;", {"b32"}, {"u" + digits}, [=](const Inputs& in) {
                       uint64_t count = 0;
                       for (int i = 0; i < width; ++i) count += bit(in[0], i);
                       return Outputs{count, 0};
                     }});
    cases.push_back({"clz.b" + digits + " $d, $a;", {"b32"}, {"u" + digits}, [=](const Inputs& in) {
                       uint64_t count = 0;
                       while (count < static_cast<uint64_t>(width) &&
                              !bit(in[0], width - 1 - static_cast<int64_t>(count)))
                         ++count;
                       return Outputs{count, 0};
                     }});
  }
  for (bool wrap : {false, true}) {
    std::string mode = wrap ? ".wrap" : ".clamp";
    for (char kind : {'u', 's'})
      cases.push_back(
          {"szext" + mode + "." + kind + "32 $d, $a, $b;", {"b32"}, {"u32", "small"}, [=](const Inputs& in) {
             int64_t n = static_cast<int64_t>(wrap ? in[1] % 32 : std::min<uint64_t>(in[1], 32));
             bool sign = kind == 's' && n != 0 && bit(in[0], n - 1);
             return Outputs{bits_where(32, [&](int i) { return i < n ? bit(in[0], i) : sign; }), 0};
           }});
    cases.push_back({"bmsk" + mode + ".b32 $d, $a, $b;", {"b32"}, {"small", "small"}, [=](const Inputs& in) {
                       int64_t from = static_cast<int64_t>(wrap ? in[0] % 32 : in[0]),
                               n = static_cast<int64_t>(wrap ? in[1] % 32 : in[1]);
                       return Outputs{bits_where(32, [&](int i) { return i >= from && i < from + n; }), 0};
                     }});
  }
  // Every base and offset near the mask's ends.
  for (int offset : {0, 1, -1, 3, -3, 9, -9})
    cases.push_back({"and.b32 $b, $b, 31; fns.b32 $d, $a, $b, " + std::to_string(offset) + ";",
                     {"b32"},
                     {"u32", "small"},
                     [=](const Inputs& in) {
                       int64_t base = in[1] % 32, left = std::abs(offset);
                       if (offset == 0)
                         return Outputs{bit(in[0], base) ? static_cast<uint64_t>(base) : 0xffffffff, 0};
                       for (int64_t i = base; i >= 0 && i<32; i += offset> 0 ? 1 : -1)
                         if (bit(in[0], i) && --left == 0) return Outputs{static_cast<uint64_t>(i), 0};
                       return Outputs{0xffffffff, 0};
                     }});
  return cases;
}

}  // namespace tenon::emulator
