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

/// What generated code names of the headers of the families: tests/codegen/names_test.cpp finds what is missing.
bool names_a_family(llvm::StringRef name) {
  static const llvm::StringSet<> words = {
      "Row",       "Matrix",      "GemmSums",        "RowLayout",     "ResidentRow",    "StreamedRow",
      "kTile",     "shape",       "fetch",           "read",          "write",          "wrap_index",
      "walk_rows", "topk_rows",   "gemm_sm80",       "walk_elements", "attention_sm80", "AttentionProblem",
      "gemv",      "GemvSums",    "ExpertsProblem",  "Finish",        "experts_each",   "experts_sum",
      "problem",   "sample_rows", "QuantisedMatrix", "f8e4m3",        "f8e5m2"};
  return name.startswith("TENON_") || words.contains(name);
}

}  // namespace

llvm::ArrayRef<llvm::StringLiteral> cuda_functions() {
  static constexpr llvm::StringLiteral kFunctions[] = {"abs",
                                                       "acos",
                                                       "acosf",
                                                       "acosh",
                                                       "acoshf",
                                                       "asin",
                                                       "asinf",
                                                       "asinh",
                                                       "asinhf",
                                                       "assert",
                                                       "atan",
                                                       "atan2",
                                                       "atan2f",
                                                       "atanf",
                                                       "atanh",
                                                       "atanhf",
                                                       "cbrt",
                                                       "cbrtf",
                                                       "ceil",
                                                       "ceilf",
                                                       "clock64",
                                                       "copysign",
                                                       "copysignf",
                                                       "cos",
                                                       "cosf",
                                                       "cosh",
                                                       "coshf",
                                                       "cospi",
                                                       "cospif",
                                                       "cyl_bessel_i0",
                                                       "cyl_bessel_i0f",
                                                       "cyl_bessel_i1",
                                                       "cyl_bessel_i1f",
                                                       "erf",
                                                       "erfc",
                                                       "erfcf",
                                                       "erfcinv",
                                                       "erfcinvf",
                                                       "erfcx",
                                                       "erfcxf",
                                                       "erff",
                                                       "erfinv",
                                                       "erfinvf",
                                                       "exp",
                                                       "exp10",
                                                       "exp10f",
                                                       "exp2",
                                                       "exp2f",
                                                       "expf",
                                                       "expm1",
                                                       "expm1f",
                                                       "fabs",
                                                       "fabsf",
                                                       "fdim",
                                                       "fdimf",
                                                       "fdivide",
                                                       "fdividef",
                                                       "floor",
                                                       "floorf",
                                                       "fma",
                                                       "fmaf",
                                                       "fmax",
                                                       "fmaxf",
                                                       "fmin",
                                                       "fminf",
                                                       "fmod",
                                                       "fmodf",
                                                       "free",
                                                       "frexp",
                                                       "frexpf",
                                                       "hypot",
                                                       "hypotf",
                                                       "ilogb",
                                                       "ilogbf",
                                                       "j0",
                                                       "j0f",
                                                       "j1",
                                                       "j1f",
                                                       "jn",
                                                       "jnf",
                                                       "labs",
                                                       "ldexp",
                                                       "ldexpf",
                                                       "lgamma",
                                                       "lgammaf",
                                                       "llabs",
                                                       "llmax",
                                                       "llmin",
                                                       "llrint",
                                                       "llrintf",
                                                       "llround",
                                                       "llroundf",
                                                       "log",
                                                       "log10",
                                                       "log10f",
                                                       "log1p",
                                                       "log1pf",
                                                       "log2",
                                                       "log2f",
                                                       "logb",
                                                       "logbf",
                                                       "logf",
                                                       "lrint",
                                                       "lrintf",
                                                       "lround",
                                                       "lroundf",
                                                       "malloc",
                                                       "max",
                                                       "min",
                                                       "modf",
                                                       "modff",
                                                       "nan",
                                                       "nanf",
                                                       "nearbyint",
                                                       "nearbyintf",
                                                       "nextafter",
                                                       "nextafterf",
                                                       "norm",
                                                       "norm3d",
                                                       "norm3df",
                                                       "norm4d",
                                                       "norm4df",
                                                       "normcdf",
                                                       "normcdff",
                                                       "normcdfinv",
                                                       "normcdfinvf",
                                                       "normf",
                                                       "pow",
                                                       "powf",
                                                       "printf",
                                                       "rcbrt",
                                                       "rcbrtf",
                                                       "remainder",
                                                       "remainderf",
                                                       "remquo",
                                                       "remquof",
                                                       "rhypot",
                                                       "rhypotf",
                                                       "rint",
                                                       "rintf",
                                                       "rnorm",
                                                       "rnorm3d",
                                                       "rnorm3df",
                                                       "rnorm4d",
                                                       "rnorm4df",
                                                       "rnormf",
                                                       "round",
                                                       "roundf",
                                                       "rsqrt",
                                                       "rsqrtf",
                                                       "scalbln",
                                                       "scalblnf",
                                                       "scalbn",
                                                       "scalbnf",
                                                       "sin",
                                                       "sincos",
                                                       "sincosf",
                                                       "sincospi",
                                                       "sincospif",
                                                       "sinf",
                                                       "sinh",
                                                       "sinhf",
                                                       "sinpi",
                                                       "sinpif",
                                                       "sqrt",
                                                       "sqrtf",
                                                       "tan",
                                                       "tanf",
                                                       "tanh",
                                                       "tanhf",
                                                       "tgamma",
                                                       "tgammaf",
                                                       "trunc",
                                                       "truncf",
                                                       "ullmax",
                                                       "ullmin",
                                                       "umax",
                                                       "umin",
                                                       "y0",
                                                       "y0f",
                                                       "y1",
                                                       "y1f",
                                                       "yn",
                                                       "ynf"};
  return kFunctions;
}

std::string Names::fresh(llvm::StringRef wanted) {
  std::string name;
  for (char c : wanted) name += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name = "v" + name;
  while (name.find("__") != std::string::npos) name.erase(name.find("__"), 1);
  if (name[0] == '_') name = "v" + name;
  if (reserved().contains(name) || names_a_family(name) || llvm::StringRef(name).endswith("_approx"))
    name += "_";
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
