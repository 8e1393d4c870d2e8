// reduce_bytes.cpp: see reduce_bytes.h.
#include "runtime/emulator/instructions/reduce_bytes.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "runtime/convert.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

template <class T>
T reduced(ReduceOp op, T old, T value) {
  switch (op) {
    case ReduceOp::kAdd: return static_cast<T>(static_cast<uint64_t>(old) + static_cast<uint64_t>(value));
    case ReduceOp::kMin: return std::min(old, value);
    case ReduceOp::kMax: return std::max(old, value);
    case ReduceOp::kInc: return old >= value ? 0 : old + 1;
    case ReduceOp::kDec: return old == 0 || old > value ? value : old - 1;
    case ReduceOp::kAnd: return old & value;
    case ReduceOp::kOr: return old | value;
    case ReduceOp::kXor: return old ^ value;
  }
  return old;
}

template <class T, class Combine>
void each(std::byte* target, const std::byte* source, int64_t bytes, Combine combine) {
  for (int64_t at = 0; at < bytes; at += sizeof(T)) {
    T old, value;
    std::memcpy(&old, target + at, sizeof old);
    std::memcpy(&value, source + at, sizeof value);
    const T result = combine(old, value);
    std::memcpy(target + at, &result, sizeof result);
  }
}

template <class T>
void each_integer(ReduceOp op, std::byte* target, const std::byte* source, int64_t bytes) {
  each<T>(target, source, bytes, [&](T old, T value) { return reduced<T>(op, old, value); });
}

/// One rounding: the sum of two is exact in f64 but for f64 itself. min and max prefer what is a number.
double reduced_float(ReduceOp op, double old, double value) {
  if (op == ReduceOp::kAdd) return old + value;
  return op == ReduceOp::kMin ? std::fmin(old, value) : std::fmax(old, value);
}

void each_half(ReduceOp op, DType dtype, std::byte* target, const std::byte* source, int64_t bytes) {
  each<uint16_t>(target, source, bytes, [&](uint16_t old, uint16_t value) {
    float a, b;
    to_f32(dtype, reinterpret_cast<const std::byte*>(&old), 1, &a);
    to_f32(dtype, reinterpret_cast<const std::byte*>(&value), 1, &b);
    const double sum = reduced_float(op, a, b);
    uint16_t result;
    from_f64(&sum, 1, dtype, reinterpret_cast<std::byte*>(&result));
    return result;
  });
}

}  // namespace

bool can_reduce(ReduceOp op, Type type) {
  const bool logic = op == ReduceOp::kAnd || op == ReduceOp::kOr || op == ReduceOp::kXor;
  const bool half = type == Type::kF16 || type == Type::kBf16;
  if (type == Type::kF32 || type == Type::kF64) return op == ReduceOp::kAdd;
  if (half) return op == ReduceOp::kAdd || op == ReduceOp::kMin || op == ReduceOp::kMax;
  if (logic || type == Type::kB32 || type == Type::kB64)
    return logic && (type == Type::kB32 || type == Type::kB64);
  if (op == ReduceOp::kInc || op == ReduceOp::kDec) return type == Type::kU32;
  return type == Type::kU32 || type == Type::kS32 || type == Type::kU64 || type == Type::kS64;
}

void reduce_bytes(ReduceOp op, Type type, std::byte* target, const std::byte* source, int64_t bytes) {
  assert(can_reduce(op, type));
  switch (type) {
    case Type::kS32: return each_integer<int32_t>(op, target, source, bytes);
    case Type::kU32:
    case Type::kB32: return each_integer<uint32_t>(op, target, source, bytes);
    case Type::kS64: return each_integer<int64_t>(op, target, source, bytes);
    case Type::kU64:
    case Type::kB64: return each_integer<uint64_t>(op, target, source, bytes);
    case Type::kF16: return each_half(op, DType::kF16, target, source, bytes);
    case Type::kBf16: return each_half(op, DType::kBF16, target, source, bytes);
    case Type::kF32: return each<float>(target, source, bytes, [](float a, float b) { return a + b; });
    default: return each<double>(target, source, bytes, [](double a, double b) { return a + b; });
  }
}

}  // namespace tenon::emulator
