// Scalars and small vectors of device code: the storage types bf16, f16, f8e4m3 and f8e5m2, the fixed-width integers, Vec<T,
// N>, and `cast` with the language's conversion rules. Arithmetic on the 16-bit types happens in float; they
// only rest in memory. Needs no toolkit header.
#pragma once
#include "templates/ptx/convert.cuh"

#define TENON_DEVICE __device__ __forceinline__

namespace tenon {

using i8 = signed char;
using u8 = unsigned char;
using u16 = unsigned short;
using i32 = int;
using u32 = unsigned int;
using i64 = long long;
using u64 = unsigned long long;

struct bf16 {
  u16 bits;
};
struct f16 {
  u16 bits;
};
struct f8e4m3 {
  u8 bits;
};
struct f8e5m2 {
  u8 bits;
};

template <class A, class B>
struct SameTypes {
  enum { kValue = false };
};
template <class A>
struct SameTypes<A, A> {
  enum { kValue = true };
};
template <class A, class B>
concept kSame = bool(SameTypes<A, B>::kValue);  // concepts, unlike variables, leave nothing in the PTX
template <class T>
concept Integer =
    kSame<T, i8> || kSame<T, u8> || kSame<T, i32> || kSame<T, u32> || kSame<T, i64> || kSame<T, u64>;
template <class T>
concept Storage16 = kSame<T, bf16> || kSame<T, f16>;
template <class T>
concept Storage8 = kSame<T, f8e4m3> || kSame<T, f8e5m2>;
template <class T>
concept NarrowFloat = Storage16<T> || Storage8<T>;

// What a stored T is computed in.
template <class T>
struct ComputeOf {
  using Type = T;
};
template <NarrowFloat T>
struct ComputeOf<T> {
  using Type = float;
};
template <class T>
using Compute = typename ComputeOf<T>::Type;

constexpr int vec_alignment(int bytes) {
  return bytes % 16 == 0 ? 16 : bytes % 8 == 0 ? 8 : bytes % 4 == 0 ? 4 : bytes % 2 == 0 ? 2 : 1;
}

// N elements in registers. Indexed only by unrolled loops: an index known at run time would send it to local
// memory.
template <class T, int N>
struct alignas(vec_alignment(sizeof(T) * N)) Vec {
  T lane[N];
  TENON_DEVICE T& operator[](int i) { return lane[i]; }
  TENON_DEVICE const T& operator[](int i) const { return lane[i]; }
};

template <class T>
struct LanesOf {
  enum { kCount = 0 };  // a scalar: the same for every lane
  using Element = T;
};
template <class T, int N>
struct LanesOf<Vec<T, N>> {
  enum { kCount = N };
  using Element = T;
};
template <class... A>
concept AnyVec = ((LanesOf<A>::kCount > 0) || ...);

template <class T>
TENON_DEVICE T lane_of(const T& scalar, int) {
  return scalar;
}
template <class T, int N>
TENON_DEVICE T lane_of(const Vec<T, N>& v, int i) {
  return v[i];
}

template <int N, class T>
TENON_DEVICE Vec<T, N> splat(T value) {
  Vec<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) r[i] = value;
  return r;
}

// first, first + step, ...
template <int N, class T>
TENON_DEVICE Vec<T, N> counting(T first, T step) {
  Vec<T, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) r[i] = first + T(i) * step;
  return r;
}

// f applied lane by lane; scalar arguments serve every lane.
template <class F, class... A>
requires AnyVec<A...> TENON_DEVICE auto map(F f, const A&... a) {
  constexpr int kCounts[] = {LanesOf<A>::kCount...};
  constexpr int kLanes = [&kCounts] {
    int most = 0;
    for (int count : kCounts) most = count > most ? count : most;
    return most;
  }();
  static_assert(((LanesOf<A>::kCount == 0 || LanesOf<A>::kCount == kLanes) && ...),
                "vectors of different lengths");
  Vec<decltype(f(lane_of(a, 0)...)), kLanes> r;
#pragma unroll
  for (int i = 0; i < kLanes; ++i) r[i] = f(lane_of(a, i)...);
  return r;
}

static constexpr float kInfinity = __builtin_bit_cast(float, 0x7f800000u);
static constexpr float kNaN = __builtin_bit_cast(float, 0x7fffffffu);

TENON_DEVICE bool is_nan(float x) { return x != x; }

template <Integer T>
TENON_DEVICE constexpr T largest() {
  if constexpr (T(-1) > T(0))
    return T(-1);
  else
    return T((u64(1) << (8 * sizeof(T) - 1)) - 1);
}
template <Integer T>
TENON_DEVICE constexpr T smallest() {
  if constexpr (T(-1) > T(0))
    return 0;
  else
    return T(-largest<T>() - 1);
}

// Float to integer truncates and saturates; NaN becomes 0.
template <Integer T>
TENON_DEVICE T saturating_truncate(float x) {
  constexpr float kBelow = float(smallest<T>());  // exact: a power of two, or 0
  constexpr float kAbove = 2.0f * float(T(1) << (8 * sizeof(T) - 2)) * (smallest<T>() == 0 ? 2.0f : 1.0f);
  if (is_nan(x)) return 0;
  if (x <= kBelow) return smallest<T>();
  if (x >= kAbove) return largest<T>();
  return T(x);
}

// The bits of an f8e4m3 moved to those of a float are the value times 2^-120, subnormals too.
TENON_DEVICE float float_from_e4m3(u8 bits) {
  const u32 sign = u32(bits & 0x80) << 24, magnitude = bits & 0x7f;
  const float value = magnitude == 0x7f ? kNaN : __builtin_bit_cast(float, magnitude << 20) * 0x1p120f;
  return __builtin_bit_cast(float, sign | __builtin_bit_cast(u32, value));
}

// Two values of To, to nearest even; `low` in the lower half of the word.
template <NarrowFloat To>
TENON_DEVICE u32 pair_from_floats(float low, float high) {
  if constexpr (kSame<To, bf16>)
    return ptx::bf16x2_from_floats(low, high);
  else if constexpr (kSame<To, f16>)
    return ptx::f16x2_from_floats(low, high);
  else if constexpr (kSame<To, f8e4m3>)
    return ptx::e4m3x2_from_floats(low, high);
  else
    return ptx::e5m2x2_from_floats(low, high);
}

// The language's cast: to bool is x != 0 (NaN is true), float to integer saturates, integers wrap, float to
// 16 bits rounds to nearest even, to 8 bits too, and saturates.
template <class To, class From>
requires(!AnyVec<From>) TENON_DEVICE To cast(From x) {
  if constexpr (kSame<To, From>)
    return x;
  else if constexpr (kSame<From, bf16>)
    return cast<To>(__builtin_bit_cast(float, u32(x.bits) << 16));
  else if constexpr (kSame<From, f16>)
    return cast<To>(ptx::float_from_f16(x.bits));
  else if constexpr (kSame<From, f8e4m3>)
    return cast<To>(float_from_e4m3(x.bits));
  else if constexpr (kSame<From, f8e5m2>)  // the upper half of an f16
    return cast<To>(ptx::float_from_f16(u16(x.bits << 8)));
  else if constexpr (kSame<To, bool>)
    return x != From(0);
  else if constexpr (kSame<To, bf16>)
    return bf16{ptx::bf16_from_float(cast<float>(x))};
  else if constexpr (kSame<To, f16>)
    return f16{ptx::f16_from_float(cast<float>(x))};
  else if constexpr (Storage8<To>)
    return To{u8(pair_from_floats<To>(cast<float>(x), 0.0f))};
  else if constexpr (kSame<From, float> && Integer<To>)
    return saturating_truncate<To>(x);
  else
    return static_cast<To>(x);
}

template <class To, class From, int N>
TENON_DEVICE Vec<To, N> cast(const Vec<From, N>& v) {
  if constexpr (NarrowFloat<To> && N % 2 == 0 && !kSame<To, From>) {  // two at a time: one instruction a pair
    using Bits = decltype(To::bits);
    Vec<To, N> r;
#pragma unroll
    for (int i = 0; i < N; i += 2) {
      const u32 pair = pair_from_floats<To>(cast<float>(v[i]), cast<float>(v[i + 1]));
      r[i] = To{Bits(pair)};
      r[i + 1] = To{Bits(pair >> (8 * sizeof(Bits)))};
    }
    return r;
  } else {
    return map([](From x) { return cast<To>(x); }, v);
  }
}

// A stored value as the type that it is computed in: narrow floats become float, all else stays.
template <class T>
TENON_DEVICE Compute<T> widen(T x) {
  return cast<Compute<T>>(x);
}
template <class T, int N>
TENON_DEVICE Vec<Compute<T>, N> widen(const Vec<T, N>& v) {
  return cast<Compute<T>>(v);
}

// The value that would be read back had x been stored as T: the rounding point of an explicit cast.
template <NarrowFloat T, class X>
TENON_DEVICE X round_to(const X& x) {
  return cast<float>(cast<T>(x));
}

// A gathered index: negative ones count from the end; outside, the nearest element is meant.
template <class Index, class Id>
TENON_DEVICE Index wrap_index(Id id, Index extent) {
  const i64 place = i64(id) < 0 ? i64(id) + extent : i64(id);
  return Index(place < 0 ? 0 : place >= extent ? extent - 1 : place);
}

}  // namespace tenon
