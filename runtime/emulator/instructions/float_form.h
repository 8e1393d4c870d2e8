// float_form.h: the modifiers that float instructions share, as decoded, and what lane functions do about them.
#pragma once
#include <optional>

#include "runtime/emulator/instructions/float_formats.h"
#include "runtime/emulator/program/decoder.h"

namespace tenon::emulator {

struct FloatForm {
  Rounding rounding = Rounding::kNearest;
  bool flush = false, saturate = false, relu = false;
  bool nan = false, absolute = false, xor_sign = false;  ///< of min and max
};

/// .rn .rz .rm .rp; nothing where none is there.
std::optional<Rounding> accept_rounding(Decoder& d);
[[noreturn]] void fail_type(const Decoder& d, ptx::Type type);

/// A lane function that reads its instruction's form.
struct FloatFormed {
  explicit FloatFormed(const Op& op) : form(*static_cast<const FloatForm*>(op.form)) {}
  FloatForm form;

  float in(float value) const { return form.flush ? flush(value) : value; }
  double in(double value) const { return value; }
  float out(float value) const {
    value = form.flush ? flush(value) : value;
    return form.saturate ? saturate(value) : value;
  }
  double out(double value) const { return value; }
};

/// Likewise of f16 or bf16: it computes in f32.
template <class T>
struct SmallFormed {
  explicit SmallFormed(const Op& op) : form(*static_cast<const FloatForm*>(op.form)) {}
  FloatForm form;

  float in(T value) const { return to_float(form.flush ? flush(value) : value); }
  T out(float value) const {
    value = form.saturate ? saturate(value) : form.relu ? relu(value) : value;
    T rounded = from_float<T>(value);
    return form.flush ? flush_tiny(rounded, value) : rounded;
  }
};

/// A lane function of T, on both halves of a register.
template <class T, class F>
struct Packed1 {
  explicit Packed1(const Op& op) : f(op) {}
  F f;
  Pair<T> operator()(Pair<T> a) const { return Pair<T>::of(f(a.low()), f(a.high())); }
};
template <class T, class F>
struct Packed2 {
  explicit Packed2(const Op& op) : f(op) {}
  F f;
  Pair<T> operator()(Pair<T> a, Pair<T> b) const {
    return Pair<T>::of(f(a.low(), b.low()), f(a.high(), b.high()));
  }
};
template <class T, class F>
struct Packed3 {
  explicit Packed3(const Op& op) : f(op) {}
  F f;
  Pair<T> operator()(Pair<T> a, Pair<T> b, Pair<T> c) const {
    return Pair<T>::of(f(a.low(), b.low(), c.low()), f(a.high(), b.high(), c.high()));
  }
};

}  // namespace tenon::emulator
