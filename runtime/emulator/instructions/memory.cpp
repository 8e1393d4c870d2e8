// memory.cpp: ld, ldu and st of every space (PTX ISA 9.0, 9.7.9.8 to 9.7.9.12).
#include <algorithm>
#include <cstring>

#include "runtime/emulator/instructions/memory_modifiers.h"
#include "runtime/emulator/instructions/memory_order.h"
#include "runtime/emulator/instructions/polling.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Space;
using ptx::Type;

constexpr int kMaxElements = 8;
constexpr int32_t kNoSlot = INT32_MIN;  // of an element that goes to `_`
constexpr int kFirstElement = 2;        // among the words, after the address

struct MemoryForm {
  MemoryPlace place;
  int elements = 1, bytes = 0;        ///< bytes: of all elements
  uint8_t widths[kMaxElements] = {};  ///< of the elements' registers, in bits
  MemoryOrder order;
  bool constant_path = false;
  int used_bytes = 0;  ///< as Access::used_bytes
};

const MemoryForm& form_of(const Op& op) { return *static_cast<const MemoryForm*>(op.form); }

Access access_of(Warp& warp, const Op& op, AccessKind kind) {
  const MemoryForm& form = form_of(op);
  Access access{warp, op, 0, kind};
  access.cluster = form.place.cluster;
  access.strong = form.order.strong;
  access.device_scope = form.order.device_scope;
  access.constant_path = form.constant_path;
  access.used_bytes = form.used_bytes;
  return access;
}

// --- Loads

/// One element from memory, where it is an M, into registers of R's width, held as D.
template <class M, class R, class D>
void load_element(const LaneBytes& from, int element, D* out) {
  const size_t offset = element * sizeof(M);
  auto one = [&](int lane) {
    M value;
    std::memcpy(&value, from.at[lane] + offset, sizeof value);
    out[lane] = static_cast<R>(value);
  };
  if (from.lanes == kAllLanes) {
    for (int lane = 0; lane < kLanes; ++lane) one(lane);
  } else {
    for (LaneMask left = from.lanes; left != 0; left &= left - 1) one(__builtin_ctz(left));
  }
}

template <class M>
void load_elements(Warp& warp, const Op& op, const LaneBytes& from) {
  const MemoryForm& form = form_of(op);
  for (int e = 0; e < form.elements; ++e) {
    const Slot slot = op.words[kFirstElement + e];
    if (slot == kNoSlot) continue;
    if (form.elements == 1 && from.contiguous && form.widths[e] == 8 * sizeof(M) && sizeof(M) >= 4) {
      std::memcpy(warp.lanes<std::byte>(slot), from.at[0], kLanes * sizeof(M));
      continue;
    }
    switch (form.widths[e]) {
      case 8: load_element<M, uint8_t>(from, e, warp.lanes<uint32_t>(slot)); break;
      case 16: load_element<M, uint16_t>(from, e, warp.lanes<uint32_t>(slot)); break;
      case 32: load_element<M, uint32_t>(from, e, warp.lanes<uint32_t>(slot)); break;
      default: load_element<M, uint64_t>(from, e, warp.lanes<uint64_t>(slot)); break;
    }
  }
}

/// Whether a load that others' stores may end saw just what it saw the last time.
bool saw_the_same(Warp& warp, const Op& op, const LaneAddresses& addresses, const LaneBytes& from) {
  Sight sight;
  for (LaneMask left = from.lanes; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    uint64_t value = 0;
    std::memcpy(&value, from.at[lane], std::min<int>(form_of(op).bytes, sizeof value));
    sight.add(addresses[lane]);
    sight.add(value);
  }
  return sight.again(warp, op);
}

template <class M>
Outcome run_load(Warp& warp, const Op& op, LaneMask active) {
  const MemoryForm& form = form_of(op);
  const LaneMask known = known_addresses(warp, op, active);
  LaneAddresses addresses;
  lane_addresses(warp, op, form.place, addresses);
  LaneBytes from;
  if (known != 0)
    access_lanes(access_of(warp, op, AccessKind::kRead), known, form.place.space, addresses, form.bytes, 0,
                 from);
  load_elements<M>(warp, op, from);
  const LaneMask poison = (active & ~from.lanes) | from.uninitialised;
  for (int e = 0; e < form.elements; ++e)
    if (Slot slot = op.words[kFirstElement + e]; slot != kNoSlot) warp.set_poison(slot, active, poison);
  if (!form.order.strong) return Outcome::kNext;
  order_reads(warp, form.place, addresses, from.lanes, form.order);
  if (!saw_the_same(warp, op, addresses, from)) return Outcome::kNext;
  warp.waits_for([&] {
    return "another value " + describe_place(warp, form.place.space, addresses[__builtin_ctz(active)]);
  });
  return Outcome::kYield;
}

// --- Stores

struct StoredElement {
  const uint32_t* narrow = nullptr;
  const uint64_t* wide = nullptr;
  uint64_t operator[](int lane) const { return wide ? wide[lane] : narrow[lane]; }
};

StoredElement stored_element(const Warp& warp, const Op& op, int element) {
  const Slot slot = op.words[kFirstElement + element];
  if (form_of(op).widths[element] > 32) return {nullptr, warp.lanes<uint64_t>(slot)};
  return {warp.lanes<uint32_t>(slot), nullptr};
}

template <class M>
bool same_values(const Warp& warp, const Op& op, int a, int b) {
  for (int e = 0; e < form_of(op).elements; ++e) {
    const StoredElement element = stored_element(warp, op, e);
    if (static_cast<M>(element[a]) != static_cast<M>(element[b])) return false;
  }
  return true;
}

/// Lanes that store different values to one place: which of them stays is anybody's guess. Accesses are aligned, so two
/// of them have all bytes in common or none.
template <class M>
void check_conflicts(Warp& warp, const Op& op, const LaneAddresses& addresses, const LaneBytes& to) {
  if (to.distinct) return;
  for (LaneMask left = to.lanes; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    for (LaneMask later = left & (left - 1); later != 0; later &= later - 1) {
      const int other = __builtin_ctz(later);
      if (to.at[lane] != to.at[other] || same_values<M>(warp, op, lane, other)) continue;
      const Space space = form_of(op).place.space;
      const bool shared = space == Space::kShared ||
                          (space == Space::kGeneric && addresses[lane] - kSharedWindow < kWindowBytes);
      report(warp, op, other, shared ? FindingKind::kSharedRace : FindingKind::kGlobalRace,
             "lanes " + std::to_string(lane) + " and " + std::to_string(other) +
                 " of one instruction store different values " +
                 describe_place(warp, space, addresses[lane]));
      return;
    }
  }
}

template <class M>
void store_element(const StoredElement& element, int index, const LaneBytes& to) {
  const size_t offset = index * sizeof(M);
  auto one = [&](int lane, auto stored) {
    const auto value = static_cast<M>(stored);
    std::memcpy(to.at[lane] + offset, &value, sizeof value);
  };
  if (to.lanes == kAllLanes && !element.wide) {
    for (int lane = 0; lane < kLanes; ++lane) one(lane, element.narrow[lane]);
  } else {
    for (LaneMask left = to.lanes; left != 0; left &= left - 1) {
      const int lane = __builtin_ctz(left);
      one(lane, element[lane]);
    }
  }
}

template <class M>
Outcome run_store(Warp& warp, const Op& op, LaneMask active) {
  const MemoryForm& form = form_of(op);
  const LaneMask known = known_addresses(warp, op, active);
  if (known == 0) return Outcome::kNext;
  LaneMask poisoned = 0;
  for (int e = 0; e < form.elements; ++e) poisoned |= warp.poison(op.words[kFirstElement + e]);
  LaneAddresses addresses;
  lane_addresses(warp, op, form.place, addresses);
  LaneBytes to;
  access_lanes(access_of(warp, op, AccessKind::kWrite), known, form.place.space, addresses, form.bytes,
               poisoned, to);
  check_conflicts<M>(warp, op, addresses, to);
  for (int e = 0; e < form.elements; ++e) store_element<M>(stored_element(warp, op, e), e, to);
  if (form.order.strong) order_writes(warp, form.place, addresses, to.lanes, form.order, false);
  return Outcome::kNext;
}

// --- Decoding

Handler load_handler(Type type) {
  switch (ptx::bytes(type)) {
    case 1: return is_signed(type) ? run_load<int8_t> : run_load<uint8_t>;
    case 2: return is_signed(type) ? run_load<int16_t> : run_load<uint16_t>;
    case 4: return is_signed(type) ? run_load<int32_t> : run_load<uint32_t>;
    default: return run_load<uint64_t>;
  }
}

Handler store_handler(Type type) {
  switch (ptx::bytes(type)) {
    case 1: return run_store<uint8_t>;
    case 2: return run_store<uint16_t>;
    case 4: return run_store<uint32_t>;
    default: return run_store<uint64_t>;
  }
}

OpClass class_of(Space space, bool store) {
  switch (space) {
    case Space::kShared: return store ? OpClass::kStoreShared : OpClass::kLoadShared;
    case Space::kLocal: return OpClass::kLocal;
    case Space::kParam:
    case Space::kConst: return OpClass::kParam;
    default: return store ? OpClass::kStoreGlobal : OpClass::kLoadGlobal;
  }
}

Type expect_memory_type(Decoder& decoder) {
  const Type type = decoder.expect_type();
  switch (type) {
    case Type::kB8:
    case Type::kU8:
    case Type::kS8:
    case Type::kB16:
    case Type::kU16:
    case Type::kS16:
    case Type::kB32:
    case Type::kU32:
    case Type::kS32:
    case Type::kF32:
    case Type::kB64:
    case Type::kU64:
    case Type::kS64:
    case Type::kF64: return type;
    default: decoder.fail("memory is not accessed as ." + ptx::name(type).str());
  }
}

/// Semantics, scope and space: what ld and st begin with.
void decode_order(Decoder& decoder, MemoryForm& form, llvm::StringRef ordered) {
  const bool mmio = decoder.accept("mmio");
  const llvm::StringRef order = decoder.accept_any({"weak", "volatile", "relaxed", ordered});
  if (mmio && order != "relaxed") decoder.fail(".mmio goes with .relaxed alone");
  const bool scoped = order == "relaxed" || order == ordered;
  form.order.set(order, scoped ? decoder.expect_any({"cta", "cluster", "gpu", "sys"}) : "");
  form.place = decode_space(decoder);
  if (form.order.strong && form.place.may_be_global()) decoder.mark_global_atomics();
}

/// The vector's size, checked against what the widest access may be.
void check_width(Decoder& decoder, const MemoryForm& form) {
  const bool very_wide = form.place.space == Space::kGlobal && decoder.target_arch() >= 100;
  if (form.bytes > (very_wide ? 32 : 16))
    decoder.fail("an access of " + std::to_string(form.bytes) + " bytes a thread",
                 "16 bytes at most; 32 in global memory from sm_100 on");
}

template <class Visit>
void for_elements(Decoder& decoder, const ptx::Operand& operand, const MemoryForm& form, Visit visit) {
  const bool vector = operand.kind == ptx::Operand::kVector;
  const int given = vector ? static_cast<int>(operand.elements.size()) : 1;
  if (given != form.elements)
    decoder.fail(std::to_string(given) + " values where the instruction has " +
                 std::to_string(form.elements));
  for (int e = 0; e < given; ++e) visit(e, vector ? operand.elements[e] : operand);
}

struct Values {
  Type type;
  bool policy;  ///< of a cache: a third operand
};
/// What loads and stores have alike, from the cache hints on.
Values decode_values(Decoder& decoder, MemoryForm& form) {
  const bool policy = accept_cache_hints(decoder);
  form.elements = accept_vector(decoder);
  const Type type = expect_memory_type(decoder);
  form.bytes = form.elements * ptx::bytes(type);
  check_width(decoder, form);
  decoder.expect_operands(2 + policy, 2 + policy);
  return {type, policy};
}

void decode_load(Decoder& decoder) {
  auto& form = decoder.form<MemoryForm>();
  decode_order(decoder, form, "acquire");
  decoder.accept_any({"ca", "cg", "cs", "lu", "cv"});
  form.constant_path = decoder.accept("nc");
  if (form.constant_path && form.place.space != Space::kGlobal) decoder.fail(".nc loads from .global alone");
  form.used_bytes = decoder.instruction().used_bytes;
  const Values values = decode_values(decoder, form);
  decode_address(decoder, decoder.operand(1), form.place);
  for_elements(decoder, decoder.operand(0), form, [&](int e, const ptx::Operand& element) {
    if (element.kind == ptx::Operand::kSink)
      decoder.number(kNoSlot);
    else
      form.widths[e] = static_cast<uint8_t>(decoder.write(element, values.type, true));
  });
  if (values.policy) read_cache_policy(decoder, 2);
  decoder.emit(load_handler(values.type), class_of(form.place.space, false));
}

void decode_store(Decoder& decoder) {
  auto& form = decoder.form<MemoryForm>();
  decode_order(decoder, form, "release");
  decoder.accept_any({"wb", "cg", "cs", "wt"});
  const Values values = decode_values(decoder, form);
  decode_address(decoder, decoder.operand(0), form.place);
  if (form.place.space == Space::kConst || form.place.space == Space::kParam)
    decoder.fail("constants and the kernel's parameters cannot be stored to");
  for_elements(decoder, decoder.operand(1), form, [&](int e, const ptx::Operand& element) {
    form.widths[e] = static_cast<uint8_t>(decoder.read(element, values.type, true));
  });
  if (values.policy) read_cache_policy(decoder, 2);
  decoder.emit(store_handler(values.type), class_of(form.place.space, true));
}

}  // namespace

bool accept_cache_hints(Decoder& decoder) {
  static constexpr llvm::StringRef kHints[] = {
      "L1::evict_normal", "L1::evict_unchanged", "L1::evict_first", "L1::evict_last", "L1::no_allocate",
      "L2::evict_normal", "L2::evict_first",     "L2::evict_last",  "L2::64B",        "L2::128B",
      "L2::256B"};
  for (llvm::StringRef hint : kHints) decoder.accept(hint);
  return decoder.accept("L2::cache_hint");
}

void read_cache_policy(Decoder& decoder, int i) { decoder.read(i, Type::kB64); }

int accept_vector(Decoder& decoder) {
  const llvm::StringRef vector = decoder.accept_any({"v2", "v4", "v8"});
  return vector.empty() ? 1 : vector[1] - '0';
}

OpcodeTable memory_opcodes() {
  static const OpcodeEntry table[] = {{"ld", decode_load}, {"ldu", decode_load}, {"st", decode_store}};
  return table;
}

}  // namespace tenon::emulator
