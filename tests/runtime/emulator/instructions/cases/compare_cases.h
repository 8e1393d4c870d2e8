// compare_cases.h: what the PTX ISA says of setp, set, selp and slct.
#pragma once
#include "tests/runtime/emulator/instructions/cases/convert_cases.h"

namespace tenon::emulator {

/// `order`: -1, 0, 1 as a is less, equal or greater; 2 where one of them is no number.
inline bool relation_holds(const std::string& relation, int order) {
  if (relation == "num") return order != 2;
  if (relation == "nan") return order == 2;
  bool unordered = relation.size() == 3;
  if (order == 2) return unordered;
  std::string base = relation.substr(0, 2);
  if (base == "eq") return order == 0;
  if (base == "ne") return order != 0;
  if (base == "lt" || base == "lo") return order < 0;
  if (base == "le" || base == "ls") return order <= 0;
  if (base == "gt" || base == "hi") return order > 0;
  return order >= 0;
}
inline int order_of(uint64_t a, uint64_t b, const std::string& type, bool flush) {
  if (!is_float_name(type) || type[0] == 'b') {
    if (!type.starts_with("bf")) {
      std::string as = type[0] == 'b' ? "u" + type.substr(1) : type;
      Int128 x = number(a, as), y = number(b, as);
      return x < y ? -1 : x > y;
    }
  }
  double x = float_value(a, type), y = float_value(b, type);
  auto least_normal = type == "f16" ? 0x1p-14 : 0x1p-126;
  if (flush && std::fabs(x) < least_normal) x = 0;
  if (flush && std::fabs(y) < least_normal) y = 0;
  return std::isnan(x) || std::isnan(y) ? 2 : x < y ? -1 : x > y;
}
inline std::vector<std::string> relations_of(const std::string& type) {
  if (type[0] == 'b' && type[1] != 'f') return {"eq", "ne"};
  std::vector<std::string> names = {"eq", "ne", "lt", "le", "gt", "ge"};
  if (type[0] == 'u') names.insert(names.end(), {"lo", "ls", "hi", "hs"});
  if (is_float_name(type))
    names.insert(names.end(), {"equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  return names;
}
inline bool combine(const std::string& how, bool result, bool with) {
  return how == ".and"   ? result && with
         : how == ".or"  ? result || with
         : how == ".xor" ? result != with
                         : result;
}
/// As inputs_of() reads them: b32 as u32.
inline std::string source_of(const std::string& type) {
  return type[0] == 'b' && type[1] != 'f' ? "u" + type.substr(1) : type;
}

inline Cases setp_cases() {
  Cases cases;
  for (std::string type :
       {"b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64", "f16", "bf16"})
    for (const std::string& relation : relations_of(type))
      for (std::string how : {"", ".and", ".or", ".xor"})
        for (std::string ftz : {"", ".ftz"}) {
          if (!ftz.empty() && type != "f32" && type != "f16") continue;
          if (!how.empty() && relation != "lt" && relation != "eq" && relation != "neu") continue;
          auto holds = [=](const Inputs& in) {
            return relation_holds(relation, order_of(in[0], in[1], type, !ftz.empty()));
          };
          std::vector<std::string> sources = {source_of(type), source_of(type)};
          std::string tail = ";";
          if (!how.empty()) sources.push_back("pred"), tail = ", $c;";
          std::string head = "setp." + relation + how + ftz + "." + type;
          if (type != "f16" && type != "bf16")  // which write one predicate
            cases.push_back(
                {head + " $d|$e, $a, $b" + tail, {"pred", "pred"}, sources, [=](const Inputs& in) {
                   return Outputs{combine(how, holds(in), in[2] != 0), combine(how, !holds(in), in[2] != 0)};
                 }});
          if (how.empty())
            cases.push_back({head + " $d, $a, $b;", {"pred"}, sources, [=](const Inputs& in) {
                               return Outputs{holds(in), 0};
                             }});
          else
            cases.push_back({head + " $d, $a, $b, !$c;", {"pred"}, sources, [=](const Inputs& in) {
                               return Outputs{combine(how, holds(in), in[2] == 0), 0};
                             }});
        }
  for (std::string type : {"f16", "bf16"})
    for (const std::string& relation : relations_of(type))
      for (std::string how : {"", ".and"}) {
        std::vector<std::string> sources = {type + "x2", type + "x2"};
        if (!how.empty()) sources.push_back("pred");
        cases.push_back(
            {"setp." + relation + how + "." + type + "x2 $d|$e, $a, $b" + (how.empty() ? ";" : ", $c;"),
             {"pred", "pred"},
             sources,
             [=](const Inputs& in) {
               bool low = relation_holds(relation, order_of(in[0] & 0xffff, in[1] & 0xffff, type, false));
               bool high = relation_holds(relation, order_of(in[0] >> 16, in[1] >> 16, type, false));
               return Outputs{combine(how, low, in[2] != 0), combine(how, high, in[2] != 0)};
             }});
      }
  return cases;
}

inline Cases set_cases() {
  Cases cases;
  auto add = [&](const std::string& to, const std::string& from, uint64_t on) {
    for (const std::string& relation : relations_of(from))
      for (std::string how : {"", ".and", ".or", ".xor"}) {
        if (!how.empty() && relation != "lt" && relation != "ne") continue;
        std::vector<std::string> sources = {source_of(from), source_of(from)};
        if (!how.empty()) sources.push_back("pred");
        bool pair = from.ends_with("x2");
        std::string one = pair ? from.substr(0, from.size() - 2) : from;
        cases.push_back(
            {"set." + relation + how + "." + to + "." + from + " $d, $a, $b" + (how.empty() ? ";" : ", $c;"),
             {bits_name(to.ends_with("x2") ? 32 : width_of(to))},
             sources,
             [=](const Inputs& in) {
               uint64_t result = 0, mask = width_of(one) == 64 ? ~0ull : (1ull << width_of(one)) - 1;
               for (int half = 0; half < (pair ? 2 : 1); ++half) {
                 int shift = pair ? 16 * half : 0;
                 bool holds = relation_holds(
                     relation, order_of(in[0] >> shift & mask, in[1] >> shift & mask, one, false));
                 if (combine(how, holds, in[2] != 0)) result |= on << shift;
               }
               return Outputs{result, 0};
             }});
      }
  };
  for (std::string from : {"b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64", "f32", "f64"}) {
    add("u32", from, 0xffffffff);
    add("s32", from, 0xffffffff);
    add("f32", from, 0x3f800000);
    add("f16", from, 0x3c00);
    add("bf16", from, 0x3f80);
  }
  for (std::string from : {"f16", "bf16"}) {
    add("u16", from, 0xffff);
    add("s16", from, 0xffff);
    add("u32", from, 0xffffffff);
    add("s32", from, 0xffffffff);
    if (from == "f16") add("f16", from, 0x3c00);
    add("bf16", from, 0x3f80);
    add("u32", from + "x2", 0xffff);
    add("s32", from + "x2", 0xffff);
    add(from + "x2", from + "x2", from == "f16" ? 0x3c00 : 0x3f80);
  }
  return cases;
}

inline Cases select_cases() {
  Cases cases;
  for (std::string type : {"b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"}) {
    std::string source = source_of(type), result = bits_name(width_of(type));
    cases.push_back(
        {"selp." + type + " $d, $a, $b, $c;", {result}, {source, source, "pred"}, [](const Inputs& in) {
           return Outputs{in[2] != 0 ? in[0] : in[1], 0};
         }});
    cases.push_back(
        {"selp." + type + " $d, $a, $b, !$c;", {result}, {source, source, "pred"}, [](const Inputs& in) {
           return Outputs{in[2] == 0 ? in[0] : in[1], 0};
         }});
    cases.push_back(
        {"slct." + type + ".s32 $d, $a, $b, $c;", {result}, {source, source, "s32"}, [](const Inputs& in) {
           return Outputs{static_cast<int32_t>(in[2]) >= 0 ? in[0] : in[1], 0};
         }});
    for (std::string ftz : {"", ".ftz"})
      cases.push_back({"slct" + ftz + "." + type + ".f32 $d, $a, $b, $c;",
                       {result},
                       {source, source, "f32"},
                       [=](const Inputs& in) {
                         float c = float_of(in[2]);
                         if (!ftz.empty()) c = flushed_to_zero(c);
                         return Outputs{c >= 0 ? in[0] : in[1], 0};
                       }});
  }
  return cases;
}

}  // namespace tenon::emulator
