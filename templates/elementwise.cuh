// The pointwise operations of the language, on scalars and lane by lane on Vec. Floats are computed in f32.
// NaN: arithmetic, maximum, minimum, clamp, relu, sign and round keep it; comparisons with it are false (so
// is `equal`). Integers wrap; division truncates, and by zero gives 0. Names ending in _approx are for
// results that bf16 or f16 rounds anyway.
#pragma once
#include "templates/ptx/math.cuh"
#include "templates/scalar.cuh"

namespace tenon {

// The unsigned type in which T's arithmetic wraps.
template <Integer T>
struct WrappingOf {
  using Type = u32;
};
template <Integer T>
requires(sizeof(T) == 8) struct WrappingOf<T> {
  using Type = u64;
};
template <Integer T>
using Wrapping = typename WrappingOf<T>::Type;

TENON_DEVICE float add(float a, float b) { return a + b; }
TENON_DEVICE float sub(float a, float b) { return a - b; }
TENON_DEVICE float mul(float a, float b) { return a * b; }
TENON_DEVICE float div(float a, float b) { return a / b; }
TENON_DEVICE float neg(float a) { return -a; }
template <Integer T>
TENON_DEVICE T add(T a, T b) {
  return T(Wrapping<T>(a) + Wrapping<T>(b));
}
template <Integer T>
TENON_DEVICE T sub(T a, T b) {
  return T(Wrapping<T>(a) - Wrapping<T>(b));
}
template <Integer T>
TENON_DEVICE T mul(T a, T b) {
  return T(Wrapping<T>(a) * Wrapping<T>(b));
}
template <Integer T>
TENON_DEVICE T neg(T a) {
  return T(Wrapping<T>(0) - Wrapping<T>(a));
}
template <Integer T>
TENON_DEVICE T div(T a, T b) {
  if (b == T(0)) return T(0);
  if (T(-1) < T(0) && b == T(-1)) return neg(a);  // the smallest value over -1 wraps
  return T(a / b);
}

TENON_DEVICE float pow(float a, float b) { return ::powf(a, b); }
// Exact modulo 2^bits; a negative exponent truncates 1 / a^n.
template <Integer T>
TENON_DEVICE T pow(T base, T exponent) {
  if (exponent < T(0)) {
    if (base == T(1)) return T(1);
    return base == T(-1) ? (exponent % T(2) ? T(-1) : T(1)) : T(0);
  }
  T result = 1;
  for (; exponent; exponent = T(exponent / 2), base = mul(base, base))
    if (exponent % T(2)) result = mul(result, base);
  return result;
}

TENON_DEVICE float maximum(float a, float b) { return a > b || is_nan(a) ? a : b; }
TENON_DEVICE float minimum(float a, float b) { return a < b || is_nan(a) ? a : b; }
template <class T>
requires(Integer<T> || kSame<T, bool>) TENON_DEVICE T maximum(T a, T b) { return a > b ? a : b; }
template <class T>
requires(Integer<T> || kSame<T, bool>) TENON_DEVICE T minimum(T a, T b) { return a < b ? a : b; }
template <class T>
TENON_DEVICE T clamp_scalar(T x, T low, T high) {
  return minimum(maximum(x, low), high);
}
TENON_DEVICE float clamp(float x, float low, float high) { return clamp_scalar(x, low, high); }
template <Integer T>
TENON_DEVICE T clamp(T x, T low, T high) {
  return clamp_scalar(x, low, high);
}

TENON_DEVICE float abs(float x) { return ::fabsf(x); }
TENON_DEVICE float sign(float x) { return x > 0.0f ? 1.0f : x < 0.0f ? -1.0f : x; }
template <Integer T>
TENON_DEVICE T abs(T x) {
  return x < T(0) ? neg(x) : x;
}
template <Integer T>
TENON_DEVICE T sign(T x) {
  return T((x > T(0)) - (x < T(0)));
}
TENON_DEVICE float relu(float x) { return x < 0.0f ? 0.0f : x; }
template <Integer T>
TENON_DEVICE T relu(T x) {
  return x < T(0) ? T(0) : x;
}

TENON_DEVICE float exp(float x) { return ::expf(x); }
TENON_DEVICE float log(float x) { return ::logf(x); }
TENON_DEVICE float sqrt(float x) { return ::sqrtf(x); }
TENON_DEVICE float rsqrt(float x) { return 1.0f / ::sqrtf(x); }
TENON_DEVICE float reciprocal(float x) { return 1.0f / x; }
TENON_DEVICE float erf(float x) { return ::erff(x); }
TENON_DEVICE float tanh(float x) { return ::tanhf(x); }
TENON_DEVICE float sin(float x) { return ::sinf(x); }
TENON_DEVICE float cos(float x) { return ::cosf(x); }
TENON_DEVICE float floor(float x) { return ::floorf(x); }
TENON_DEVICE float ceil(float x) { return ::ceilf(x); }
TENON_DEVICE float round(float x) { return ::rintf(x); }  // halves to even
template <Integer T>
TENON_DEVICE T floor(T x) {
  return x;
}
template <Integer T>
TENON_DEVICE T ceil(T x) {
  return x;
}
template <Integer T>
TENON_DEVICE T round(T x) {
  return x;
}
TENON_DEVICE float sigmoid(float x) { return 1.0f / (1.0f + ::expf(-x)); }
TENON_DEVICE float silu(float x) { return x / (1.0f + ::expf(-x)); }
TENON_DEVICE float softplus(float x) { return maximum(x, 0.0f) + ::log1pf(::expf(-::fabsf(x))); }
TENON_DEVICE float leaky_relu(float x, float slope) { return x < 0.0f ? slope * x : x; }
TENON_DEVICE float gelu(float x) {
  return 0.5f * x * ::erfcf(-0.70710678118654752f * x);
}  // erfc: 1 + erf would cancel below -3
TENON_DEVICE float gelu_tanh_argument(float x) {
  return x * (1.5957691216057308f + 0.07135481282636519f * x * x);
}  // 2 sqrt(2/pi) (x + 0.044715 x^3)
TENON_DEVICE float gelu_tanh(float x) {
  return x / (1.0f + ::expf(-gelu_tanh_argument(x)));
}  // (1 + tanh u) / 2 = sigmoid(2u)

TENON_DEVICE float div_approx(float a, float b) { return a * ptx::rcp_approx(b); }
TENON_DEVICE float exp_approx(float x) { return ptx::ex2_approx(x * 1.4426950408889634f); }
TENON_DEVICE float sqrt_approx(float x) { return ptx::sqrt_approx(x); }
TENON_DEVICE float rsqrt_approx(float x) { return ptx::rsqrt_approx(x); }
TENON_DEVICE float reciprocal_approx(float x) { return ptx::rcp_approx(x); }
TENON_DEVICE float tanh_approx(float x) { return ptx::tanh_approx(x); }  // 2^-11: bf16 alone hides it
TENON_DEVICE float sigmoid_approx(float x) { return ptx::rcp_approx(1.0f + exp_approx(-x)); }
TENON_DEVICE float silu_approx(float x) { return x * sigmoid_approx(x); }
TENON_DEVICE float gelu_tanh_approx(float x) { return x * sigmoid_approx(gelu_tanh_argument(x)); }
// x Phi(x) with Phi's tail as a polynomial in t times exp(-x^2/2) (Abramowitz and Stegun 7.1.26): no
// cancellation on either side.
TENON_DEVICE float gelu_approx(float x) {
  const float z = 0.70710678118654752f * ::fabsf(x);
  const float t = ptx::rcp_approx(1.0f + 0.3275911f * z);
  const float poly =
      t * (0.254829592f + t * (-0.284496736f + t * (1.421413741f + t * (-1.453152027f + t * 1.061405429f))));
  const float tail = 0.5f * poly * ptx::ex2_approx(-1.4426950408889634f * z * z);
  return x * (x < 0.0f ? tail : 1.0f - tail);
}

template <class T>
requires(!AnyVec<T>) TENON_DEVICE bool equal(T a, T b) { return a == b; }
template <class T>
requires(!AnyVec<T>) TENON_DEVICE bool less(T a, T b) { return a < b; }
template <class T>
requires(!AnyVec<T>) TENON_DEVICE bool less_equal(T a, T b) { return a <= b; }
template <class T>
requires(!AnyVec<T>) TENON_DEVICE bool greater(T a, T b) { return a > b; }
template <class T>
requires(!AnyVec<T>) TENON_DEVICE bool greater_equal(T a, T b) { return a >= b; }
TENON_DEVICE bool logical_not(bool a) { return !a; }
TENON_DEVICE bool logical_and(bool a, bool b) { return a && b; }
TENON_DEVICE bool logical_or(bool a, bool b) { return a || b; }
TENON_DEVICE bool logical_xor(bool a, bool b) { return a != b; }
template <class T>
requires(!AnyVec<T>) TENON_DEVICE T where(bool c, T a, T b) { return c ? a : b; }

#define TENON_LANE_BY_LANE(op)                                \
  template <class... A>                                       \
  requires AnyVec<A...> TENON_DEVICE auto op(const A&... a) { \
    return map([](auto... e) { return op(e...); }, a...);     \
  }
TENON_LANE_BY_LANE(add)
TENON_LANE_BY_LANE(sub)
TENON_LANE_BY_LANE(mul)
TENON_LANE_BY_LANE(div)
TENON_LANE_BY_LANE(neg)
TENON_LANE_BY_LANE(pow)
TENON_LANE_BY_LANE(maximum)
TENON_LANE_BY_LANE(minimum)
TENON_LANE_BY_LANE(clamp)
TENON_LANE_BY_LANE(abs)
TENON_LANE_BY_LANE(sign)
TENON_LANE_BY_LANE(relu)
TENON_LANE_BY_LANE(exp)
TENON_LANE_BY_LANE(log)
TENON_LANE_BY_LANE(sqrt)
TENON_LANE_BY_LANE(rsqrt)
TENON_LANE_BY_LANE(reciprocal)
TENON_LANE_BY_LANE(erf)
TENON_LANE_BY_LANE(tanh)
TENON_LANE_BY_LANE(sin)
TENON_LANE_BY_LANE(cos)
TENON_LANE_BY_LANE(floor)
TENON_LANE_BY_LANE(ceil)
TENON_LANE_BY_LANE(round)
TENON_LANE_BY_LANE(sigmoid)
TENON_LANE_BY_LANE(silu)
TENON_LANE_BY_LANE(softplus)
TENON_LANE_BY_LANE(leaky_relu)
TENON_LANE_BY_LANE(gelu)
TENON_LANE_BY_LANE(gelu_tanh)
TENON_LANE_BY_LANE(div_approx)
TENON_LANE_BY_LANE(exp_approx)
TENON_LANE_BY_LANE(sqrt_approx)
TENON_LANE_BY_LANE(rsqrt_approx)
TENON_LANE_BY_LANE(reciprocal_approx)
TENON_LANE_BY_LANE(tanh_approx)
TENON_LANE_BY_LANE(sigmoid_approx)
TENON_LANE_BY_LANE(silu_approx)
TENON_LANE_BY_LANE(gelu_approx)
TENON_LANE_BY_LANE(gelu_tanh_approx)
TENON_LANE_BY_LANE(equal)
TENON_LANE_BY_LANE(less)
TENON_LANE_BY_LANE(less_equal)
TENON_LANE_BY_LANE(greater)
TENON_LANE_BY_LANE(greater_equal)
TENON_LANE_BY_LANE(logical_not)
TENON_LANE_BY_LANE(logical_and)
TENON_LANE_BY_LANE(logical_or)
TENON_LANE_BY_LANE(logical_xor)
TENON_LANE_BY_LANE(where)
#undef TENON_LANE_BY_LANE

// Operators, so that a body of floats reads as it is written; `/` is IEEE division.
template <class A, class B>
requires AnyVec<A, B> TENON_DEVICE auto operator+(const A& a, const B& b) { return add(a, b); }
template <class A, class B>
requires AnyVec<A, B> TENON_DEVICE auto operator-(const A& a, const B& b) { return sub(a, b); }
template <class A, class B>
requires AnyVec<A, B> TENON_DEVICE auto operator*(const A& a, const B& b) { return mul(a, b); }
template <class A, class B>
requires AnyVec<A, B> TENON_DEVICE auto operator/(const A& a, const B& b) { return div(a, b); }
template <class A>
requires AnyVec<A> TENON_DEVICE auto operator-(const A& a) { return neg(a); }

}  // namespace tenon
