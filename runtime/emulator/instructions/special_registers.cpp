// special_registers.cpp: one table, a row a register.
#include "runtime/emulator/instructions/special_registers.h"

#include <algorithm>

#include "llvm/ADT/STLExtras.h"
#include "runtime/emulator/machine/block.h"
#include "runtime/emulator/machine/warp.h"

namespace tenon::emulator {
namespace {

using ptx::Type;

struct Asker {
  Warp& warp;
  Block& block() const { return warp.block(); }
  const Launch& launch() const { return warp.launch(); }
  const LaunchRequest& request() const { return launch().request; }
};

int product(const int (&extents)[3]) { return extents[0] * extents[1] * extents[2]; }

int thread_index(const Asker& asker, int lane, int axis) {
  const int(&extents)[3] = asker.request().block;
  const int linear = asker.warp.thread(lane);
  if (axis == 0) return linear % extents[0];
  return axis == 1 ? linear / extents[0] % extents[1] : linear / (extents[0] * extents[1]);
}

int block_number(const Asker& asker) {
  const int(&grid)[3] = asker.request().grid;
  return asker.block().index(0) + grid[0] * (asker.block().index(1) + grid[1] * asker.block().index(2));
}

// Time that passes when it is asked for: a nanosecond and a clock are one.
uint64_t time(const Asker& asker) { return asker.warp.tick(); }

int64_t shared_bytes(const Asker& asker) {
  return asker.warp.program().static_shared_bytes + asker.request().dynamic_shared_bytes;
}

using SpecialValue = uint64_t (*)(const Asker& asker, int lane, int axis);
struct Special {
  llvm::StringRef name;  ///< without the axis
  int bits;              ///< 1: a predicate
  bool by_lane;
  SpecialValue value;
};

#define VALUE(...)                                         \
  [](const Asker& asker, int lane, int axis) -> uint64_t { \
    (void)asker, (void)lane, (void)axis;                   \
    return __VA_ARGS__;                                    \
  }
constexpr uint64_t kOne = 1;
const Special kSpecials[] = {
    {"%tid", 32, true, VALUE(thread_index(asker, lane, axis))},
    {"%laneid", 32, true, VALUE(lane)},
    {"%lanemask_eq", 32, true, VALUE(kOne << lane)},
    {"%lanemask_lt", 32, true, VALUE((kOne << lane) - 1)},
    {"%lanemask_le", 32, true, VALUE((kOne << lane << 1) - 1)},
    {"%lanemask_gt", 32, true, VALUE(static_cast<uint32_t>(~((kOne << lane << 1) - 1)))},
    {"%lanemask_ge", 32, true, VALUE(static_cast<uint32_t>(~((kOne << lane) - 1)))},
    {"%ntid", 32, false, VALUE(asker.request().block[axis])},
    {"%ctaid", 32, false, VALUE(asker.block().index(axis))},
    {"%nctaid", 32, false, VALUE(asker.request().grid[axis])},
    {"%warpid", 32, false, VALUE(asker.warp.index())},
    {"%nwarpid", 32, false, VALUE((product(asker.request().block) + kLanes - 1) / kLanes)},
    {"%smid", 32, false, VALUE(block_number(asker) % std::max(asker.launch().options.multiprocessors, 1))},
    {"%nsmid", 32, false, VALUE(asker.launch().options.multiprocessors)},
    {"%gridid", 64, false, VALUE(1)},
    {"%clusterid", 32, false, VALUE(asker.block().index(axis) / asker.request().cluster[axis])},
    {"%nclusterid", 32, false, VALUE(asker.request().grid[axis] / asker.request().cluster[axis])},
    {"%cluster_ctaid", 32, false, VALUE(asker.block().index(axis) % asker.request().cluster[axis])},
    {"%cluster_nctaid", 32, false, VALUE(asker.request().cluster[axis])},
    {"%cluster_ctarank", 32, false, VALUE(asker.block().rank())},
    {"%cluster_nctarank", 32, false, VALUE(product(asker.request().cluster))},
    {"%is_explicit_cluster", 1, false, VALUE(product(asker.request().cluster) > 1)},
    {"%clock", 32, false, VALUE(static_cast<uint32_t>(time(asker)))},
    {"%clock_hi", 32, false, VALUE(time(asker) >> 32)},
    {"%clock64", 64, false, VALUE(time(asker))},
    {"%globaltimer", 64, false, VALUE(time(asker))},
    {"%globaltimer_lo", 32, false, VALUE(static_cast<uint32_t>(time(asker)))},
    {"%globaltimer_hi", 32, false, VALUE(time(asker) >> 32)},
    {"%dynamic_smem_size", 32, false, VALUE(asker.request().dynamic_shared_bytes)},
    {"%total_smem_size", 32, false, VALUE(shared_bytes(asker))},
    {"%aggr_smem_size", 32, false, VALUE(shared_bytes(asker))},
    {"%reserved_smem_offset_begin", 32, false, VALUE(0)},
    {"%reserved_smem_offset_end", 32, false, VALUE(kSharedBase)},
    {"%reserved_smem_offset_cap", 32, false, VALUE(kSharedBase)},
    {"%current_graph_exec", 64, false, VALUE(0)},
    {"WARP_SZ", 32, false, VALUE(kLanes)},
};
#undef VALUE

struct SpecialForm {
  const Special* special = nullptr;
  int axis = 0;
};

// Words: to.
template <class T>
Outcome run_special(Warp& warp, const Op& op, LaneMask active) {
  const auto& [special, axis] = *static_cast<const SpecialForm*>(op.form);
  const Asker asker{warp};
  T* to = warp.lanes<T>(op.words[0]);
  const uint64_t common = special->by_lane ? 0 : special->value(asker, 0, axis);
  for (LaneMask rest = active; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    to[lane] = static_cast<T>(special->by_lane ? special->value(asker, lane, axis) : common);
  }
  warp.set_poison(op.words[0], active, 0);
  return Outcome::kNext;
}

Outcome run_special_predicate(Warp& warp, const Op& op, LaneMask active) {
  const auto& [special, axis] = *static_cast<const SpecialForm*>(op.form);
  warp.set_predicate(op.words[0], active, special->value({warp}, 0, axis) ? kAllLanes : 0);
  return Outcome::kNext;
}

}  // namespace

void decode_special_register(Decoder& decoder, Type type) {
  const auto [name, axis] = decoder.operand(1).name.split('.');
  const Special* special =
      llvm::find_if(kSpecials, [&, name = name](const Special& s) { return s.name == name; });
  if (special == std::end(kSpecials) || axis == "w")
    decoder.fail("the special register '" + decoder.operand(1).name.str() + "' is not supported");
  // A 64-bit register may be read by halves; a 32-bit one has nothing more to give.
  const int bits = ptx::bits(type);
  if (bits != special->bits && !(special->bits == 64 && bits == 32))
    decoder.fail("'" + decoder.operand(1).name.str() + "' has " + std::to_string(special->bits) + " bits, ." +
                 ptx::name(type).str() + " has " + std::to_string(bits));
  decoder.form<SpecialForm>() = {special, axis == "y" ? 1 : axis == "z" ? 2 : 0};
  if (type == Type::kPred) {
    decoder.write_predicate(decoder.operand(0));
    return decoder.emit(run_special_predicate, OpClass::kMove);
  }
  decoder.write(0, type);
  decoder.emit(bits == 64 ? run_special<uint64_t> : run_special<uint32_t>, OpClass::kMove);
}

}  // namespace tenon::emulator
