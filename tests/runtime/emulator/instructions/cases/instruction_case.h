// instruction_case.h: one instruction, what goes into it and what must come out: the emulator and a GPU are held to the
// same. Values are the bits of registers.
#pragma once
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

namespace tenon::emulator {

using Inputs = std::array<uint64_t, 4>;
using Outputs = std::array<uint64_t, 2>;

/// How far an approximation may be off.
struct Bound {
  double relative = 0, absolute = 0;
  bool units = false;  ///< of 16-bit results: one unit in the last place
};

/// `text` holds $d, $e for results and $a, $b, $c, $f for sources: "add.s32 $d, $a, $b;".
struct InstructionCase {
  std::string text;
  std::vector<std::string> results;  ///< "b16", "b32", "b64" or "pred" of $d, $e
  std::vector<std::string>
      sources;  ///< types, by which values are chosen: "f32", "s64", "f16x2", "pred", "shift" ...
  std::function<Outputs(const Inputs&)> expected;
  /// Of an approximation to f32: the real value, in place of `expected`.
  std::function<long double(const Inputs&)> real = nullptr;
  Bound bound = {};
  bool flushes = false;  ///< what `real` says of the subnormal becomes zero
};
using Cases = std::vector<InstructionCase>;

inline int width_of(const std::string& type) {
  if (type == "pred" || type == "shift" || type == "small" || type == "field" || type == "angle") return 32;
  if (type.ends_with("e4m3x2") || type.ends_with("e5m2x2")) return 16;
  if (type.ends_with("x2")) return 32;
  int digits = 0;
  for (char c : type)
    if (c >= '0' && c <= '9') digits = digits * 10 + (c - '0');
  return digits == 8 ? 16 : digits;
}

// --- values
inline const std::vector<uint64_t>& edges(const std::string& type) {
  static const std::vector<uint64_t> f32 = {
      0,          0x80000000, 1,          0x80000001, 0x007fffff, 0x807fffff, 0x00800000, 0x80800000,
      0x3f800000, 0xbf800000, 0x3f800001, 0x3f7fffff, 0x3f000000, 0xbf000000, 0x3fc00000, 0x40200000,
      0xc0200000, 0x40490fdb, 0x4b000001, 0xcb000001, 0x4effffff, 0x4f000000, 0xcf000000, 0x4f800000,
      0x5f000000, 0xdf000000, 0x7f7fffff, 0xff7fffff, 0x7f800000, 0xff800000, 0x7fc00000, 0xffc00001,
      0x7f800001, 0x7e800000, 0x7f000001, 0x33800000, 0x477fe000, 0x477ff000, 0x43e00000, 0x43e80000,
      0x7fffffff, 0xffffffff, 0x3f801000, 0x3f808000, 0x42ff0000, 0x437f8000};
  static const std::vector<uint64_t> f64 = {0,
                                            0x8000000000000000,
                                            1,
                                            0x8000000000000001,
                                            0x000fffffffffffff,
                                            0x0010000000000000,
                                            0x3ff0000000000000,
                                            0xbff0000000000000,
                                            0x3ff0000000000001,
                                            0x3fe0000000000000,
                                            0xbfe0000000000000,
                                            0x3ff8000000000000,
                                            0x4004000000000000,
                                            0xc004000000000000,
                                            0x41dfffffffc00000,
                                            0x41e0000000000000,
                                            0xc1e0000000200000,
                                            0x43e0000000000000,
                                            0xc3e0000000000000,
                                            0x43f0000000000000,
                                            0x7fefffffffffffff,
                                            0xffefffffffffffff,
                                            0x7ff0000000000000,
                                            0xfff0000000000000,
                                            0x7ff8000000000000,
                                            0x3810000000000000,
                                            0x36a0000000000000,
                                            0x47efffffe0000000,
                                            0x47effffff0000000,
                                            0x3ff0000010000000,
                                            0x3ff0000030000000,
                                            0x40effc0000000000};
  static const std::vector<uint64_t> f16 = {0,      0x8000, 1,      0x8001, 0x03ff, 0x0400, 0x8400, 0x3c00,
                                            0xbc00, 0x3c01, 0x3bff, 0x3800, 0x3e00, 0x4100, 0xc100, 0x7bff,
                                            0xfbff, 0x7c00, 0xfc00, 0x7e00, 0xfe01, 0x7d01, 0x5800};
  static const std::vector<uint64_t> bf16 = {0,      0x8000, 1,      0x8001, 0x007f, 0x0080, 0x8080, 0x3f80,
                                             0xbf80, 0x3f81, 0x3f7f, 0x3f00, 0x3fc0, 0x4020, 0xc020, 0x7f7f,
                                             0xff7f, 0x7f80, 0xff80, 0x7fc0, 0xffc1, 0x7f81, 0x4300};
  static const std::vector<uint64_t> integers = {0,
                                                 1,
                                                 2,
                                                 3,
                                                 7,
                                                 0x7f,
                                                 0x80,
                                                 0xff,
                                                 0x100,
                                                 0x7fff,
                                                 0x8000,
                                                 0xffff,
                                                 0x10000,
                                                 0x00ffffff,
                                                 0x7fffffff,
                                                 0x80000000,
                                                 0xfffffffe,
                                                 0xffffffff,
                                                 0x100000000,
                                                 0x7fffffffffffffff,
                                                 0x8000000000000000,
                                                 0xffffffff80000000,
                                                 0xffffffffffffff80,
                                                 0xfffffffffffffffe,
                                                 0xffffffffffffffff};
  static const std::vector<uint64_t> small = {0,  1,  2,  3,  4,  7,  8,  15,  16,  17,  24,
                                              31, 32, 33, 40, 63, 64, 65, 127, 255, 256, 0xffffffff};
  static const std::vector<uint64_t> predicates = {0, 1};
  static const std::vector<uint64_t> fields = {0,  1,  2,  3,  4,  7,  8,  15, 16,  17,
                                               24, 31, 32, 33, 40, 63, 64, 65, 127, 255};
  static const std::vector<uint64_t> angles = {0,          0x80000000, 1,          0x3f800000, 0xbf800000,
                                               0x3fc90fdb, 0x40490fdb, 0xc0490fdb, 0x7f800000, 0x7fc00000};
  if (type == "pred") return predicates;
  if (type == "field") return fields;
  if (type == "angle") return angles;
  if (type == "shift" || type == "small") return small;
  if (type.starts_with("f16")) return f16;
  if (type.starts_with("bf16")) return bf16;
  return type == "f32" ? f32 : type == "f64" ? f64 : integers;
}

/// Random bits, of which floats get exponents that lie near one another's.
inline uint64_t random_value(const std::string& type, std::mt19937_64& random) {
  uint64_t bits = random();
  if (type == "pred") return bits & 1;
  if (type == "shift" || type == "small" || type == "field") return bits % 72;
  if (type == "angle") return (bits & 0x807fffff) | (100 + (bits >> 40) % 29) << 23;  // below 4
  if (type == "f32" && bits >> 60 != 0) bits = (bits & 0x807fffff) | (112 + (bits >> 40) % 32) << 23;
  if (type == "f64" && bits >> 60 != 0) bits = (bits & 0x800fffffffffffff) | (1008 + (random() % 32)) << 52;
  int width = width_of(type);
  return width == 64 ? bits : bits & ((1ull << width) - 1);
}
inline uint64_t edge_value(const std::string& type, uint64_t choice) {
  const auto& values = edges(type);
  int width = width_of(type);
  uint64_t bits = values[choice % values.size()];
  if (width == 32 && type.ends_with("x2")) bits |= values[(choice / values.size()) % values.size()] << 16;
  return width == 64 ? bits : bits & ((1ull << width) - 1);
}

/// `count` inputs: every pair of edges of the first two sources as far as they go, then edges and random values mixed.
inline std::vector<Inputs> inputs_of(const InstructionCase& test, size_t count) {
  std::mt19937_64 random(0x7e4);
  std::vector<Inputs> inputs(count);
  for (size_t n = 0; n < count; ++n) {
    size_t first = test.sources.empty() ? 1 : edges(test.sources[0]).size();
    size_t pairs = test.sources.size() > 1 ? first * edges(test.sources[1]).size() : first;
    for (size_t s = 0; s < test.sources.size(); ++s) {
      const std::string& type = test.sources[s];
      if (n < pairs && s == 0)
        inputs[n][s] = edge_value(type, n % first);
      else if (n < pairs && s == 1)
        inputs[n][s] = edge_value(type, n / first);
      else
        inputs[n][s] = random() % 4 == 0 ? edge_value(type, random()) : random_value(type, random);
    }
  }
  return inputs;
}

// --- text
inline std::string replaced(std::string text, char name, const std::string& by) {
  for (size_t at; (at = text.find(std::string("$") + name)) != std::string::npos;) text.replace(at, 2, by);
  return text;
}

/// Kernel `k<number>`: thread i reads source s from in[s * threads + i] and writes result r to out[r * threads + i], 8 bytes each.
inline std::string kernel_of(const InstructionCase& test, int number, int threads) {
  const char names[] = {'a', 'b', 'c', 'f'}, result_names[] = {'d', 'e'};
  std::string body, text = test.text;
  auto cell = [&](size_t place) { return "[%at+" + std::to_string(place * threads * 8) + "]"; };
  body +=
      "mov.u32 %t, %tid.x;\nmov.u32 %n, %ctaid.x;\nmad.lo.s32 %t, %n, 128, %t;\nmul.wide.u32 %off, %t, 8;\n";
  body += "ld.param.u64 %at, [in];\nadd.s64 %at, %at, %off;\n";
  for (size_t s = 0; s < test.sources.size(); ++s) {
    std::string width = std::to_string(width_of(test.sources[s])), number_text = std::to_string(s);
    body += ".reg .b" + width + " %s" + number_text + ";\nld.global.b" + width + " %s" + number_text + ", " +
            cell(s) + ";\n";
    if (test.sources[s] == "pred")
      body += ".reg .pred %sp" + number_text + ";\nsetp.ne.u32 %sp" + number_text + ", %s" + number_text +
              ", 0;\n";
    text = replaced(text, names[s], (test.sources[s] == "pred" ? "%sp" : "%s") + number_text);
  }
  for (size_t r = 0; r < test.results.size(); ++r) {
    body += ".reg ." + test.results[r] + " %r" + std::to_string(r) + ";\n";
    text = replaced(text, result_names[r], "%r" + std::to_string(r));
  }
  body += text + "\nld.param.u64 %at, [out];\nadd.s64 %at, %at, %off;\n";
  for (size_t r = 0; r < test.results.size(); ++r) {
    std::string name = "%r" + std::to_string(r), type = test.results[r];
    if (type == "pred") {
      body += "selp.u32 %t, 1, 0, " + name + ";\n";
      name = "%t", type = "b32";
    }
    body += "st.global." + type + " " + cell(r) + ", " + name + ";\n";
  }
  return ".visible .entry k" + std::to_string(number) +
         "(.param .u64 in, .param .u64 out)\n{\n.reg .b32 %t, %n;\n.reg .b64 %at, %off;\n" + body +
         "ret;\n}\n";
}
inline std::string module_of(const Cases& cases, int threads, const std::string& target = "sm_90a") {
  std::string text = ".version 9.0\n.target " + target + "\n.address_size 64\n";
  for (size_t i = 0; i < cases.size(); ++i) text += kernel_of(cases[i], static_cast<int>(i), threads);
  return text;
}

}  // namespace tenon::emulator
