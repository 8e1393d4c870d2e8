// Rotary positions of neighbouring elements of a head: pairs of elements turn by an angle. `scale` multiplies
// cosine and sine. The _approx forms are for results that bf16 or f16 rounds anyway.
#pragma once
#include "templates/elementwise.cuh"

namespace tenon {

struct Turn {
  float cosine, sine;
};

TENON_DEVICE Turn turn(float angle, float scale) { return {::cosf(angle) * scale, ::sinf(angle) * scale}; }

// Whole turns are taken off in two steps, since sin.approx is accurate for small angles alone.
TENON_DEVICE Turn turn_approx(float angle, float scale) {
  constexpr float kTurn = 6.28318548202514648f, kTurnRest = -1.74845553e-7f;
  const float turns = ::rintf(angle * 0.159154943f);
  const float rest = ::fmaf(-turns, kTurnRest, ::fmaf(-turns, kTurn, angle));
  return {ptx::cos_approx(rest) * scale, ptx::sin_approx(rest) * scale};
}

template <auto kTurn, int N>
TENON_DEVICE Vec<float, N> rotate_halves_by(const Vec<float, N>& x, const Vec<float, N>& partner,
                                            const Vec<float, N>& angle, bool upper, float scale) {
  Vec<float, N> r;
#pragma unroll
  for (int i = 0; i < N; ++i) {
    const Turn t = kTurn(angle[i], scale);
    r[i] = x[i] * t.cosine + (upper ? partner[i] : -partner[i]) * t.sine;
  }
  return r;
}

// Element i turns with element i + d/2: `partner` holds those, `upper` tells which half x is of.
template <int N>
TENON_DEVICE Vec<float, N> rotate_halves(const Vec<float, N>& x, const Vec<float, N>& partner,
                                         const Vec<float, N>& angle, bool upper, float scale) {
  return rotate_halves_by<turn>(x, partner, angle, upper, scale);
}
template <int N>
TENON_DEVICE Vec<float, N> rotate_halves_approx(const Vec<float, N>& x, const Vec<float, N>& partner,
                                                const Vec<float, N>& angle, bool upper, float scale) {
  return rotate_halves_by<turn_approx>(x, partner, angle, upper, scale);
}

template <auto kTurn, int N>
TENON_DEVICE Vec<float, N> rotate_pairs_by(const Vec<float, N>& x, const Vec<float, N / 2>& angle,
                                           float scale) {
  Vec<float, N> r;
#pragma unroll
  for (int i = 0; i < N; i += 2) {
    const Turn t = kTurn(angle[i / 2], scale);
    r[i] = x[i] * t.cosine - x[i + 1] * t.sine;
    r[i + 1] = x[i + 1] * t.cosine + x[i] * t.sine;
  }
  return r;
}

// Elements 2i and 2i + 1 turn together.
template <int N>
TENON_DEVICE Vec<float, N> rotate_pairs(const Vec<float, N>& x, const Vec<float, N / 2>& angle, float scale) {
  return rotate_pairs_by<turn>(x, angle, scale);
}
template <int N>
TENON_DEVICE Vec<float, N> rotate_pairs_approx(const Vec<float, N>& x, const Vec<float, N / 2>& angle,
                                               float scale) {
  return rotate_pairs_by<turn_approx>(x, angle, scale);
}

}  // namespace tenon
