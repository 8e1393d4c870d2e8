// compare.cpp: setp set selp slct.
#include <utility>

#include "runtime/emulator/instructions/float_form.h"
#include "runtime/emulator/instructions/lanes.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

enum class Combine : uint8_t { kNone, kAnd, kOr, kXor };

/// What a relation between floats holds for, as a sum of these.
enum Relation : uint8_t { kLess = 1, kEqual = 2, kGreater = 4, kUnordered = 8 };

struct CompareForm;
/// Where a and b compare so, for all lanes, whether active or not.
using Comparison = LaneMask (*)(const Warp& warp, Slot a, Slot b, const CompareForm& form);

struct CompareForm {
  Comparison compare = nullptr;
  Comparison compare_high = nullptr;  ///< of packed types: their upper halves
  uint8_t relation = 0;               ///< of floats
  bool flush = false;
  Combine combine = Combine::kNone;
  uint32_t true_low = 0, true_high = 0;  ///< of set: what true writes
};

// --- integers: a function for each relation
struct Equal {
  template <class T>
  static bool test(T a, T b) {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  static bool test(T a, T b) {
    return a != b;
  }
};
struct Less {
  template <class T>
  static bool test(T a, T b) {
    return a < b;
  }
};
struct LessOrEqual {
  template <class T>
  static bool test(T a, T b) {
    return a <= b;
  }
};
template <class Test>
struct Swapped {
  template <class T>
  static bool test(T a, T b) {
    return Test::test(b, a);
  }
};
template <class T, class Test>
struct CompareIntegers {
  [[gnu::always_inline]] static inline LaneMask run(const Warp& warp, Slot a, Slot b, const CompareForm&) {
    const auto* x = warp.lanes<typename LaneOf<T>::Stored>(a);
    const auto* y = warp.lanes<typename LaneOf<T>::Stored>(b);
    LaneMask result = 0;
    for (int i = 0; i < kLanes; ++i)
      result |= static_cast<LaneMask>(Test::test(LaneOf<T>::load(x[i]), LaneOf<T>::load(y[i]))) << i;
    return result;
  }
};
template <class T>
Comparison integer_comparison(llvm::StringRef relation) {
  if (relation == "eq") return versioned<CompareIntegers<T, Equal>>();
  if (relation == "ne") return versioned<CompareIntegers<T, NotEqual>>();
  if (relation == "lt") return versioned<CompareIntegers<T, Less>>();
  if (relation == "le") return versioned<CompareIntegers<T, LessOrEqual>>();
  if (relation == "gt") return versioned<CompareIntegers<T, Swapped<Less>>>();
  if (relation == "ge") return versioned<CompareIntegers<T, Swapped<LessOrEqual>>>();
  return nullptr;
}
template <class T>
Comparison bits_comparison(llvm::StringRef relation) {
  return relation == "eq" || relation == "ne" ? integer_comparison<T>(relation) : nullptr;
}
template <class T>
Comparison unsigned_comparison(llvm::StringRef relation) {
  constexpr std::pair<const char*, const char*> kNames[] = {
      {"lo", "lt"}, {"ls", "le"}, {"hi", "gt"}, {"hs", "ge"}};
  for (auto [name, same] : kNames)
    if (relation == name) relation = same;
  return integer_comparison<T>(relation);
}

// --- floats: one function a type
constexpr std::pair<const char*, int> kFloatRelations[] = {
    {"eq", kEqual},
    {"ne", kLess | kGreater},
    {"lt", kLess},
    {"le", kLess | kEqual},
    {"gt", kGreater},
    {"ge", kGreater | kEqual},
    {"equ", kEqual | kUnordered},
    {"neu", kLess | kGreater | kUnordered},
    {"ltu", kLess | kUnordered},
    {"leu", kLess | kEqual | kUnordered},
    {"gtu", kGreater | kUnordered},
    {"geu", kGreater | kEqual | kUnordered},
    {"num", kLess | kEqual | kGreater},
    {"nan", kUnordered},
};
float comparable(float value, bool flushes) { return flushes ? flush(value) : value; }
double comparable(double value, bool) { return value; }
template <class T>
float comparable(T value, bool flushes) {
  return to_float(flushes ? flush(value) : value);
}
/// kShift: 16 for the upper half of a register.
template <class T, int kShift = 0>
struct CompareFloats {
  [[gnu::always_inline]] static inline LaneMask run(const Warp& warp, Slot a, Slot b,
                                                    const CompareForm& form) {
    const auto* x = warp.lanes<typename LaneOf<T>::Stored>(a);
    const auto* y = warp.lanes<typename LaneOf<T>::Stored>(b);
    LaneMask less = 0, equal = 0, greater = 0;
    for (int i = 0; i < kLanes; ++i) {
      auto first = comparable(load(x[i]), form.flush), second = comparable(load(y[i]), form.flush);
      less |= static_cast<LaneMask>(first < second) << i;
      equal |= static_cast<LaneMask>(first == second) << i;
      greater |= static_cast<LaneMask>(first > second) << i;
    }
    return (form.relation & kLess ? less : 0) | (form.relation & kEqual ? equal : 0) |
           (form.relation & kGreater ? greater : 0) |
           (form.relation & kUnordered ? ~(less | equal | greater) : 0);
  }
  static T load(typename LaneOf<T>::Stored stored) {
    if constexpr (kShift != 0)
      return LaneOf<T>::load(stored >> kShift);
    else
      return LaneOf<T>::load(stored);
  }
};

void choose_comparison(Decoder& d, Type type, llvm::StringRef relation, CompareForm& form) {
  if (ptx::is_float(type)) {
    for (auto [name, holds] : kFloatRelations)
      if (relation == name) form.relation = static_cast<uint8_t>(holds);
    if (form.relation == 0) fail_type(d, type);
    if (type != Type::kF64 && type != Type::kBf16 && type != Type::kBf16x2) form.flush = d.accept("ftz");
  }
  switch (type) {
    case Type::kB16: form.compare = bits_comparison<uint16_t>(relation); break;
    case Type::kB32: form.compare = bits_comparison<uint32_t>(relation); break;
    case Type::kB64: form.compare = bits_comparison<uint64_t>(relation); break;
    case Type::kU16: form.compare = unsigned_comparison<uint16_t>(relation); break;
    case Type::kU32: form.compare = unsigned_comparison<uint32_t>(relation); break;
    case Type::kU64: form.compare = unsigned_comparison<uint64_t>(relation); break;
    case Type::kS16: form.compare = integer_comparison<int16_t>(relation); break;
    case Type::kS32: form.compare = integer_comparison<int32_t>(relation); break;
    case Type::kS64: form.compare = integer_comparison<int64_t>(relation); break;
    case Type::kF32: form.compare = versioned<CompareFloats<float>>(); break;
    case Type::kF64: form.compare = versioned<CompareFloats<double>>(); break;
    case Type::kF16: form.compare = versioned<CompareFloats<Half>>(); break;
    case Type::kBf16: form.compare = versioned<CompareFloats<Brain>>(); break;
    case Type::kF16x2:
      form.compare = versioned<CompareFloats<Half>>();
      form.compare_high = versioned<CompareFloats<Half, 16>>();
      break;
    case Type::kBf16x2:
      form.compare = versioned<CompareFloats<Brain>>();
      form.compare_high = versioned<CompareFloats<Brain, 16>>();
      break;
    default: break;
  }
  if (form.compare == nullptr) fail_type(d, type);
}

LaneMask combined(Combine combine, LaneMask result, LaneMask with) {
  switch (combine) {
    case Combine::kNone: return result;
    case Combine::kAnd: return result & with;
    case Combine::kOr: return result | with;
    case Combine::kXor: return result ^ with;
  }
  return result;
}

// --- handlers
/// Words: p, q, a, b and, where something is combined, c. q is p's complement, or the upper halves' result.
template <bool kSecond>
Outcome set_predicates(Warp& warp, const Op& op, LaneMask active) {
  const auto& form = *static_cast<const CompareForm*>(op.form);
  const int32_t* w = op.words;
  LaneMask poison = warp.poison(w[2]) | warp.poison(w[3]), with = 0;
  if (form.combine != Combine::kNone) {
    with = warp.predicate(w[4]);
    poison |= warp.predicate_poison(w[4]);
  }
  LaneMask result = form.compare(warp, w[2], w[3], form);
  LaneMask second =
      form.compare_high != nullptr && kSecond ? form.compare_high(warp, w[2], w[3], form) : ~result;
  warp.set_predicate(w[0], active, combined(form.combine, result, with), poison);
  if (kSecond) warp.set_predicate(w[1], active, combined(form.combine, second, with), poison);
  return Outcome::kNext;
}

/// Words: d, a, b and, where something is combined, c.
Outcome set_register(Warp& warp, const Op& op, LaneMask active) {
  const auto& form = *static_cast<const CompareForm*>(op.form);
  const int32_t* w = op.words;
  LaneMask poison = warp.poison(w[1]) | warp.poison(w[2]), with = 0;
  if (form.combine != Combine::kNone) {
    with = warp.predicate(w[3]);
    poison |= warp.predicate_poison(w[3]);
  }
  LaneMask low = combined(form.combine, form.compare(warp, w[1], w[2], form), with), high = 0;
  if (form.compare_high != nullptr)
    high = combined(form.combine, form.compare_high(warp, w[1], w[2], form), with);
  auto* result = warp.lanes<uint32_t>(w[0]);
  for (LaneMask left = active; left != 0; left &= left - 1) {
    int i = __builtin_ctz(left);
    result[i] = (low >> i & 1 ? form.true_low : 0) | (high >> i & 1 ? form.true_high : 0);
  }
  warp.set_poison(w[0], active, poison);
  return Outcome::kNext;
}

/// Words: d, a, b, the predicate that chooses a.
template <class T>
struct Select {
  [[gnu::always_inline]] static inline Outcome run(Warp& warp, const Op& op, LaneMask active) {
    const int32_t* w = op.words;
    const Warp& reads = warp;
    const T *a = reads.lanes<T>(w[1]), *b = reads.lanes<T>(w[2]);
    T* result = warp.lanes<T>(w[0]);
    LaneMask chooses = warp.predicate(w[3]);
    if (active == kAllLanes) {
      TENON_EACH_LANE
      for (int i = 0; i < kLanes; ++i) result[i] = chooses & (LaneMask{1} << i) ? a[i] : b[i];
    } else {
      for (LaneMask left = active; left != 0; left &= left - 1) {
        int i = __builtin_ctz(left);
        result[i] = chooses >> i & 1 ? a[i] : b[i];
      }
    }
    LaneMask chosen = (warp.poison(w[1]) & chooses) | (warp.poison(w[2]) & ~chooses);
    warp.set_poison(w[0], active, chosen | warp.predicate_poison(w[3]));
    return Outcome::kNext;
  }
};

template <class T>
struct SelectBySign {
  T operator()(T a, T b, int32_t c) const { return c >= 0 ? a : b; }
};
template <class T>
struct SelectByFloat : FloatFormed {
  using FloatFormed::FloatFormed;
  T operator()(T a, T b, float c) const { return in(c) >= 0 ? a : b; }
};

// --- decoding
/// The relation and how it is combined; the form's comparison is still to be chosen.
llvm::StringRef relation_and_combination(Decoder& d, CompareForm& form) {
  llvm::StringRef relation = d.expect_any({"eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ",
                                           "neu", "ltu", "leu", "gtu", "geu", "num", "nan"});
  llvm::StringRef combine = d.accept_any({"and", "or", "xor"});
  if (!combine.empty())
    form.combine = combine == "and" ? Combine::kAnd : combine == "or" ? Combine::kOr : Combine::kXor;
  return relation;
}

void decode_setp(Decoder& d) {
  auto& form = d.form<CompareForm>();
  llvm::StringRef relation = relation_and_combination(d, form);
  Type type = d.expect_type();
  choose_comparison(d, type, relation, form);
  bool combines = form.combine != Combine::kNone;
  d.expect_operands(combines ? 4 : 3, combines ? 4 : 3);
  bool second = d.operand(0).kind == ptx::Operand::kPair;
  if (second && (type == Type::kF16 || type == Type::kBf16))
    d.fail("a comparison of 16-bit floats writes p alone");
  d.write_predicate(second ? d.operand(0).elements[0] : d.operand(0));
  if (second)
    d.write_predicate(d.operand(0).elements[1]);
  else
    d.number(0);
  d.read(1, type);
  d.read(2, type);
  if (combines) d.read_predicate(d.operand(3));
  d.emit(second ? set_predicates<true> : set_predicates<false>, OpClass::kInteger);
}

/// What true is in each result type; false is zero. Results in halves of a register are given for the lower one.
std::optional<uint32_t> truth(Type result, Type source) {
  bool half = source == Type::kF16 || source == Type::kBf16;
  bool pair = source == Type::kF16x2 || source == Type::kBf16x2;
  switch (result) {
    case Type::kU16:
    case Type::kS16: return half ? std::optional<uint32_t>(0xffff) : std::nullopt;
    case Type::kU32:
    case Type::kS32: return pair ? 0xffff : 0xffffffff;
    case Type::kF32: return half || pair ? std::nullopt : std::optional<uint32_t>(0x3f800000);
    case Type::kF16: return pair || source == Type::kBf16 ? std::nullopt : std::optional<uint32_t>(0x3c00);
    case Type::kBf16: return pair ? std::nullopt : std::optional<uint32_t>(0x3f80);
    case Type::kF16x2: return source == Type::kF16x2 ? std::optional<uint32_t>(0x3c00) : std::nullopt;
    case Type::kBf16x2: return source == Type::kBf16x2 ? std::optional<uint32_t>(0x3f80) : std::nullopt;
    default: return std::nullopt;
  }
}

void decode_set(Decoder& d) {
  auto& form = d.form<CompareForm>();
  llvm::StringRef relation = relation_and_combination(d, form);
  Type result = d.expect_type(), source = d.expect_type();
  choose_comparison(d, source, relation, form);
  if (form.flush && result == Type::kBf16) d.fail("no .ftz with a result of bf16");
  auto on = truth(result, source);
  if (!on) fail_type(d, result);
  form.true_low = *on;
  form.true_high = *on << 16;
  bool combines = form.combine != Combine::kNone;
  d.expect_operands(combines ? 4 : 3, combines ? 4 : 3);
  d.write(0, result);
  d.read(1, source);
  d.read(2, source);
  if (combines) d.read_predicate(d.operand(3));
  d.emit(set_register, OpClass::kInteger);
}

/// b16 ... s64, f32, f64.
bool is_selectable(Type type) {
  return ptx::bits(type) >= 16 && ptx::bits(type) <= 64 &&
         (!ptx::is_float(type) || type == Type::kF32 || type == Type::kF64);
}

void decode_selp(Decoder& d) {
  Type type = d.expect_type();
  if (!is_selectable(type)) fail_type(d, type);
  d.expect_operands(4, 4);
  d.write(0, type);
  d.read(1, type);
  d.read(2, type);
  d.read_predicate(d.operand(3));
  d.emit(ptx::bits(type) == 64 ? versioned<Select<uint64_t>>() : versioned<Select<uint32_t>>(),
         OpClass::kInteger);
}

void decode_slct(Decoder& d) {
  Type type = d.expect_type(), by = d.expect_type();
  if (!is_selectable(type)) fail_type(d, type);
  if (by != Type::kS32 && by != Type::kF32) fail_type(d, by);
  bool wide = ptx::bits(type) == 64, real = by == Type::kF32;
  d.form<FloatForm>().flush = real && d.accept("ftz");
  Handler handler = real
                        ? (wide ? each_lane<SelectByFloat<uint64_t>>() : each_lane<SelectByFloat<uint32_t>>())
                        : (wide ? each_lane<SelectBySign<uint64_t>>() : each_lane<SelectBySign<uint32_t>>());
  emit_lanes(d, handler, type, {type, type, by}, OpClass::kInteger);
}

}  // namespace

OpcodeTable compare_opcodes() {
  static constexpr OpcodeEntry kTable[] = {
      {"setp", decode_setp},
      {"set", decode_set},
      {"selp", decode_selp},
      {"slct", decode_slct},
  };
  return kTable;
}

}  // namespace tenon::emulator
