// evaluate_test.cpp: the evaluator against values computed by hand: at least one case for each row of
// ops.def.
#include "ir/evaluate.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "ir/builder.h"
#include "ir/diagnostics.h"
#include "ir/philox.h"
#include "ir/verify.h"
#include "llvm/ADT/STLExtras.h"

using namespace tenon;

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
using Numbers = std::vector<double>;

HostTensor tensor(DType dtype, Shape shape, const Numbers& values) {
  HostTensor result = HostTensor::zeros({dtype, std::move(shape)});
  REQUIRE(static_cast<int64_t>(values.size()) == result.type.elements());
  for (size_t i = 0; i < values.size(); ++i)
    if (result.integral())
      result.integers[i] = static_cast<int64_t>(values[i]);
    else
      result.reals[i] = values[i];
  return result;
}
HostTensor f32(Shape shape, const Numbers& values) { return tensor(DType::kF32, std::move(shape), values); }
HostTensor f32(const Numbers& values) { return f32({static_cast<int64_t>(values.size())}, values); }
HostTensor i32(Shape shape, const Numbers& values) { return tensor(DType::kI32, std::move(shape), values); }
HostTensor i32(const Numbers& values) { return i32({static_cast<int64_t>(values.size())}, values); }
HostTensor i8(Shape shape, const Numbers& values) { return tensor(DType::kI8, std::move(shape), values); }
HostTensor i64(const Numbers& values) {
  return tensor(DType::kI64, {static_cast<int64_t>(values.size())}, values);
}
HostTensor truth(const Numbers& values) {
  return tensor(DType::kBool, {static_cast<int64_t>(values.size())}, values);
}

Evaluation run(Op op, const std::vector<HostTensor>& operands, Attributes attributes = {},
               const Type* given = nullptr, Rounding rounding = Rounding::kNone) {
  Graph graph;
  Builder builder(graph);
  std::vector<Value*> inputs;
  for (size_t i = 0; i < operands.size(); ++i)
    inputs.push_back(builder.source(Op::kInput, "x" + std::to_string(i), operands[i].type));
  Node* node = builder.make_node(op, inputs, std::move(attributes), given);
  for (int i = 0; i < node->result_count(); ++i) graph.add_output("y", node->result(i));
  REQUIRE(verify(graph) == "");
  auto source = [&](const Node& input) {
    return operands[input.attributes.string("name").drop_front().front() - '0'];
  };
  return evaluate(graph, source, rounding);
}

void check_equal(const HostTensor& found, const Numbers& expected) {
  REQUIRE(found.type.elements() == static_cast<int64_t>(expected.size()));
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    if (std::isnan(expected[i]))
      CHECK(std::isnan(found.at(i)));
    else if (std::isinf(expected[i]))
      CHECK(found.at(i) == expected[i]);
    else
      CHECK(found.at(i) == doctest::Approx(expected[i]).epsilon(1e-12));
  }
}

/// One op on small operands and what its results must be.
struct Case {
  Op op;
  std::vector<HostTensor> operands;
  Attributes attributes;
  std::vector<Numbers> expected;
  std::vector<Type> given = {};
};

std::vector<Case> pointwise_cases() {
  Numbers x = {-1, 0, 2};
  return {
      {Op::kNeg, {f32(x)}, {}, {{1, 0, -2}}},
      {Op::kNeg, {i32({5, -2147483648.0})}, {}, {{-5, -2147483648.0}}},
      {Op::kAbs, {f32({-1.5, kNan})}, {}, {{1.5, kNan}}},
      {Op::kAbs, {i32({-7, 7})}, {}, {{7, 7}}},
      {Op::kSign, {f32({-3, 0, 9, kNan})}, {}, {{-1, 0, 1, kNan}}},
      {Op::kSign, {i32(x)}, {}, {{-1, 0, 1}}},
      {Op::kExp, {f32({0, 1, -kInf})}, {}, {{1, 2.718281828459045, 0}}},
      {Op::kLog, {f32({1, 0, -1})}, {}, {{0, -kInf, kNan}}},
      {Op::kSqrt, {f32({4, 2})}, {}, {{2, 1.4142135623730951}}},
      {Op::kRsqrt, {f32({4, 0})}, {}, {{0.5, kInf}}},
      {Op::kReciprocal, {f32({4, -0.5})}, {}, {{0.25, -2}}},
      {Op::kErf, {f32({0, 1})}, {}, {{0, 0.8427007929497149}}},
      {Op::kTanh, {f32({0, 1})}, {}, {{0, 0.7615941559557649}}},
      {Op::kSigmoid, {f32({0, 1, -1000})}, {}, {{0.5, 0.7310585786300049, 0}}},
      {Op::kRelu, {f32({-1, 2, kNan})}, {}, {{0, 2, kNan}}},
      {Op::kRelu, {i32(x)}, {}, {{0, 0, 2}}},
      {Op::kSilu, {f32({0, 1})}, {}, {{0, 0.7310585786300049}}},
      {Op::kGelu, {f32({-1, 0, 1})}, {}, {{-0.15865525393145707, 0, 0.8413447460685429}}},
      {Op::kGeluTanh, {f32({-1, 0, 1})}, {}, {{-0.15880800939172324, 0, 0.8411919906082768}}},
      {Op::kSin, {f32({0, 1})}, {}, {{0, 0.8414709848078965}}},
      {Op::kCos, {f32({0, 1})}, {}, {{1, 0.5403023058681398}}},
      {Op::kFloor, {f32({-1.5, 1.5})}, {}, {{-2, 1}}},
      {Op::kCeil, {f32({-1.5, 1.5})}, {}, {{-1, 2}}},
      {Op::kRound, {f32({0.5, 1.5, -2.5, 2.6})}, {}, {{0, 2, -2, 3}}},
      {Op::kFloor, {i32(x)}, {}, {x}},
      {Op::kNot, {truth({0, 1})}, {}, {{1, 0}}},
      {Op::kSoftplus, {f32({0, 1000, -1000})}, {}, {{0.6931471805599453, 1000, 0}}},
      {Op::kLeakyRelu, {f32({-2, 3})}, {{"slope", 0.1}}, {{-0.2, 3}}},
      {Op::kAdd, {f32({1, 2}), f32({}, {10})}, {}, {{11, 12}}},
      {Op::kAdd, {i32({2147483647}), i32({1})}, {}, {{-2147483648.0}}},
      {Op::kAdd, {f32({2, 1}, {1, 2}), f32({1, 3}, {10, 20, 30})}, {}, {{11, 21, 31, 12, 22, 32}}},
      {Op::kAdd, {f32({0}, {}), f32({1}, {1})}, {}, {{}}},
      {Op::kSub, {f32({1, 2}), f32({4, 8})}, {}, {{-3, -6}}},
      {Op::kSub, {i32({-2147483648.0}), i32({1})}, {}, {{2147483647}}},
      {Op::kMul, {f32({3, kInf}), f32({4, 0})}, {}, {{12, kNan}}},
      {Op::kMul, {i32({65536}), i32({65537})}, {}, {{65536}}},
      {Op::kDiv, {f32({1, 1, 0}), f32({4, 0, 0})}, {}, {{0.25, kInf, kNan}}},
      {Op::kDiv, {i32({7, -7, 5, -2147483648.0}), i32({2, 2, 0, -1})}, {}, {{3, -3, 0, -2147483648.0}}},
      {Op::kPow, {f32({2, 9, -8}), f32({10, 0.5, 3})}, {}, {{1024, 3, -512}}},
      {Op::kPow,
       {i32({3, 2, -1, 2, 7}), i32({19, 31, -3, -1, 0})},
       {},
       {{1162261467, -2147483648.0, -1, 0, 1}}},
      {Op::kMaximum, {f32({1, kNan, 1}), f32({2, 1, kNan})}, {}, {{2, kNan, kNan}}},
      {Op::kMaximum, {i32({1, 5}), i32({2, 4})}, {}, {{2, 5}}},
      {Op::kMinimum, {f32({1, kNan, 1}), f32({2, 1, kNan})}, {}, {{1, kNan, kNan}}},
      {Op::kMinimum, {i32({1, 5}), i32({2, 4})}, {}, {{1, 4}}},
      {Op::kEqual, {f32({1, kNan}), f32({1, kNan})}, {}, {{1, 0}}},
      {Op::kLess, {f32({1, 2, kNan}), f32({2, 2, 2})}, {}, {{1, 0, 0}}},
      {Op::kLess, {i32({1, 2}), i32({2, 2})}, {}, {{1, 0}}},
      {Op::kLessEqual, {f32({1, 2, 3}), f32({2, 2, 2})}, {}, {{1, 1, 0}}},
      {Op::kGreater, {f32({1, 2, 3}), f32({2, 2, 2})}, {}, {{0, 0, 1}}},
      {Op::kGreaterEqual, {f32({1, 2, 3}), f32({2, 2, 2})}, {}, {{0, 1, 1}}},
      {Op::kAnd, {truth({0, 0, 1, 1}), truth({0, 1, 0, 1})}, {}, {{0, 0, 0, 1}}},
      {Op::kOr, {truth({0, 0, 1, 1}), truth({0, 1, 0, 1})}, {}, {{0, 1, 1, 1}}},
      {Op::kXor, {truth({0, 0, 1, 1}), truth({0, 1, 0, 1})}, {}, {{0, 1, 1, 0}}},
      {Op::kWhere, {truth({1, 0}), f32({1, 2}), f32({1}, {9})}, {}, {{1, 9}}},
      {Op::kWhere, {truth({1, 0}), i32({1, 2}), i32({}, {9})}, {}, {{1, 9}}},
  };
}

std::vector<Case> cast_cases() {
  Type to_i32{DType::kI32, {}}, to_i8{DType::kI8, {}}, to_bool{DType::kBool, {}}, to_bf16{DType::kBF16, {}};
  Type to_i64{DType::kI64, {}}, to_f32{DType::kF32, {}};
  return {
      {Op::kCast, {f32({1.9, -1.9, 3e9, kNan})}, {}, {{1, -1, 2147483647, 0}}, {to_i32}},
      {Op::kCast, {f32({1e30, -kInf})}, {}, {{9223372036854775807.0, -9223372036854775808.0}}, {to_i64}},
      {Op::kCast, {f32({0, 0.5, kNan})}, {}, {{0, 1, 1}}, {to_bool}},
      {Op::kCast, {i32({300, -129})}, {}, {{44, 127}}, {to_i8}},
      {Op::kCast, {i32({0, -3})}, {}, {{0, 1}}, {to_bool}},
      {Op::kCast, {truth({0, 1})}, {}, {{0, 1}}, {to_f32}},
      {Op::kCast,
       {f32({1.00390625, 1.01171875, 3.4e38})},
       {},
       {{1, 1.015625, kInf}},
       {to_bf16}},  // ties to even
  };
}

std::vector<Case> row_cases() {
  HostTensor x = f32({2, 3}, {1, 5, 3, 4, 2, 6}), empty = f32({2, 0}, {});
  Shape last = {-1}, first = {0}, both = {0, 1};
  double e = std::exp(1.0);
  return {
      {Op::kSum, {x}, {{"axes", last}}, {{9, 12}}},
      {Op::kSum, {x}, {{"axes", first}, {"keepdims", true}}, {{5, 7, 9}}},
      {Op::kSum, {x}, {{"axes", both}}, {{21}}},
      {Op::kSum, {i32({2147483647, 1})}, {{"axes", last}}, {{-2147483648.0}}},
      {Op::kSum, {empty}, {{"axes", last}}, {{0, 0}}},
      {Op::kMean, {x}, {{"axes", last}}, {{3, 4}}},
      {Op::kMean, {i32({-3, -4})}, {{"axes", last}}, {{-3}}},
      {Op::kMean, {empty}, {{"axes", last}}, {{kNan, kNan}}},
      {Op::kMax, {x}, {{"axes", first}}, {{4, 5, 6}}},
      {Op::kMax, {f32({1, kNan, 3})}, {{"axes", last}}, {{kNan}}},
      {Op::kMax, {empty}, {{"axes", last}}, {{-kInf, -kInf}}},
      {Op::kMin, {x}, {{"axes", first}}, {{1, 2, 3}}},
      {Op::kMin, {f32({1, kNan, -3})}, {{"axes", last}}, {{kNan}}},
      {Op::kMin, {empty}, {{"axes", last}}, {{kInf, kInf}}},
      {Op::kProd, {x}, {{"axes", last}}, {{15, 48}}},
      {Op::kProd, {empty}, {{"axes", last}}, {{1, 1}}},
      {Op::kArgmax, {f32({2, 3}, {1, 7, 7, 9, 2, 6})}, {{"axes", last}}, {{1, 0}}},
      {Op::kArgmax, {f32({3, kNan, 9})}, {{"axes", last}}, {{1}}},
      {Op::kSoftmax, {f32({0, 1})}, {{"axis", Dim(-1)}}, {{1 / (1 + e), e / (1 + e)}}},
      {Op::kSoftmax,
       {f32({2, 2}, {0, 1000, 1, 1001})},
       {{"axis", Dim(0)}},
       {{1 / (1 + e), 1 / (1 + e), e / (1 + e), e / (1 + e)}}},
      {Op::kSoftmax, {f32({-kInf, -kInf})}, {{"axis", Dim(-1)}}, {{kNan, kNan}}},
      {Op::kLogSoftmax, {f32({0, 1})}, {{"axis", Dim(-1)}}, {{-std::log(1 + e), 1 - std::log(1 + e)}}},
      {Op::kLayernorm, {f32({1, 2}, {1, 3})}, {{"axis", Dim(-1)}, {"eps", 3.0}}, {{-0.5, 0.5}}},
      {Op::kLayernorm,
       {f32({1, 2}, {1, 3}), f32({2, 4}), f32({10, 20})},
       {{"axis", Dim(-1)}, {"eps", 3.0}, {"weight", true}, {"bias", true}},
       {{9, 22}}},
      {Op::kLayernorm, {f32({1, 2}, {1, 3}), f32({10, 20})}, {{"eps", 3.0}, {"bias", true}}, {{9.5, 20.5}}},
      {Op::kLayernorm, {f32({1, 2, 1}, {1, 3})}, {{"axis", Dim(1)}, {"eps", 3.0}}, {{-0.5, 0.5}}},
      {Op::kRmsnorm, {f32({1, 2}, {1, 7})}, {{"axis", Dim(-1)}, {"eps", 0.0}}, {{0.2, 1.4}}},
      {Op::kRmsnorm, {f32({1, 2}, {1, 7}), f32({10, 1})}, {{"eps", 0.0}, {"weight", true}}, {{2, 1.4}}},
      {Op::kMoments, {f32({1, 2}, {1, 3})}, {{"eps", 3.0}}, {{2}, {0.5}}},
      {Op::kMoments, {f32({1, 2}, {1, 7})}, {{"eps", 0.0}, {"rms", true}}, {{0}, {0.2}}},
      {Op::kCumsum, {x}, {{"axis", Dim(-1)}}, {{1, 6, 9, 4, 6, 12}}},
      {Op::kCumsum, {x}, {{"axis", Dim(0)}}, {{1, 5, 3, 5, 7, 9}}},
      {Op::kCumsum, {i32({1, 2, 3})}, {{"axis", Dim(0)}}, {{1, 3, 6}}},
      {Op::kTopk, {f32({3, 9, 3, 1})}, {{"axis", Dim(-1)}, {"k", Dim(3)}}, {{9, 3, 3}, {1, 0, 2}}},
      {Op::kTopk, {i32({2, 2}, {1, 5, 4, 2})}, {{"axis", Dim(0)}, {"k", Dim(1)}}, {{4, 5}, {1, 0}}},
  };
}

std::vector<Case> movement_cases() {
  HostTensor x = f32({2, 3}, {1, 2, 3, 4, 5, 6});
  auto type = [](Shape shape) { return Type{DType::kF32, std::move(shape)}; };
  return {
      {Op::kReshape, {x}, {}, {{1, 2, 3, 4, 5, 6}}, {type({3, 2})}},
      {Op::kTranspose, {x}, {{"perm", Shape{1, 0}}}, {{1, 4, 2, 5, 3, 6}}},
      {Op::kSlice,
       {x},
       {{"axis", Dim(1)}, {"start", Dim(1)}, {"step", Dim(1)}},
       {{2, 3, 5, 6}},
       {type({2, 2})}},
      {Op::kSlice,
       {x},
       {{"axis", Dim(1)}, {"start", Dim(2)}, {"step", Dim(-2)}},
       {{3, 1, 6, 4}},
       {type({2, 2})}},
      {Op::kConcat, {x, f32({2, 1}, {7, 8})}, {{"axis", Dim(-1)}}, {{1, 2, 3, 7, 4, 5, 6, 8}}},
      {Op::kConcat, {i32({1}), i32({2, 3})}, {{"axis", Dim(0)}}, {{1, 2, 3}}},
      {Op::kExpand, {f32({2, 1}, {1, 2})}, {}, {{1, 1, 2, 2, 1, 1, 2, 2}}, {type({2, 2, 2})}},
      {Op::kPad,
       {f32({1, 2}, {1, 2})},
       {{"before", Shape{1, 0}}, {"after", Shape{0, 1}}, {"value", 9.0}},
       {{9, 9, 9, 1, 2, 9}}},
      {Op::kGather, {x, i32({1, -2})}, {{"axis", Dim(0)}}, {{4, 5, 6, 1, 2, 3}}},
      {Op::kGather, {x, i32({1, 2}, {2, 0})}, {{"axis", Dim(1)}}, {{3, 1, 6, 4}}},
      {Op::kScatter,
       {x, i32({-1, 0, -1}), f32({2, 3}, {10, 20, 30, 40, 50, 60})},
       {{"axis", Dim(1)}},
       {{20, 2, 30, 50, 5, 60}}},
  };
}

std::vector<Case> composite_cases() {
  HostTensor a = f32({2, 2}, {1, 2, 3, 4}), b = f32({2, 2}, {5, 6, 7, 8});
  HostTensor x = f32({1, 1, 1, 4}, {1, 2, 3, 4});
  double c = std::cos(2.0), s = std::sin(2.0);
  HostTensor cache = f32({1, 1, 3, 1}, {1, 2, 3}), fresh = f32({1, 1, 2, 1}, {8, 9});
  return {
      {Op::kMatmul, {a, b}, {}, {{19, 22, 43, 50}}},
      {Op::kMatmul, {a, b}, {{"transpose_a", true}}, {{26, 30, 38, 44}}},
      {Op::kMatmul, {a, b}, {{"transpose_b", true}}, {{17, 23, 39, 53}}},
      {Op::kMatmul, {f32({1, 2}), f32({3, 4})}, {}, {{11}}},
      {Op::kMatmul, {a, f32({1, 10})}, {}, {{21, 43}}},
      {Op::kMatmul, {f32({1, 10}), a}, {}, {{31, 42}}},
      {Op::kMatmul, {f32({2, 1, 1}, {2, 3}), f32({1, 1, 2}, {1, 10})}, {}, {{2, 20, 3, 30}}},
      {Op::kMatmul, {f32({2, 0}, {}), f32({0, 1}, {})}, {}, {{0, 0}}},
      {Op::kMatmul, {i32({1, 1}, {65536}), i32({1, 1}, {65537})}, {}, {{65536}}},
      {Op::kRope, {x, i32({}, {2})}, {{"rotary_dim", Dim(2)}}, {{c - 2 * s, 2 * c + s, 3, 4}}},
      {Op::kRope, {x, i32({2}), f32({1, 0})}, {{"frequencies", true}}, {{c - 3 * s, 2, 3 * c + s, 4}}},
      {Op::kRope,
       {x, i32({1, 1}, {2}), f32({1, 0})},
       {{"frequencies", true}, {"interleaved", true}, {"scale", 2.0}},
       {{2 * (c - 2 * s), 2 * (2 * c + s), 6, 8}}},
      {Op::kRope,
       {f32({1, 1, 2, 2}, {1, 0, 1, 0}), i32({1, 1}, {1})},
       {},
       {{std::cos(1.0), std::sin(1.0), c, s}}},
      {Op::kRope, {f32({1, 1, 2, 2}, {1, 0, 1, 0}), i32({1, 2}, {2, 0})}, {}, {{c, s, 1, 0}}},
      {Op::kCacheWrite, {cache, fresh, i32({}, {1})}, {}, {{1, 8, 9}}},
      {Op::kCacheWrite, {cache, fresh, i32({0})}, {}, {{8, 9, 3}}},
      // Of 4-bit integers the low one comes first: 0xF1 is 1, -1 and 0x87 is 7, -8.
      {Op::kDequantise, {i8({2}, {3, -4}), f32({0.5, 2})}, {{"group", int64_t{1}}}, {{1.5, -8}}},
      {Op::kDequantise,
       {tensor(DType::kU8, {2}, {0xF1, 0x87}), f32({0.5, 2})},
       {{"group", int64_t{2}}},
       {{0.5, -0.5, 14, -16}}},
      {Op::kGroupedMatmul,
       {f32({1, 2}, {2, 1}), f32({2, 1, 2}, {1, 10, 3, 5}), i32({1, 3}, {1, 0, 1})},
       {},
       {{11, 12, 11}}},
      {Op::kGroupedMatmul,
       {f32({1, 2, 1}, {2, 3}), f32({2, 2, 1}, {1, 10, 4, 5}), i32({1, 2}, {1, 0})},
       {},
       {{8, 10, 3, 30}}},
  };
}

// One head, head_dim 1: scores are q_i k_j, so that a row's softmax is written down at sight.
std::vector<Case> attention_cases() {
  HostTensor q = f32({1, 1, 2, 1}, {0, 1}), k = f32({1, 1, 2, 1}, {0, std::log(3.0)}),
             v = f32({1, 1, 2, 1}, {4, 8});
  auto row = [](Numbers values) { return f32({1, 1, 1, static_cast<int64_t>(values.size())}, values); };
  HostTensor zeros = f32({1, 1, 1, 1}, {0}), poison = f32({1, 1, 2, 1}, {4, kNan});
  HostTensor three_k = f32({1, 1, 3, 1}, {0, 0, 0}), three_v = f32({1, 1, 3, 1}, {3, 6, 9});
  HostTensor mask = tensor(DType::kBool, {2, 2}, {0, 0, 0, 1});
  return {
      {Op::kAttention, {q, k, v}, {}, {{6, 7}}},
      {Op::kAttention, {q, k, v}, {{"scale", 2.0}}, {{6, 7.6}}},
      {Op::kAttention, {q, k, v}, {{"causal", true}}, {{4, 7}}},
      {Op::kAttention,
       {zeros, f32({1, 1, 2, 1}, {0, kNan}), poison},
       {{"causal", true}},
       {{4}}},  // never read
      {Op::kAttention,
       {zeros, three_k, three_v, i32({}, {1})},
       {{"causal", true}, {"offset", true}},
       {{4.5}}},
      {Op::kAttention,
       {zeros, three_k, three_v, i32({2})},
       {{"causal", true}, {"offset", true}, {"window", Dim(2)}},
       {{7.5}}},
      {Op::kAttention, {zeros, three_k, three_v, i32({}, {-1})}, {{"causal", true}, {"offset", true}}, {{0}}},
      {Op::kAttention, {q, k, v, mask}, {{"mask", true}}, {{0, 8}}},
      {Op::kAttention, {zeros, k, v, row({0, std::log(3.0)})}, {{"mask", true}}, {{7}}},
      {Op::kAttention, {zeros, k, v, row({-kInf, -kInf})}, {{"mask", true}}, {{0}}},
      {Op::kAttention, {zeros, k, v, f32({std::log(2.0)})}, {{"sinks", true}}, {{3}}},
      {Op::kAttention, {zeros, k, v, f32({std::log(3.0)})}, {{"alibi", true}}, {{7}}},
      {Op::kAttention,
       {f32({1, 1, 1, 1}, {1}), f32({1, 1, 2, 1}, {0, 1e9}), v},
       {{"softcap", std::log(3.0)}},
       {{7}}},
      // two query heads of one key head, two value columns
      {Op::kAttention,
       {f32({1, 2, 1, 1}, {0, 1}), k, f32({1, 1, 2, 2}, {4, 0, 8, 1})},
       {},
       {{6, 0.5, 7, 0.75}}},
      {Op::kAttention,
       {f32({1, 4, 1, 1}, {0, 0, 0, 0}), f32({1, 2, 1, 1}, {0, 0}), f32({1, 2, 1, 1}, {5, 6})},
       {},
       {{5, 5, 6, 6}}},
      {Op::kAttention, {zeros, f32({1, 1, 0, 1}, {}), f32({1, 1, 0, 1}, {})}, {}, {{0}}},
  };
}

std::vector<Case> source_cases() {
  Type pair{DType::kF32, {2}}, integers{DType::kI32, {3}};
  return {
      {Op::kConstant, {}, {{"value", 1.5}}, {{1.5, 1.5}}, {pair}},
      {Op::kConstant, {}, {{"values", Numbers{1, 2, -3}}}, {{1, 2, -3}}, {integers}},
      {Op::kIota, {}, {}, {{0, 1, 2}}, {integers}},
      {Op::kRopeTable, {}, {{"theta", 16.0}}, {{1, 0.25}}, {pair}},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> all;
  for (auto cases : {pointwise_cases(), cast_cases(), row_cases(), movement_cases(), composite_cases(),
                     attention_cases(), source_cases()})
    all.insert(all.end(), cases.begin(), cases.end());
  return all;
}

}  // namespace

TEST_CASE("each op gives the values of its definition") {
  for (const Case& c : all_cases()) {
    CAPTURE(name_of(c.op).str());
    CAPTURE(c.attributes.text());
    Evaluation found = run(c.op, c.operands, c.attributes, c.given.empty() ? nullptr : &c.given[0]);
    REQUIRE(found.outputs.size() == c.expected.size());
    for (size_t i = 0; i < c.expected.size(); ++i) check_equal(found.outputs[i], c.expected[i]);
  }
}

TEST_CASE("each op of the table has a case, or is what the caller gives") {
  std::vector<Case> cases = all_cases();
  for (int i = 0; i < kOpCount; ++i) {
    Op op = static_cast<Op>(i);
    CAPTURE(name_of(op).str());
    bool given = op == Op::kInput || op == Op::kWeight || op == Op::kState || op == Op::kParameter;
    bool own_test = op == Op::kFused || op == Op::kSample;
    CHECK((given || own_test || llvm::any_of(cases, [op](const Case& c) { return c.op == op; })));
  }
}

TEST_CASE("a region means what its body means") {
  Graph graph;
  Builder builder(graph);
  Type type{DType::kF32, {2}};
  Value* x = builder.source(Op::kInput, "x", type);
  Node* fused = graph.create(Op::kFused, {x, x}, {}, {type, type});
  auto body = std::make_shared<Graph>();
  Builder inner(*body);
  Value* a = inner.source(Op::kParameter, "a", type, {{"index", Dim(0)}});
  Value* b = inner.source(Op::kParameter, "b", type, {{"index", Dim(1)}});
  body->add_output("sum", inner.make(Op::kAdd, {a, b}));
  body->add_output("product", inner.make(Op::kMul, {a, b}));
  fused->body = body;
  graph.add_output("y", fused->result(1));
  graph.add_output("z", fused->result(0));
  REQUIRE(verify(graph) == "");
  Evaluation found = evaluate(graph, [](const Node&) { return f32({3, 5}); });
  check_equal(found.outputs[0], {9, 25});
  check_equal(found.outputs[1], {6, 10});
}

TEST_CASE("state updates are handed out") {
  Graph graph;
  Builder builder(graph);
  Value* cache = builder.source(Op::kState, "c", {DType::kF32, {1, 1, 2, 1}});
  Value* fresh = builder.constant(7, DType::kF32, {1, 1, 1, 1});
  Value* position = builder.constant(1, DType::kI32);
  graph.add_state_update(cache->node(), builder.make(Op::kCacheWrite, {cache, fresh, position}));
  graph.add_output("before", cache);
  Evaluation found = evaluate(graph, [](const Node& node) { return HostTensor::zeros(node.type()); });
  check_equal(found.state_updates[0], {0, 7});
  check_equal(found.outputs[0], {0, 0});
}

TEST_CASE("declared rounding rounds each value, exact meaning rounds casts alone") {
  std::vector<HostTensor> operands = {tensor(DType::kBF16, {1}, {1}),
                                      tensor(DType::kBF16, {1}, {0.00390625})};
  check_equal(run(Op::kAdd, operands).outputs[0], {1.00390625});
  check_equal(run(Op::kAdd, operands, {}, nullptr, Rounding::kDeclared).outputs[0], {1});
}

TEST_CASE("what the data can cause is an error at the node's place") {
  auto message = [](Op op, const std::vector<HostTensor>& operands, const Attributes& attributes) {
    try {
      run(op, operands, attributes);
    } catch (const Error& error) {
      return error.diagnostics()[0].message;
    }
    return std::string("no error");
  };
  CHECK(message(Op::kGather, {f32({1, 2, 3}), i32({3})}, {{"axis", Dim(0)}}) ==
        "index 3 is outside an axis of 3 of input 'x0' (input 'x1')");
  CHECK(message(Op::kGather, {f32({1, 2, 3}), i32({-4})}, {{"axis", Dim(0)}}) ==
        "index -4 is outside an axis of 3 of input 'x0' (input 'x1')");
  CHECK(message(Op::kScatter, {f32({1, 2}), i32({2}), f32({9})}, {{"axis", Dim(0)}}) ==
        "index 2 is outside an axis of 2 of input 'x0' (input 'x1')");
  HostTensor cache = f32({1, 1, 3, 1}, {1, 2, 3}), fresh = f32({1, 1, 2, 1}, {8, 9});
  CHECK(message(Op::kCacheWrite, {cache, fresh, i32({}, {2})}, {}) ==
        "cache: 2 tokens at position 2 do not fit the capacity of 3 of input 'x0' (input 'x2')");
  CHECK(message(Op::kCacheWrite, {cache, fresh, i32({-1})}, {}) ==
        "cache: 2 tokens at position -1 do not fit the capacity of 3 of input 'x0' (input 'x2')");
}

TEST_CASE("a paged cache is written where its table says, across pages") {
  HostTensor pool = f32({3, 1, 16, 1}, Numbers(48, 0)), fresh = f32({2, 1, 2, 1}, {1, 2, 3, 4});
  HostTensor pages = i32({2, 2}, {2, 0, 1, 1}), positions = i32({2}, {15, 3});
  Graph graph;
  Builder builder(graph);
  llvm::SmallVector<Value*, 4> operands;
  for (const HostTensor* t : {&pool, &fresh, &positions, &pages})
    operands.push_back(builder.source(Op::kInput, "i", t->type));
  Node* write = builder.make_node(Op::kCacheWrite, operands, {{"pages", true}});
  HostTensor after = evaluate_node(*write, {&pool, &fresh, &positions, &pages}, Rounding::kNone)[0];
  Numbers expected(48, 0);
  expected[2 * 16 + 15] = 1, expected[0] = 2, expected[16 + 3] = 3, expected[16 + 4] = 4;
  CHECK(after.reals == expected);
  pages.integers[3] = 3;  // not reached by row 1
  CHECK(evaluate_node(*write, {&pool, &fresh, &positions, &pages}, Rounding::kNone)[0].reals == expected);
  pages.integers[0] = 3;
  CHECK_THROWS_WITH_AS(evaluate_node(*write, {&pool, &fresh, &positions, &pages}, Rounding::kNone),
                       "error: cache: row 0 names page 3, input 'i' has 3 (input 'i')\n", Error);
}

TEST_CASE("sample draws by likelihood, from the kept ones alone, the same for the same counter") {
  HostTensor logits = f32({1, 4}, {std::log(1.0), std::log(4.0), std::log(2.0), std::log(1.0)});
  auto counts = [&](double temperature, double top_p, int64_t top_k) {
    HostTensor settings = f32({temperature, top_p}), limits = i64({static_cast<double>(top_k), 7}),
               at = i32({}, {0});
    Graph graph;
    Builder builder(graph);
    llvm::SmallVector<Value*, 4> operands;
    for (const HostTensor* t : {&logits, &at, &settings, &limits})
      operands.push_back(builder.source(Op::kInput, "i", t->type));
    Node* draw = builder.make_node(Op::kSample, operands);
    std::vector<int> result(4, 0);
    for (at.integers[0] = 0; at.integers[0] < 4000; ++at.integers[0])
      ++result[evaluate_node(*draw, {&logits, &at, &settings, &limits}, Rounding::kNone)[0].integers[0]];
    return result;
  };
  std::vector<int> all = counts(1, 1, 0);
  CHECK(all == counts(1, 1, 0));
  const double expected[] = {500, 2000, 1000, 500};
  for (int i = 0; i < 4; ++i) CHECK(std::abs(all[i] - expected[i]) < 120);
  CHECK(counts(1, 1, 1)[1] == 4000);
  std::vector<int> two = counts(1, 1, 2);  // 4 to 2
  CHECK((two[0] == 0 && two[3] == 0 && std::abs(two[1] - 2667) < 120));
  CHECK(counts(1, 0.5, 0)[1] == 4000);  // the likeliest alone holds half
  std::vector<int> most = counts(1, 0.6, 0);
  CHECK((most[0] == 0 && most[3] == 0 && most[2] > 0));
  std::vector<int> three = counts(1, 1, 3);  // of equal ones the first
  CHECK((three[0] > 0 && three[3] == 0));
  std::vector<int> sharp = counts(0.5, 1, 0);  // squares: 1 16 4 1 of 22
  CHECK(std::abs(sharp[1] - 2909) < 120);
}

TEST_CASE("philox gives the published words") {
  // Random123's known answers for philox4x32-10: counter and key of zeros, and of ones.
  CHECK(philox(0, 0, 0) == 0x6627e8d5u);
}

TEST_CASE("a product whose extents exceed the blocks equals the sum of its terms") {
  // a[i, k] = i + 1, b[k, j] = k % 7 - j % 5: the sums have a closed form that no blocking can hide.
  int64_t m = 3, k = 300, n = 1030;
  Numbers a, b, bt(n * k), expected;
  for (int64_t i = 0; i < m * k; ++i) a.push_back(static_cast<double>(i / k + 1));
  for (int64_t p = 0; p < k; ++p)
    for (int64_t j = 0; j < n; ++j) b.push_back(static_cast<double>(p % 7 - j % 5)), bt[j * k + p] = b.back();
  double sum = 0;
  for (int64_t p = 0; p < k; ++p) sum += static_cast<double>(p % 7);
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j)
      expected.push_back(static_cast<double>(i + 1) * (sum - static_cast<double>(k * (j % 5))));
  check_equal(run(Op::kMatmul, {f32({m, k}, a), f32({k, n}, b)}).outputs[0], expected);
  check_equal(run(Op::kMatmul, {f32({m, k}, a), f32({n, k}, bt)}, {{"transpose_b", true}}).outputs[0],
              expected);
}

TEST_CASE("rope tables follow their published definitions") {
  auto frequencies = [](const Attributes& attributes, int64_t pairs) {
    Graph graph;
    Type type{DType::kF32, {pairs}};
    return rope_table(*Builder(graph).source(Op::kRopeTable, "f", type, attributes)->node());
  };
  using Approx = doctest::Approx;
  SUBCASE("linear") {
    auto f = frequencies({{"theta", 10000.0}, {"scheme", std::string("linear")}, {"factor", 4.0}}, 2);
    CHECK(f[0] == 0.25);
    CHECK(f[1] == Approx(0.0025).epsilon(1e-14));
  }
  SUBCASE("llama3: short waves stay, long ones stretch, the middle blends") {
    // theta = 4, 2 pi = original / 8: frequency 1 turns 8 times, 0.5 four, 0.25 two, 0.125 once.
    Attributes scheme = {{"theta", 16.0}, {"scheme", std::string("llama3")},
                         {"factor", 8.0}, {"low", 1.0},
                         {"high", 4.0},   {"original", 16 * M_PI}};
    auto f = frequencies(scheme, 4);
    CHECK(f[0] == 1);
    CHECK(f[1] == Approx(0.5));
    CHECK(f[2] == Approx(0.25 * (1.0 / 3 + 2.0 / 3 / 8)));  // (2 - 1) / (4 - 1) is kept
    CHECK(f[3] == Approx(0.125 / 8));
  }
  SUBCASE("yarn: a ramp between the pairs that turn beta_fast and beta_slow times") {
    // frequency of pair i is 2^-i, which turns 2^(5-i) times over 64 pi: 8 times at pair 2, once at pair 5.
    Attributes scheme = {{"theta", 256.0},           {"scheme", std::string("yarn")},
                         {"factor", 10.0},           {"original", 64 * M_PI},
                         {"beta_fast", 8.0 * 0.999}, {"beta_slow", 1.0 * 1.001}};
    auto f = frequencies(scheme, 8);
    CHECK(f[2] == Approx(0.25));
    CHECK(f[3] == Approx(0.125 * (2.0 / 3 + 1.0 / 3 / 10)));
    CHECK(f[4] == Approx(0.0625 * (1.0 / 3 + 2.0 / 3 / 10)));
    CHECK(f[5] == Approx(0.03125 / 10));
    CHECK(f[7] == Approx(0.0078125 / 10));
  }
  SUBCASE("longrope: one factor a frequency") {
    auto f =
        frequencies({{"theta", 16.0}, {"scheme", std::string("longrope")}, {"factors", Numbers{1, 2}}}, 2);
    CHECK(f[0] == 1);
    CHECK(f[1] == Approx(0.125));
    CHECK_THROWS_WITH_AS(frequencies({{"scheme", std::string("longrope")}, {"factors", Numbers{1, 2}}}, 3),
                         "error: longrope has 2 factors for 3 frequencies\n", Error);
  }
}
