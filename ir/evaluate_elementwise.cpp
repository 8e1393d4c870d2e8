// evaluate_elementwise.cpp: what the elementwise ops mean, element by element.
#include <cassert>
#include <cmath>
#include <limits>

#include "ir/evaluate_ops.h"

namespace tenon::evaluation {
namespace {

double sign(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }  // 1 + erf would cancel below -3
double gelu_tanh(double x) {
  double inner = std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x);
  return x / (1 + std::exp(-2 * inner));  // (1 + tanh(y)) / 2 is sigmoid(2y)
}
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double larger(double a, double b) { return a > b || std::isnan(a) ? a : b; }
double smaller(double a, double b) { return a < b || std::isnan(a) ? a : b; }

int64_t negate(int64_t x) { return static_cast<int64_t>(0 - static_cast<uint64_t>(x)); }
/// Truncates; by zero gives 0; the smallest value over -1 wraps.
int64_t quotient(int64_t a, int64_t b) { return b == 0 ? 0 : b == -1 ? negate(a) : a / b; }
/// Exact modulo 2^64; a negative exponent truncates 1 / a^n.
int64_t power(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  int64_t result = 1;
  for (; exponent > 0; exponent /= 2, base = mul(base, base))
    if (exponent % 2) result = mul(result, base);
  return result;
}

struct Elementwise {
  const Node& node;
  Operands operands;
  HostTensor result;

  /// result = f(a) or f(a, b), broadcast.
  template <class Out, class In, class F>
  void each(F f) {
    constexpr bool kBinary = std::is_invocable_v<F, In, In>;
    size_t rank = result.type.shape.size();
    const HostTensor &left = *operands[0], &right = *operands[kBinary ? 1 : 0];
    Extents extents = extents_of(result.type.shape);
    Extents strides[] = {row_major_strides(result.type.shape), broadcast_strides(left.type.shape, rank),
                         broadcast_strides(right.type.shape, rank)};
    int64_t length = rank ? extents.back() : 1, da = rank ? strides[1].back() : 0,
            db = rank ? strides[2].back() : 0;
    Out* out = elements<Out>(result).data();
    const In *a = elements<In>(left).data(), *b = elements<In>(right).data();
    for_each_run(extents, strides, [&](const int64_t* at) {
      for (int64_t i = 0; i < length; ++i) {
        if constexpr (kBinary)
          out[at[0] + i] = f(a[at[1] + i * da], b[at[2] + i * db]);
        else
          out[at[0] + i] = f(a[at[1] + i * da]);
      }
    });
  }

  template <class T>
  void choose();
  template <class T>
  bool compare();
  void cast();
  void reals();
  void integers();
};

template <class T>
void Elementwise::choose() {
  size_t rank = result.type.shape.size();
  Extents extents = extents_of(result.type.shape), strides[4] = {row_major_strides(result.type.shape)};
  for (int i = 0; i < 3; ++i) strides[i + 1] = broadcast_strides(operands[i]->type.shape, rank);
  auto step = [&](int i) { return rank ? strides[i].back() : 0; };
  int64_t length = rank ? extents.back() : 1, dc = step(1), da = step(2), db = step(3);
  const double* condition = operands[0]->reals.data();
  const T *a = elements<T>(*operands[1]).data(), *b = elements<T>(*operands[2]).data();
  T* out = elements<T>(result).data();
  for_each_run(extents, strides, [&](const int64_t* at) {
    for (int64_t i = 0; i < length; ++i)
      out[at[0] + i] = condition[at[1] + i * dc] != 0 ? a[at[2] + i * da] : b[at[3] + i * db];
  });
}

template <class T>
bool Elementwise::compare() {
  switch (node.op()) {
    case Op::kEqual: return each<double, T>([](T a, T b) { return a == b; }), true;
    case Op::kLess: return each<double, T>([](T a, T b) { return a < b; }), true;
    case Op::kLessEqual: return each<double, T>([](T a, T b) { return a <= b; }), true;
    case Op::kGreater: return each<double, T>([](T a, T b) { return a > b; }), true;
    case Op::kGreaterEqual: return each<double, T>([](T a, T b) { return a >= b; }), true;
    default: return false;
  }
}

void Elementwise::cast() {
  DType to = result.type.dtype;
  const HostTensor& from = *operands[0];
  if (from.integral() && result.integral()) {
    result.integers = from.integers;
    wrap(result);
  } else if (result.integral()) {
    each<int64_t, double>([to](double x) { return to_integer(to, x); });
  } else if (from.integral()) {
    each<double, int64_t>([to](int64_t x) { return round_to(to, static_cast<double>(x)); });
  } else {
    each<double, double>([to](double x) { return round_to(to, x); });
  }
}

// One case an op: longer than a function should be, and read like a table.
void Elementwise::reals() {
  using D = double;
  D slope = node.attributes.number("slope", 0.01);
  switch (node.op()) {
    case Op::kNeg: return each<D, D>([](D x) { return -x; });
    case Op::kAbs: return each<D, D>([](D x) { return std::fabs(x); });
    case Op::kSign: return each<D, D>(sign);
    case Op::kExp: return each<D, D>([](D x) { return std::exp(x); });
    case Op::kLog: return each<D, D>([](D x) { return std::log(x); });
    case Op::kSqrt: return each<D, D>([](D x) { return std::sqrt(x); });
    case Op::kRsqrt: return each<D, D>([](D x) { return 1 / std::sqrt(x); });
    case Op::kReciprocal: return each<D, D>([](D x) { return 1 / x; });
    case Op::kErf: return each<D, D>([](D x) { return std::erf(x); });
    case Op::kTanh: return each<D, D>([](D x) { return std::tanh(x); });
    case Op::kSigmoid: return each<D, D>(sigmoid);
    case Op::kRelu: return each<D, D>([](D x) { return x < 0 ? 0 : x; });
    case Op::kSilu: return each<D, D>([](D x) { return x / (1 + std::exp(-x)); });
    case Op::kGelu: return each<D, D>(gelu);
    case Op::kGeluTanh: return each<D, D>(gelu_tanh);
    case Op::kSin: return each<D, D>([](D x) { return std::sin(x); });
    case Op::kCos: return each<D, D>([](D x) { return std::cos(x); });
    case Op::kFloor: return each<D, D>([](D x) { return std::floor(x); });
    case Op::kCeil: return each<D, D>([](D x) { return std::ceil(x); });
    case Op::kRound: return each<D, D>([](D x) { return std::nearbyint(x); });
    case Op::kNot: return each<D, D>([](D x) { return x == 0; });
    case Op::kSoftplus: return each<D, D>(softplus);
    case Op::kLeakyRelu: return each<D, D>([slope](D x) { return x < 0 ? slope * x : x; });
    case Op::kAdd: return each<D, D>([](D a, D b) { return a + b; });
    case Op::kSub: return each<D, D>([](D a, D b) { return a - b; });
    case Op::kMul: return each<D, D>([](D a, D b) { return a * b; });
    case Op::kDiv: return each<D, D>([](D a, D b) { return a / b; });
    case Op::kPow: return each<D, D>([](D a, D b) { return std::pow(a, b); });
    case Op::kMaximum: return each<D, D>(larger);
    case Op::kMinimum: return each<D, D>(smaller);
    case Op::kAnd: return each<D, D>([](D a, D b) { return a != 0 && b != 0; });
    case Op::kOr: return each<D, D>([](D a, D b) { return a != 0 || b != 0; });
    case Op::kXor: return each<D, D>([](D a, D b) { return (a != 0) != (b != 0); });
    default: assert(false && "an elementwise op without a meaning");
  }
}

void Elementwise::integers() {
  using I = int64_t;
  switch (node.op()) {
    case Op::kNeg: return each<I, I>(negate);
    case Op::kAbs: return each<I, I>([](I x) { return x < 0 ? negate(x) : x; });
    case Op::kSign: return each<I, I>([](I x) { return I{x > 0} - I{x < 0}; });
    case Op::kRelu: return each<I, I>([](I x) { return x < 0 ? 0 : x; });
    case Op::kFloor:
    case Op::kCeil:
    case Op::kRound: return each<I, I>([](I x) { return x; });
    case Op::kAdd: return each<I, I>(add<I>);
    case Op::kSub: return each<I, I>([](I a, I b) { return add(a, negate(b)); });
    case Op::kMul: return each<I, I>(mul<I>);
    case Op::kDiv: return each<I, I>(quotient);
    case Op::kPow: return each<I, I>(power);
    case Op::kMaximum: return each<I, I>([](I a, I b) { return a > b ? a : b; });
    case Op::kMinimum: return each<I, I>([](I a, I b) { return a < b ? a : b; });
    default: assert(false && "an elementwise op without a meaning for integers");
  }
}

}  // namespace

HostTensor elementwise(const Node& node, Operands operands) {
  Elementwise work{node, operands, HostTensor::zeros(node.type())};
  bool integral = operands.back()->integral();
  if (node.op() == Op::kCast) {
    work.cast();
  } else if (node.op() == Op::kWhere) {
    integral ? work.choose<int64_t>() : work.choose<double>();
  } else if (is_comparison(node.op())) {
    integral ? work.compare<int64_t>() : work.compare<double>();
  } else if (integral) {
    work.integers();
    wrap(work.result);
  } else {
    work.reals();
  }
  return std::move(work.result);
}

}  // namespace tenon::evaluation
