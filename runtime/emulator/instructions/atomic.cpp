// atomic.cpp: atom and red (PTX ISA 9.0, 9.7.13.5 and 9.7.13.7). Lanes act one after the other, in their order.
#include <cstring>

#include "runtime/emulator/instructions/atomic_updates.h"
#include "runtime/emulator/instructions/memory_modifiers.h"
#include "runtime/emulator/instructions/memory_order.h"
#include "runtime/emulator/instructions/polling.h"
#include "runtime/emulator/instructions/tables.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

constexpr int kMaxElements = 8;
constexpr int kFirst = 2;  // of the words after the address

struct AtomicForm {
  MemoryPlace place;
  MemoryOrder order;
  Update update = nullptr, update_global = nullptr;
  int elements = 1, bytes = 0;  ///< bytes: of one element
  bool returns = false, compares = false, combines = true;
};

const AtomicForm& form_of(const Op& op) { return *static_cast<const AtomicForm*>(op.form); }

/// Registers of an element by lane, 4 or 8 bytes wide.
uint64_t read_lane(const Warp& warp, Slot slot, int lane, int bytes) {
  return bytes == 8 ? warp.lanes<uint64_t>(slot)[lane] : warp.lanes<uint32_t>(slot)[lane];
}
void write_lane(Warp& warp, Slot slot, int lane, int bytes, uint64_t value) {
  if (bytes == 8)
    warp.lanes<uint64_t>(slot)[lane] = value;
  else
    warp.lanes<uint32_t>(slot)[lane] = static_cast<uint32_t>(value);
}

/// Words after the address: results (where it returns), operands, the third operand (cas).
struct AtomicWords {
  const int32_t *results, *operands, *third;
  explicit AtomicWords(const Op& op)
      : results(op.words + kFirst),
        operands(results + (form_of(op).returns ? form_of(op).elements : 0)),
        third(operands + form_of(op).elements) {}
};

/// One lane's update of all elements; true where memory changed.
bool update_lane(Warp& warp, const Op& op, int lane, std::byte* at, bool global, Sight& sight) {
  const AtomicForm& form = form_of(op);
  const AtomicWords words(op);
  uint64_t old[kMaxElements] = {};
  bool changed = false;
  for (int e = 0; e < form.elements; ++e) {
    std::byte* element = at + e * form.bytes;
    std::memcpy(&old[e], element, form.bytes);
    const uint64_t b = read_lane(warp, words.operands[e], lane, form.bytes);
    const uint64_t c = form.compares ? read_lane(warp, words.third[0], lane, form.bytes) : 0;
    const uint64_t made = (global ? form.update_global : form.update)(old[e], b, c);
    std::memcpy(element, &made, form.bytes);
    changed |= std::memcmp(&made, &old[e], form.bytes) != 0;
    sight.add(old[e]);
  }
  if (form.returns)
    for (int e = 0; e < form.elements; ++e) write_lane(warp, words.results[e], lane, form.bytes, old[e]);
  return changed;
}

LaneMask poison_of_operands(const Warp& warp, const Op& op) {
  const AtomicForm& form = form_of(op);
  const AtomicWords words(op);
  LaneMask poison = form.compares ? warp.poison(words.third[0]) : 0;
  for (int e = 0; e < form.elements; ++e) poison |= warp.poison(words.operands[e]);
  return poison;
}

Outcome run_atomic(Warp& warp, const Op& op, LaneMask active) {
  const AtomicForm& form = form_of(op);
  const LaneMask known = known_addresses(warp, op, active);
  LaneAddresses addresses;
  lane_addresses(warp, op, form.place, addresses);
  Access access{warp, op, 0, AccessKind::kAtomic};
  access.cluster = form.place.cluster;
  access.returns = form.returns;
  access.combines = form.combines;
  access.device_scope = form.order.device_scope;
  LaneBytes at;
  if (known != 0)
    access_lanes(access, known, form.place.space, addresses, form.bytes * form.elements,
                 poison_of_operands(warp, op), at);
  Sight sight;
  bool changed = false;
  for (LaneMask left = at.lanes; left != 0; left &= left - 1) {
    const int lane = __builtin_ctz(left);
    const bool global = form.place.space == ptx::Space::kGlobal ||
                        (form.place.space == ptx::Space::kGeneric && addresses[lane] < kParamWindow);
    sight.add(addresses[lane]);
    changed |= update_lane(warp, op, lane, at.at[lane], global, sight);
  }
  if (form.returns)
    for (int e = 0; e < form.elements; ++e)
      warp.set_poison(op.words[kFirst + e], active, (active & ~at.lanes) | at.uninitialised);
  order_reads(warp, form.place, addresses, at.lanes, form.order);
  order_writes(warp, form.place, addresses, at.lanes, form.order, true);
  if (changed) warp.block().residency().progress();
  // A lock that stays taken: whoever holds it should run.
  if (!sight.again(warp, op) || changed) return Outcome::kNext;
  warp.waits_for([&] {
    return "another value " + describe_place(warp, form.place.space, addresses[__builtin_ctz(active)]);
  });
  return Outcome::kYield;
}

// --- Decoding

void decode_order(Decoder& decoder, AtomicForm& form) {
  const llvm::StringRef semantics = decoder.accept_any({"relaxed", "acquire", "release", "acq_rel"});
  form.order.set(semantics, decoder.accept_any({"cta", "cluster", "gpu", "sys"}));
  form.place = decode_space(decoder);
  if (form.place.space != ptx::Space::kGlobal && form.place.space != ptx::Space::kShared &&
      form.place.space != ptx::Space::kGeneric)
    decoder.fail("atomics act on global and shared memory alone");
  if (form.place.may_be_global()) decoder.mark_global_atomics();
}

/// The element's type; 16-bit floats alone and in pairs, and vectors, have rules of their own.
Type decode_operation(Decoder& decoder, AtomicForm& form) {
  const llvm::StringRef operation =
      decoder.expect_any({"add", "min", "max", "and", "or", "xor", "inc", "dec", "exch", "cas"});
  const bool no_flush = decoder.accept("noftz");
  form.elements = accept_vector(decoder);
  const Type type = decoder.expect_type();
  const bool halves = type == Type::kF16 || type == Type::kBf16 || is_packed(type);
  form.update = find_update(operation, type, false);
  form.update_global = find_update(operation, type, true);
  if (!form.update) decoder.fail("there is no atomic ." + operation.str() + " of ." + ptx::name(type).str());
  if (halves != no_flush) decoder.fail(halves ? "16-bit floats want .noftz" : ".noftz is for 16-bit floats");
  if (halves && form.elements == 1 && operation != "add")
    decoder.fail("a single atomic of 16-bit floats is .add", ".min and .max are vectors': .v2, .v4, .v8");
  form.bytes = ptx::bytes(type);
  if (form.elements > 1 && (form.place.space != ptx::Space::kGlobal || decoder.target_arch() < 90 ||
                            !(halves || type == Type::kF32) || form.bytes * form.elements > 16))
    decoder.fail("vector atomics are of f32 and 16-bit floats, in .global, 16 bytes at most, from sm_90 on");
  form.compares = operation == "cas";
  form.combines = operation != "exch";
  return type;
}

/// The register type that holds an element: 16-bit floats and pairs of them are bits.
Type register_type(Type type) {
  if (ptx::bytes(type) == 2) return Type::kB16;
  return is_packed(type) ? Type::kB32 : type;
}

void check_elements(Decoder& decoder, int given, const AtomicForm& form) {
  if (given != form.elements)
    decoder.fail(std::to_string(given) + " values where the instruction has " +
                 std::to_string(form.elements));
}

void decode(Decoder& decoder, bool returns) {
  if (!returns && decoder.accept("async")) decoder.fail("red.async is not supported by the emulator");
  auto& form = decoder.form<AtomicForm>();
  form.returns = returns;
  decode_order(decoder, form);
  const Type element = decode_operation(decoder, form), type = register_type(element);
  if (!returns && (form.compares || !form.combines)) decoder.fail("red has no .cas and no .exch");
  const bool policy = accept_cache_hints(decoder);
  int next = returns ? 1 : 0;
  const int count = next + 2 + form.compares + policy;
  decoder.expect_operands(count, count);
  decode_address(decoder, decoder.operand(next++), form.place);
  if (returns) check_elements(decoder, decoder.write_all(decoder.operand(0), type), form);
  check_elements(decoder, decoder.read_all(decoder.operand(next++), type), form);
  if (form.compares) decoder.read(next++, type);
  if (policy) read_cache_policy(decoder, next);
  const int flops = is_float(element) ? form.elements * (is_packed(element) ? 2 : 1) : 0;
  decoder.emit(run_atomic, OpClass::kAtomic, flops);
}

void decode_atom(Decoder& decoder) { decode(decoder, true); }
void decode_red(Decoder& decoder) { decode(decoder, false); }

// --- Fences

Outcome run_nothing(Warp&, const Op&, LaneMask) { return Outcome::kNext; }

template <bool device_scope>
Outcome run_fence(Warp& warp, const Op&, LaneMask) {
  order_fence(warp, device_scope);
  return Outcome::kNext;
}

/// Mbarriers initialised before become visible to the async proxy.
Outcome run_init_fence(Warp& warp, const Op&, LaneMask) {
  ++warp.block().async_fences;
  return Outcome::kNext;
}

/// Generic writes to shared memory become visible to the async proxy.
Outcome run_proxy_fence(Warp& warp, const Op&, LaneMask) {
  Block& block = warp.block();
  ++block.async_fences;
  if (RaceDetector* races = block.residency().races(block))
    races->fence_proxy(races->agents().warp(block.rank(), warp.index()));
  return Outcome::kNext;
}

Handler decode_proxy(Decoder& decoder) {
  if (decoder.accept("tensormap::generic")) {
    const bool acquire = decoder.expect_any({"acquire", "release"}) == "acquire";
    decoder.expect_any({"cta", "cluster", "gpu", "sys"});
    decoder.expect_operands(acquire ? 2 : 0, acquire ? 2 : 0);
    if (acquire) {
      decoder.address(decoder.operand(0), ptx::Space::kGeneric);
      decoder.immediate(decoder.operand(1), 128, 128);
    }
    return run_nothing;
  }
  decoder.expect_operands(0, 0);
  if (decoder.accept("async::generic")) {
    const bool acquire = decoder.expect_any({"acquire", "release"}) == "acquire";
    decoder.expect_any({acquire ? "sync_restrict::shared::cluster" : "sync_restrict::shared::cta"});
    decoder.expect_any({"cluster"});
    return run_nothing;
  }
  if (decoder.accept("alias")) return run_nothing;
  decoder.expect_any({"async"});
  const bool global = decoder.accept("global");
  if (!global) decoder.accept_any({"shared::cta", "shared::cluster"});
  return global ? run_nothing : run_proxy_fence;
}

void decode_fence(Decoder& decoder) {
  Handler handler = run_nothing;
  if (decoder.accept("proxy")) {
    handler = decode_proxy(decoder);
  } else {
    decoder.expect_operands(0, 0);
    const bool initialised = decoder.accept("mbarrier_init");
    const llvm::StringRef order = decoder.accept_any({"sc", "acq_rel", "acquire", "release"});
    if (initialised && order != "release") decoder.fail("fence.mbarrier_init is .release.cluster");
    if (order == "acquire" || order == "release")
      decoder.accept_any({"sync_restrict::shared::cluster", "sync_restrict::shared::cta"});
    const bool block_scope = decoder.expect_any({"cta", "cluster", "gpu", "sys"}) == "cta";
    handler = initialised ? run_init_fence : block_scope ? run_fence<false> : run_fence<true>;
  }
  decoder.emit(handler, OpClass::kSync);
}

void decode_membar(Decoder& decoder) {
  decoder.expect_operands(0, 0);
  if (decoder.accept("proxy")) {
    decoder.emit(decode_proxy(decoder), OpClass::kSync);
    return;
  }
  const bool block_scope = decoder.expect_any({"cta", "gl", "sys"}) == "cta";
  decoder.emit(block_scope ? run_fence<false> : run_fence<true>, OpClass::kSync);
}

}  // namespace

OpcodeTable atomic_opcodes() {
  static const OpcodeEntry table[] = {
      {"atom", decode_atom}, {"red", decode_red}, {"fence", decode_fence}, {"membar", decode_membar}};
  return table;
}

}  // namespace tenon::emulator
