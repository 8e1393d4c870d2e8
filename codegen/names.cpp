// names.cpp: C identifiers, and the words that they must not be.
#include "codegen/names.h"

#include <cctype>

namespace tenon {
namespace {

/// Keywords of C++ and CUDA, and what templates/ and the emitters use unqualified inside namespace tenon.
const llvm::StringSet<>& reserved() {
  static const llvm::StringSet<> words = {
      "alignas",     "alignof",   "and",        "and_eq",    "asm",        "auto",         "bitand",
      "bitor",       "bool",      "break",      "case",      "catch",      "char",         "char8_t",
      "char16_t",    "char32_t",  "class",      "compl",     "concept",    "const",        "consteval",
      "constexpr",   "constinit", "const_cast", "continue",  "co_await",   "co_return",    "co_yield",
      "decltype",    "default",   "delete",     "do",        "double",     "dynamic_cast", "else",
      "enum",        "explicit",  "export",     "extern",    "false",      "float",        "for",
      "friend",      "goto",      "if",         "inline",    "int",        "long",         "mutable",
      "namespace",   "new",       "noexcept",   "not",       "not_eq",     "nullptr",      "operator",
      "or",          "or_eq",     "private",    "protected", "public",     "register",     "reinterpret_cast",
      "requires",    "return",    "short",      "signed",    "sizeof",     "static",       "static_assert",
      "static_cast", "struct",    "switch",     "template",  "this",       "thread_local", "throw",
      "true",        "try",       "typedef",    "typeid",    "typename",   "union",        "unsigned",
      "using",       "virtual",   "void",       "volatile",  "wchar_t",    "while",        "xor",
      "xor_eq",  //
      "add",         "sub",       "mul",        "div",       "neg",        "pow",          "maximum",
      "minimum",     "clamp",     "abs",        "sign",      "relu",       "exp",          "log",
      "sqrt",        "rsqrt",     "reciprocal", "erf",       "tanh",       "sin",          "cos",
      "floor",       "ceil",      "round",      "sigmoid",   "silu",       "softplus",     "leaky_relu",
      "gelu",        "gelu_tanh", "equal",      "less",      "less_equal", "greater",      "greater_equal",
      "where",       "cast",      "widen",      "map",       "splat",      "load",         "store",
      "round_to",    "min",       "max",        "tenon",     "ptx",        "bf16",         "f16",
      "i8",          "u8",        "i16",        "u16",       "i32",        "u32",          "i64",
      "u64",         "Vec",       "threadIdx",  "blockIdx",  "blockDim",   "gridDim",      "warpSize",
      "assert",      "printf",    "main",       "signbit",   "isnan",      "isinf",        "unix",
      "linux",       "NULL",      "NAN",        "INFINITY",  "Body",       "Loaded",       "v",
      "chunk",       "count",     "kConfig",    "row",       "at",         "Epilogue",     "Head",
      "Index"};
  return words;
}

}  // namespace

std::string Names::fresh(llvm::StringRef wanted) {
  std::string name;
  for (char c : wanted) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name = "v" + name;
  while (name.find("__") != std::string::npos) name.erase(name.find("__"), 1);
  if (name[0] == '_') name = "v" + name;
  if (reserved().contains(name) || llvm::StringRef(name).endswith("_approx")) name += "_";
  std::string unique = name;
  for (int i = 2; !taken_.insert(unique).second; ++i) unique = name + "_" + std::to_string(i);
  return unique;
}

const std::string& Names::operator()(const Value* value) {
  auto [entry, is_new] = names_.try_emplace(value);
  if (is_new) {
    const std::string name = fresh(base(value));
    names_[value] = name;
  }
  return names_[value];
}

}  // namespace tenon
