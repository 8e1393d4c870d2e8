// tensor_copy.cpp: cp.async.bulk.tensor and its reductions: boxes of a tensor map between global and shared memory (PTX ISA
// 9.0, 9.7.9.27). Tile mode alone.
#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/emulator/instructions/copies.h"
#include "runtime/emulator/instructions/engine.h"
#include "runtime/emulator/machine/tensor_map.h"

namespace tenon::emulator {
namespace {

using ptx::Space;
using ptx::Type;

constexpr int kAlignment = 128;  // of a box in shared memory
constexpr int kChunk = 16;

struct TensorForm {
  enum Direction : uint8_t { kLoad, kStore, kReduce, kPrefetch } direction = kLoad;
  int rank = 1;
  ReduceOp op = ReduceOp::kAdd;
  bool multicast = false;
  AddressOperand map, shared, barrier;
  int8_t coordinates = 0, mask = 0;  // words
};

/// One lane's copy: its operands, read and found good.
struct TensorCopy {
  Engine engine;
  TensorTiling map;
  int32_t first[TensorTiling::kMostRank] = {};  // coordinates
  uint32_t shared = 0;                          // the box
  uint32_t barrier = 0;                         // of a load
  std::vector<std::byte>& box;                  // of map.box_bytes(), in plain order
};

/// Bytes of a box in plain order, kept for their storage by each host thread.
std::vector<std::byte>& box_storage() {
  static thread_local std::vector<std::byte> box;
  return box;
}

void refuse(const Access& at, FindingKind kind, std::string message) {
  report(at.warp, at.op, at.lane, kind, std::move(message));
}

Type type_of(TensorElement element) {
  switch (element) {
    case TensorElement::kU32: return Type::kU32;
    case TensorElement::kI32: return Type::kS32;
    case TensorElement::kU64: return Type::kU64;
    case TensorElement::kI64: return Type::kS64;
    case TensorElement::kF16: return Type::kF16;
    case TensorElement::kBf16: return Type::kBf16;
    case TensorElement::kF32: return Type::kF32;
    case TensorElement::kF64: return Type::kF64;
    default: return Type::kB8;
  }
}

/// The reduction's type: logic knows no sign.
Type reduced_type(ReduceOp op, TensorElement element) {
  const Type type = type_of(element);
  if (op < ReduceOp::kAnd ||
      (type != Type::kU32 && type != Type::kS32 && type != Type::kU64 && type != Type::kS64))
    return type;
  return ptx::bits(type) == 32 ? Type::kB32 : Type::kB64;
}

std::optional<TensorTiling> read_map(const Access& at, const TensorForm& form) {
  const Accessed bytes =
      access_generic(at, form.map.at(at.warp, at.op, at.lane), kTensorMapBytes, kTensorMapAlignment);
  if (!bytes) return std::nullopt;
  std::optional<TensorTiling> map = decode_tensor_map(bytes.bytes);
  const char* unsupported = nullptr;
  if (!map) {
    refuse(at, FindingKind::kDescriptor,
           "the operand is no tensor map: its 128 bytes are not what encoded one");
    return std::nullopt;
  }
  if (map->rank != form.rank)
    refuse(at, FindingKind::kDescriptor,
           "a " + std::to_string(form.rank) + "-dimensional copy with a tensor map of rank " +
               std::to_string(map->rank));
  if (map->interleave != TensorInterleave::kNone) unsupported = "an interleaved tensor map";
  for (int i = 0; i < map->rank; ++i)
    if (map->element_strides[i] != 1) unsupported = "a tensor map with element strides";
  if (form.direction == TensorForm::kReduce && !can_reduce(form.op, reduced_type(form.op, map->element)))
    unsupported = "this reduction for the tensor map's element type";
  if (unsupported != nullptr) refuse(at, FindingKind::kUnsupported, unsupported);
  if (unsupported != nullptr || map->rank != form.rank) return std::nullopt;
  return map;
}

/// A box that begins inside the swizzle's pattern and reaches beyond it was hardly meant so.
void check_pattern(const Access& at, const TensorTiling& map, uint32_t shared) {
  const int64_t pattern = map.swizzle == TensorSwizzle::kNone ? 1 : 8 * swizzle_span(map.swizzle);
  if (shared % kAlignment != 0 || shared % pattern == 0 || map.box_bytes() < pattern) return;
  refuse(at, FindingKind::kDescriptor,
         "the box begins inside the swizzle's pattern: its address is not aligned to " +
             std::to_string(pattern) + " bytes");
}

/// Bytes of shared memory that the box touches: whole spans of the swizzle.
int64_t touched_bytes(const TensorTiling& map) {
  const int64_t span = swizzle_span(map.swizzle);
  return (map.box_bytes() + span - 1) / span * span;
}

/// Zeros, or the engine's own NaN in each 16 bits (seen on an H200).
void fill(const TensorTiling& map, std::byte* bytes, int64_t count) {
  std::memset(bytes, 0, count);
  if (map.fill != TensorFill::kNan) return;
  constexpr uint16_t kNan = 0x7ff7;
  for (int64_t at = 0; at < count; at += sizeof kNan) std::memcpy(bytes + at, &kNan, sizeof kNan);
}

/// Loads of tf32 round to nearest even and make every NaN the same one; subnormal numbers stay (seen on an H200, for the
/// _FTZ types too).
void round_to_tf32(std::byte* bytes, int64_t count) {
  for (int64_t at = 0; at < count; at += sizeof(uint32_t)) {
    uint32_t bits;
    std::memcpy(&bits, bytes + at, sizeof bits);
    const bool nan = (bits & 0x7fffffff) > 0x7f800000;
    bits = nan ? 0x7fffe000 : (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fffu;
    std::memcpy(bytes + at, &bits, sizeof bits);
  }
}

/// Reads the box from global memory. Returns the offsets of elements with bytes that nothing wrote.
std::vector<uint32_t> gather(const TensorCopy& copy) {
  std::vector<uint32_t> uninitialised;
  const Access read = copy.engine.access(AccessKind::kRead);
  const int element = element_bytes(copy.map.element);
  const bool rounds = copy.map.element == TensorElement::kTf32 || copy.map.element == TensorElement::kTf32Ftz;
  for_each_row(copy.map, copy.first, [&](const BoxRow& row) {
    std::byte* to = copy.box.data() + row.offset;
    fill(copy.map, to, row.before);
    fill(copy.map, to + row.before + row.inside, row.after);
    if (row.inside == 0) return;
    const Accessed from = access_global(read, row.address, row.inside, 1);
    if (!from) return fill(copy.map, to + row.before, row.inside);
    std::memcpy(to + row.before, from.bytes, row.inside);
    if (rounds) round_to_tf32(to + row.before, row.inside);
    if (from.initialised) return;
    const Allocation& allocation = *read.warp.launch().memory.find(row.address, row.inside);
    const auto first = static_cast<int64_t>(row.address - allocation.address);
    for (int at = 0; at < row.inside; at += element)
      if (!allocation.initialised.all(first + at, element))
        uninitialised.push_back(row.offset + row.before + at);
  });
  return uninitialised;
}

/// Writes the box to one block's shared memory and tells the mbarrier there.
void deliver(const TensorCopy& copy, uint32_t shared, uint32_t barrier,
             const std::vector<uint32_t>& uninitialised) {
  const Engine engine = copy.engine.counted_by(barrier);
  const Access write = engine.access(AccessKind::kWrite);
  const MbarrierPlace place = find_mbarrier(write, barrier);
  uint32_t offset = 0;
  Block* owner = shared_owner(write, shared, offset);
  if (place && owner && place.block != owner)
    refuse(write, FindingKind::kMbarrier, "the mbarrier of a tensor copy lies in another block than its box");
  const Accessed target =
      owner ? access_shared(write, shared, touched_bytes(copy.map), kAlignment) : Accessed{};
  if (target) {
    swizzle_box(copy.map.swizzle, shared, target.bytes, copy.box.data(), copy.map.box_bytes());
    for (uint32_t at : uninitialised)
      access_shared(engine.access(AccessKind::kWrite, true), swizzled(copy.map.swizzle, shared + at),
                    element_bytes(copy.map.element), 1);
  }
  if (place) complete_bytes(write, place, copy.map.box_bytes());
}

bool box_fits(const Access& at, const TensorTiling& map) {
  if (map.box_bytes() <= static_cast<int64_t>(at.warp.block().shared.bytes.size())) return true;
  refuse(at, FindingKind::kOutOfBounds,
         "a box of " + std::to_string(map.box_bytes()) +
             " bytes is larger than the block's shared memory of " +
             std::to_string(at.warp.block().shared.bytes.size()) + " bytes");
  return false;
}

void load(const TensorCopy& copy, const Access& at, const TensorForm& form) {
  const std::vector<uint32_t> uninitialised = gather(copy);
  if (!form.multicast) return deliver(copy, copy.shared, copy.barrier, uninitialised);
  for (uint32_t mask = at.warp.lanes<uint32_t>(at.op.words[form.mask])[at.lane] & 0xffff; mask;
       mask &= mask - 1) {
    const int rank = __builtin_ctz(mask);
    deliver(copy, in_block(copy.shared, rank), in_block(copy.barrier, rank), uninitialised);
  }
}

/// Whether the chunks of shared memory that hold `row`'s bytes inside the tensor were all written.
bool initialised(const TensorCopy& copy, const BoxRow& row) {
  const uint32_t begin = row.offset + row.before, end = begin + row.inside;
  for (uint32_t at = begin; at < end;) {
    const uint32_t next = std::min(end, at / kChunk * kChunk + kChunk);
    const uint32_t place = swizzled(copy.map.swizzle, copy.shared + at);
    const Accessed chunk = access_shared(copy.engine.access(AccessKind::kRead), place, next - at, 1);
    if (!chunk || !chunk.initialised) return false;
    at = next;
  }
  return true;
}

void store(const TensorCopy& copy, const TensorForm& form) {
  copy.engine.join_group();
  Access read = copy.engine.access(AccessKind::kRead);
  read.cluster = false;
  const Accessed source = access_shared(read, copy.shared, touched_bytes(copy.map), kAlignment);
  if (!source) return;
  unswizzle_box(copy.map.swizzle, copy.shared, source.bytes, copy.box.data(), copy.map.box_bytes());
  const bool reduces = form.direction == TensorForm::kReduce;
  for_each_row(copy.map, copy.first, [&](const BoxRow& row) {
    if (row.inside == 0) return;
    const bool poisoned = !source.initialised && !initialised(copy, row);
    const Access write = copy.engine.access(reduces ? AccessKind::kAtomic : AccessKind::kWrite, poisoned);
    const Accessed target = access_global(write, row.address, row.inside, 1);
    const std::byte* from = copy.box.data() + row.offset + row.before;
    if (target && reduces)
      reduce_bytes(form.op, reduced_type(form.op, copy.map.element), target.bytes, from, row.inside);
    else if (target)
      std::memcpy(target.bytes, from, row.inside);
  });
}

/// What the engine traps at (seen on an H200): a box that begins between 16-byte units of its row, and a store that begins
/// before the tensor.
bool place_is_good(const Access& at, const TensorForm& form, const TensorCopy& copy) {
  const int64_t bytes = int64_t{copy.first[0]} * element_bytes(copy.map.element);
  if (bytes % kChunk != 0) {
    refuse(at, FindingKind::kMisaligned,
           "the box begins " + std::to_string(bytes) +
               " bytes from its row's beginning: the first coordinate must be at a multiple of 16 bytes");
    return false;
  }
  const bool negative = std::any_of(copy.first, copy.first + form.rank, [](int32_t c) { return c < 0; });
  if (form.direction == TensorForm::kLoad || !negative) return true;
  refuse(at, FindingKind::kOutOfBounds,
         "a tensor store has a negative coordinate: only loads may begin before the tensor");
  return false;
}

void copy_tensor(Warp& warp, const Op& op, int lane, const TensorForm& form) {
  const Access at{warp, op, lane};
  const std::optional<TensorTiling> map = read_map(at, form);
  if (!map || form.direction == TensorForm::kPrefetch || !box_fits(at, *map)) return;
  const std::optional<uint32_t> shared = form.shared.shared(warp, op, lane);
  if (!shared) return;
  check_pattern(at, *map, *shared);
  std::optional<uint32_t> barrier;
  if (form.direction == TensorForm::kLoad && !(barrier = form.barrier.shared(warp, op, lane))) return;
  TensorCopy copy{Engine(warp, op, lane, barrier), *map, {}, *shared, barrier.value_or(0), box_storage()};
  copy.box.resize(map->box_bytes());
  for (int i = 0; i < form.rank; ++i)
    copy.first[i] = warp.lanes<int32_t>(op.words[form.coordinates + i])[lane];
  if (!place_is_good(at, form, copy)) return;
  if (form.direction == TensorForm::kLoad)
    load(copy, at, form);
  else
    store(copy, form);
}

Outcome run_tensor(Warp& warp, const Op& op, LaneMask active) {
  const TensorForm& form = *static_cast<const TensorForm*>(op.form);
  LaneMask poison = form.map.poison(warp, op);
  for (int i = 0; i < form.rank; ++i) poison |= warp.poison(op.words[form.coordinates + i]);
  if (form.direction != TensorForm::kPrefetch) poison |= form.shared.poison(warp, op);
  if (form.direction == TensorForm::kLoad) poison |= form.barrier.poison(warp, op);
  if (form.multicast) poison |= warp.poison(op.words[form.mask]);
  if (report_poison(warp, op, poison & active, "an operand of a tensor copy")) return Outcome::kNext;
  for (; active; active &= active - 1) copy_tensor(warp, op, __builtin_ctz(active), form);
  return Outcome::kNext;
}

void decode_direction(Decoder& d, TensorForm& form, bool reduces) {
  if (!reduces && d.accept("prefetch")) {
    form.direction = TensorForm::kPrefetch;
    d.expect_any({"L2"});
    d.expect_any({"global"});
  } else if (d.accept("bulk_group")) {
    form.direction = reduces ? TensorForm::kReduce : TensorForm::kStore;
    d.expect_any({"global"});
    d.expect_any({"shared::cta"});
    if (reduces) form.op = expect_reduce_op(d);
  } else {
    d.expect_any({"mbarrier::complete_tx::bytes"});
    d.expect_any({"shared::cluster", "shared::cta"});
    d.expect_any({"global"});
    form.multicast = d.accept("multicast::cluster");
  }
}

/// [map, {coordinates}]; returns the words appended.
int decode_map(Decoder& d, TensorForm& form, const ptx::Operand& operand) {
  if (operand.kind != ptx::Operand::kAddress || operand.elements.size() != 2)
    d.fail("a tensor map and its coordinates are wanted: [map, {x, y}]");
  form.map = AddressOperand::decode(d, operand, Space::kGeneric, 0);
  form.coordinates = 2;
  if (d.read_all(operand.elements[1], Type::kS32) != form.rank)
    d.fail("as many coordinates as dimensions are wanted: " + std::to_string(form.rank));
  return 2 + form.rank;
}

}  // namespace

// Load: [box], [map, {..}], [mbarrier] {, mask} {, policy}. Store: [map, {..}], [box] {, policy}. Prefetch: [map, {..}].
void decode_tensor_copy(Decoder& d) {
  auto& form = d.form<TensorForm>();
  const bool reduces = d.accept("reduce");
  d.expect_any({"async"});
  d.expect_any({"bulk"});
  d.expect_any({"tensor"});
  form.rank = d.expect_any({"1d", "2d", "3d", "4d", "5d"})[0] - '0';
  for (llvm::StringRef mode : d.instruction().modifiers)
    if (mode.startswith("im2col") || mode.startswith("tile::"))
      d.fail("the emulator copies tensors in tile mode alone, not in ." + mode.str());
  d.accept("tile");
  decode_direction(d, form, reduces);
  const bool hint = d.accept("L2::cache_hint");
  const bool loads = form.direction == TensorForm::kLoad,
             prefetches = form.direction == TensorForm::kPrefetch;
  const int operands = (loads ? 3 : prefetches ? 1 : 2) + form.multicast + hint;
  d.expect_operands(operands, operands);
  int word = decode_map(d, form, d.operand(loads ? 1 : 0));
  if (!prefetches) form.shared = AddressOperand::decode(d, d.operand(loads ? 0 : 1), Space::kShared, word);
  if (loads) form.barrier = AddressOperand::decode(d, d.operand(2), Space::kShared, word + 2);
  form.mask = static_cast<int8_t>(word + 4);
  if (form.multicast) d.read(3, Type::kU16);
  if (hint) d.read(operands - 1, Type::kB64);
  if (reduces) d.mark_global_atomics();
  d.emit(run_tensor, prefetches ? OpClass::kMove : OpClass::kAsyncCopy);
}

}  // namespace tenon::emulator
