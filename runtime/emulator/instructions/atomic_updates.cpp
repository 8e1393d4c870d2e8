// atomic_updates.cpp: see the header.
#include "runtime/emulator/instructions/atomic_updates.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <type_traits>

#include "runtime/emulator/instructions/float_formats.h"
#include "runtime/emulator/instructions/rounding.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

// --- Operations on whole elements, held as T.

struct Add {
  template <class T>
  T operator()(T old, T b) const {
    return static_cast<T>(static_cast<std::make_unsigned_t<T>>(old) +
                          static_cast<std::make_unsigned_t<T>>(b));
  }
};
struct Min {
  template <class T>
  T operator()(T old, T b) const {
    return std::min(old, b);
  }
};
struct Max {
  template <class T>
  T operator()(T old, T b) const {
    return std::max(old, b);
  }
};
struct Increment {
  template <class T>
  T operator()(T old, T b) const {
    return old >= b ? 0 : old + 1;
  }
};
struct Decrement {
  template <class T>
  T operator()(T old, T b) const {
    return old == 0 || old > b ? b : old - 1;
  }
};

template <class Operation, class T>
uint64_t update(uint64_t old, uint64_t b, uint64_t) {
  return static_cast<std::make_unsigned_t<T>>(Operation{}(static_cast<T>(old), static_cast<T>(b)));
}

uint64_t exchange(uint64_t, uint64_t b, uint64_t) { return b; }
uint64_t compare_and_swap(uint64_t old, uint64_t b, uint64_t c) { return old == b ? c : old; }

// --- Floats

uint32_t flushed(uint32_t bits) { return bits & 0x7f800000u ? bits : bits & 0x80000000u; }

template <bool flush>
uint64_t add_f32(uint64_t old, uint64_t b, uint64_t) {
  auto in = [](uint64_t bits) {
    return std::bit_cast<float>(flush ? flushed(static_cast<uint32_t>(bits)) : static_cast<uint32_t>(bits));
  };
  const float sum = in(old) + in(b);
  if (std::isnan(sum)) return kF32Format.nan;
  const auto bits = std::bit_cast<uint32_t>(sum);
  return flush ? flushed(bits) : bits;
}

uint64_t add_f64(uint64_t old, uint64_t b, uint64_t) {
  const auto x = std::bit_cast<double>(old), y = std::bit_cast<double>(b);
  return std::bit_cast<uint64_t>(with_nan_of(x + y, x, y));
}

enum class HalfOperation { kAdd, kMin, kMax };

template <HalfOperation operation>
uint16_t half(uint16_t old, uint16_t b, const FloatFormat& format) {
  const double x = widen(old, format), y = widen(b, format);
  if (operation == HalfOperation::kAdd)
    return static_cast<uint16_t>(exact_add(x, y, format, Rounding::kNearest));
  if (std::isnan(x)) return std::isnan(y) ? static_cast<uint16_t>(format.nan) : b;
  if (std::isnan(y)) return old;
  const bool old_is_less = x < y || (x == y && std::signbit(x));
  return old_is_less == (operation == HalfOperation::kMin) ? old : b;
}

/// Of one 16-bit float, or of each of two.
template <HalfOperation operation, bool brain, int count>
uint64_t halves(uint64_t old, uint64_t b, uint64_t) {
  uint64_t result = 0;
  for (int i = 0; i < count; ++i)
    result |= static_cast<uint64_t>(half<operation>(static_cast<uint16_t>(old >> 16 * i),
                                                    static_cast<uint16_t>(b >> 16 * i),
                                                    brain ? kBf16Format : kF16Format))
              << 16 * i;
  return result;
}

// --- By name

struct Row {
  llvm::StringRef operation;
  Type type;
  Update update;
};

template <bool brain, int count>
Update half_update(llvm::StringRef operation) {
  if (operation == "add") return halves<HalfOperation::kAdd, brain, count>;
  if (operation == "min") return halves<HalfOperation::kMin, brain, count>;
  if (operation == "max") return halves<HalfOperation::kMax, brain, count>;
  return nullptr;
}

const Row kRows[] = {
    {"add", Type::kU32, update<Add, uint32_t>},
    {"add", Type::kS32, update<Add, int32_t>},
    {"add", Type::kU64, update<Add, uint64_t>},
    {"add", Type::kF64, add_f64},
    {"min", Type::kU32, update<Min, uint32_t>},
    {"min", Type::kS32, update<Min, int32_t>},
    {"min", Type::kU64, update<Min, uint64_t>},
    {"min", Type::kS64, update<Min, int64_t>},
    {"max", Type::kU32, update<Max, uint32_t>},
    {"max", Type::kS32, update<Max, int32_t>},
    {"max", Type::kU64, update<Max, uint64_t>},
    {"max", Type::kS64, update<Max, int64_t>},
    {"and", Type::kB32, update<std::bit_and<>, uint32_t>},
    {"and", Type::kB64, update<std::bit_and<>, uint64_t>},
    {"or", Type::kB32, update<std::bit_or<>, uint32_t>},
    {"or", Type::kB64, update<std::bit_or<>, uint64_t>},
    {"xor", Type::kB32, update<std::bit_xor<>, uint32_t>},
    {"xor", Type::kB64, update<std::bit_xor<>, uint64_t>},
    {"inc", Type::kU32, update<Increment, uint32_t>},
    {"dec", Type::kU32, update<Decrement, uint32_t>},
    {"exch", Type::kB32, exchange},
    {"exch", Type::kB64, exchange},
    {"cas", Type::kB16, compare_and_swap},
    {"cas", Type::kB32, compare_and_swap},
    {"cas", Type::kB64, compare_and_swap},
};

}  // namespace

Update find_update(llvm::StringRef operation, Type type, bool flush) {
  switch (type) {
    case Type::kF32: return operation != "add" ? nullptr : flush ? add_f32<true> : add_f32<false>;
    case Type::kF16: return half_update<false, 1>(operation);
    case Type::kBf16: return half_update<true, 1>(operation);
    case Type::kF16x2: return half_update<false, 2>(operation);
    case Type::kBf16x2: return half_update<true, 2>(operation);
    default: break;
  }
  for (const Row& row : kRows)
    if (row.operation == operation && row.type == type) return row.update;
  return nullptr;
}

}  // namespace tenon::emulator
