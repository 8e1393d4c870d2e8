// lanes.h: a function of one lane's values made a handler for a whole warp: masks, poison and the CPU's vector
// units in one place.
//
// A lane function is a struct with one `R operator()(A...) const`. Its types name how a register holds them: 8 bytes a
// lane for 64-bit types, else 4 with narrow values zero-extended. It must be total: a full warp is computed in one loop
// that the compiler vectorises. It may have a constructor from `const Op&` (to read its form) or from
// `const Warp&, const Op&`.
#pragma once
#include <initializer_list>
#include <type_traits>
#include <utility>

#include "runtime/emulator/machine/warp.h"
#include "runtime/emulator/program/decoder.h"

// In front of a loop over lanes: a slot that is written is either another than those read, or the same one.
#if defined(__clang__)
// Which asks for vectors, and would warn wherever there are none to be had.
#pragma clang diagnostic ignored "-Wpass-failed"
#define TENON_EACH_LANE _Pragma("clang loop vectorize(assume_safety)")
#else
#define TENON_EACH_LANE _Pragma("GCC ivdep")
#endif

namespace tenon::emulator {

/// How a register holds a lane of T.
template <class T>
struct LaneOf {
  using Stored = uint32_t;
  static T load(uint32_t stored) { return static_cast<T>(stored); }
  static uint32_t store(T value) { return static_cast<std::make_unsigned_t<T>>(value); }
};
template <class T>
requires(sizeof(T) >= 4) struct LaneOf<T> {
  using Stored = T;
  static T load(T stored) { return stored; }
  static T store(T value) { return value; }
};

template <class F>
F make_lane_function(const Warp& warp, const Op& op) {
  if constexpr (std::is_constructible_v<F, const Warp&, const Op&>)
    return F(warp, op);
  else if constexpr (std::is_constructible_v<F, const Op&>)
    return F(op);
  else
    return F{};
}

template <class F, class R, class... A>
[[gnu::always_inline]] inline void map_lanes(const F& f, LaneMask active, typename LaneOf<R>::Stored* out,
                                             const typename LaneOf<A>::Stored*... in) {
  if (active == kAllLanes) {
    TENON_EACH_LANE
    for (int i = 0; i < kLanes; ++i) out[i] = LaneOf<R>::store(f(LaneOf<A>::load(in[i])...));
  } else {
    for (LaneMask left = active; left != 0; left &= left - 1) {
      int i = __builtin_ctz(left);
      out[i] = LaneOf<R>::store(f(LaneOf<A>::load(in[i])...));
    }
  }
}

/// Words: the result, then the sources in the order of the lane function's parameters.
template <class F>
struct LaneMap {
  [[gnu::always_inline]] static inline Outcome run(Warp& warp, const Op& op, LaneMask active) {
    return call(&F::operator(), warp, op, active);
  }

 private:
  template <class R, class... A>
  [[gnu::always_inline]] static inline Outcome call(R (F::*)(A...) const, Warp& warp, const Op& op,
                                                    LaneMask active) {
    return apply<R, A...>(std::index_sequence_for<A...>{}, warp, op, active);
  }
  template <class R, class... A, size_t... I>
  [[gnu::always_inline]] static inline Outcome apply(std::index_sequence<I...>, Warp& warp, const Op& op,
                                                     LaneMask active) {
    const int32_t* words = op.words;
    const Warp& reads = warp;
    map_lanes<F, R, A...>(make_lane_function<F>(warp, op), active,
                          warp.lanes<typename LaneOf<R>::Stored>(words[0]),
                          reads.lanes<typename LaneOf<A>::Stored>(words[I + 1])...);
    warp.set_poison(words[0], active, (reads.poison(words[I + 1]) | ...));
    return Outcome::kNext;
  }
};

// Under sanitizers there is one version, the plain one: so it is tested too.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TENON_ONE_VERSION
#endif
#endif
#if !defined(__x86_64__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TENON_ONE_VERSION
#endif

/// Whether this machine has the vector units that versioned() may use.
bool has_wide_vectors();

template <class Body, class R, class... A>
[[gnu::flatten]] R run_plain(A... arguments) {
  return Body::run(arguments...);
}
#if !defined(TENON_ONE_VERSION)
template <class Body, class R, class... A>
[[gnu::flatten, gnu::target("avx2,fma,bmi,bmi2,popcnt")]] R run_wide(A... arguments) {
  return Body::run(arguments...);
}
#endif
template <class Body, class R, class... A>
auto pick_version(R (*)(A...)) -> R (*)(A...) {
#if !defined(TENON_ONE_VERSION)
  if (has_wide_vectors()) return run_wide<Body, R, A...>;
#endif
  return run_plain<Body, R, A...>;
}
/// Body::run, compiled for AVX2 and FMA as well as for any machine: the one that this machine can run.
template <class Body>
auto versioned() {
  return pick_version<Body>(&Body::run);
}

/// The handler of a lane function.
template <class F>
Handler each_lane() {
  return versioned<LaneMap<F>>();
}

/// Decodes the operands of such an instruction, "op d, a, b, ..", and emits it.
inline void emit_lanes(Decoder& d, Handler handler, ptx::Type result,
                       std::initializer_list<ptx::Type> sources, OpClass kind, int flops = 0) {
  int count = static_cast<int>(sources.size());
  d.expect_operands(count + 1, count + 1);
  d.write(0, result);
  for (int i = 0; i < count; ++i) d.read(i + 1, sources.begin()[i]);
  d.emit(handler, kind, flops);
}

}  // namespace tenon::emulator
