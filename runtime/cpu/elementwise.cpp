// elementwise.cpp: elementwise ops over chunks, in f32 for floats and bool, in i64 for integers.
#include <cassert>
#include <cmath>

#include "ir/dtype.h"
#include "runtime/cpu/functions.h"
#include "runtime/cpu/operations.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/simd.h"

namespace tenon::cpu {
namespace {

constexpr int64_t kChunk = 1024;         // elements in the first cache, with all operands
constexpr int64_t kPiece = 16 * kChunk;  // elements that a thread takes at once

/// NaN wins, as in the evaluator.
TENON_INLINE float larger(float a, float b) { return a > b || a != a ? a : b; }
TENON_INLINE float smaller(float a, float b) { return a < b || a != a ? a : b; }
TENON_INLINE float softplus(float x) { return (x > 0 ? x : 0.f) + std::log1p(std::exp(-std::fabs(x))); }

// A row: the op and its value for an element a (and b); one loop each, so that the compiler makes vectors of
// it.
#define TENON_ROW(op, value)                             \
  case Op::op:                                           \
    for (int64_t i = 0; i < n; ++i) {                    \
      const auto a = x[i];                               \
      out[i] = static_cast<decltype(out[0] + 0)>(value); \
    }                                                    \
    return;
#define TENON_ROW2(op, value)                            \
  case Op::op:                                           \
    for (int64_t i = 0; i < n; ++i) {                    \
      const auto a = x[i], b = y[i];                     \
      out[i] = static_cast<decltype(out[0] + 0)>(value); \
    }                                                    \
    return;

TENON_SIMD void unary(Op op, float slope, const float* x, int64_t n, float* out) {
  switch (op) {
    TENON_ROW(kNeg, -a)
    TENON_ROW(kAbs, std::fabs(a))
    TENON_ROW(kSign, a > 0 ? 1.f : a < 0 ? -1.f : a)
    TENON_ROW(kExp, exp_f32(a))
    TENON_ROW(kLog, std::log(a))
    TENON_ROW(kSqrt, std::sqrt(a))
    TENON_ROW(kRsqrt, 1.f / std::sqrt(a))
    TENON_ROW(kReciprocal, 1.f / a)
    TENON_ROW(kErf, erf_f32(a))
    TENON_ROW(kTanh, tanh_f32(a))
    TENON_ROW(kSigmoid, sigmoid_f32(a))
    TENON_ROW(kRelu, a < 0 ? 0.f : a)
    TENON_ROW(kSilu, a / (1.f + exp_f32(-a)))
    TENON_ROW(kGelu, gelu_f32(a))
    TENON_ROW(kGeluTanh, gelu_tanh_f32(a))
    TENON_ROW(kSin, std::sin(a))
    TENON_ROW(kCos, std::cos(a))
    TENON_ROW(kFloor, std::floor(a))
    TENON_ROW(kCeil, std::ceil(a))
    TENON_ROW(kRound, std::nearbyint(a))
    TENON_ROW(kNot, a == 0 ? 1.f : 0.f)
    TENON_ROW(kSoftplus, softplus(a))
    TENON_ROW(kLeakyRelu, a < 0 ? slope * a : a)
    default: assert(false && "a unary op without a row");
  }
}

TENON_SIMD void binary(Op op, const float* x, const float* y, int64_t n, float* out) {
  switch (op) {
    TENON_ROW2(kAdd, a + b)
    TENON_ROW2(kSub, a - b)
    TENON_ROW2(kMul, a * b)
    TENON_ROW2(kDiv, a / b)
    TENON_ROW2(kPow, std::pow(a, b))
    TENON_ROW2(kMaximum, larger(a, b))
    TENON_ROW2(kMinimum, smaller(a, b))
    TENON_ROW2(kEqual, a == b)
    TENON_ROW2(kLess, a < b)
    TENON_ROW2(kLessEqual, a <= b)
    TENON_ROW2(kGreater, a > b)
    TENON_ROW2(kGreaterEqual, a >= b)
    TENON_ROW2(kAnd, a != 0 && b != 0)
    TENON_ROW2(kOr, a != 0 || b != 0)
    TENON_ROW2(kXor, (a != 0) != (b != 0))
    default: assert(false && "a binary op without a row");
  }
}

// Integers wrap: the arithmetic is that of u64.
uint64_t u(int64_t x) { return static_cast<uint64_t>(x); }
int64_t quotient(int64_t a, int64_t b) {
  return b == 0 ? 0 : b == -1 ? static_cast<int64_t>(0 - u(a)) : a / b;
}
int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1, factor = u(base);
  for (; exponent > 0; exponent /= 2, factor *= factor)
    if (exponent % 2) result *= factor;
  return static_cast<int64_t>(result);
}

void unary(Op op, float, const int64_t* x, int64_t n, int64_t* out) {
  switch (op) {
    TENON_ROW(kNeg, 0 - u(a))
    TENON_ROW(kAbs, a < 0 ? 0 - u(a) : u(a))
    TENON_ROW(kSign, (a > 0) - (a < 0))
    TENON_ROW(kRelu, a < 0 ? 0 : a)
    TENON_ROW(kFloor, a)
    TENON_ROW(kCeil, a)
    TENON_ROW(kRound, a)
    default: assert(false && "a unary op without a row for integers");
  }
}

void binary(Op op, const int64_t* x, const int64_t* y, int64_t n, int64_t* out) {
  switch (op) {
    TENON_ROW2(kAdd, u(a) + u(b))
    TENON_ROW2(kSub, u(a) - u(b))
    TENON_ROW2(kMul, u(a) * u(b))
    TENON_ROW2(kDiv, quotient(a, b))
    TENON_ROW2(kPow, power(a, b))
    TENON_ROW2(kMaximum, a > b ? a : b)
    TENON_ROW2(kMinimum, a < b ? a : b)
    TENON_ROW2(kEqual, a == b)
    TENON_ROW2(kLess, a < b)
    TENON_ROW2(kLessEqual, a <= b)
    TENON_ROW2(kGreater, a > b)
    TENON_ROW2(kGreaterEqual, a >= b)
    default: assert(false && "a binary op without a row for integers");
  }
}

template <class T>
TENON_INLINE void choose(const T* condition, const T* x, const T* y, int64_t n, T* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = condition[i] != 0 ? x[i] : y[i];
}

/// A float to an integer type: truncated, saturated, NaN to 0; through the definition, it is not in hot
/// loops.
int64_t to_integer(DType dtype, float value) {
  double saturated = round_to(dtype, value);
  return saturated >= 0x1p63 ? INT64_MAX : static_cast<int64_t>(saturated);
}

/// One node in the arithmetic T; Out is where a float becomes an integer or the other way round.
template <class T>
struct Elementwise {
  const Node& node;
  std::vector<Walk> operands;
  float slope;

  void chunk(int64_t at, int64_t count, std::byte* out) const {
    T x[3][kChunk], result[kChunk];
    for (size_t i = 0; i < operands.size(); ++i) operands[i].load(at, count, x[i]);
    DType dtype = node.type().dtype;
    switch (operands.size()) {
      case 1:
        if (node.op() == Op::kCast) return cast(x[0], count, out);
        unary(node.op(), slope, x[0], count, result);
        break;
      case 2: binary(node.op(), x[0], x[1], count, result); break;
      default: choose(x[0], x[1], x[2], count, result);
    }
    store(result, count, dtype, out);
  }

  void cast(const T* x, int64_t count, std::byte* out) const {
    DType dtype = node.type().dtype;
    if (std::is_same_v<T, float> && is_integer(dtype)) {
      int64_t integers[kChunk];
      for (int64_t i = 0; i < count; ++i) integers[i] = to_integer(dtype, static_cast<float>(x[i]));
      store(integers, count, dtype, out);
    } else if (std::is_same_v<T, int64_t> && is_float(dtype)) {
      float floats[kChunk];
      for (int64_t i = 0; i < count; ++i) floats[i] = static_cast<float>(x[i]);
      store(floats, count, dtype, out);
    } else {
      store(x, count, dtype, out);
    }
  }
};

template <class T>
View run(const Node& node, Operands operands) {
  Elementwise<T> work{node, {}, static_cast<float>(node.attributes.number("slope", 0.01))};
  Extents extents = extents_of(node.type().shape);
  for (const View& operand : operands) work.operands.emplace_back(operand.broadcast(extents));
  Tensor result = Tensor::uninitialised(node.type());
  std::byte* out = result.mutable_data();
  int64_t size = size_of(result.dtype());
  parallel_pieces(result.elements(), kPiece, [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; at += kChunk)
      work.chunk(at, std::min(kChunk, end - at), out + at * size);
  });
  return View::of(std::move(result));
}

}  // namespace

View elementwise(const Node& node, Operands operands) {
  return is_integer(operands.back().dtype()) ? run<int64_t>(node, operands) : run<float>(node, operands);
}

}  // namespace tenon::cpu
