// warp.h: 32 lanes that execute together: their registers, and the groups into which divergence splits them.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/emulator/machine/lane_group.h"
#include "runtime/emulator/machine/meter.h"
#include "runtime/emulator/program/op.h"

namespace tenon::emulator {

class Block;
struct Launch;
struct Allocation;
struct AsyncState;  // instructions/async_state.h: open copy groups, wgmma groups in flight

/// What bar.red finds over the predicates of all threads of a phase.
struct BarrierVotes {
  bool all = true, any = false;
  uint32_t count = 0;
};

class Warp {
 public:
  Warp(Block& block, int index);
  ~Warp();
  Warp(const Warp&) = delete;
  Warp& operator=(const Warp&) = delete;

  // --- registers (the hot part)
  static constexpr int kUnitBytes = 128;
  template <class T>
  const T* lanes(Slot slot) const {  ///< to read; a constant has the same layout, every lane alike
    const std::byte* base = slot < 0 ? pool_ : file_;
    return reinterpret_cast<const T*>(base + static_cast<ptrdiff_t>(slot < 0 ? ~slot : slot) * kUnitBytes);
  }
  template <class T>
  T* lanes(Slot slot) {  ///< to read or write; constants are never written
    return const_cast<T*>(std::as_const(*this).template lanes<T>(slot));
  }
  LaneMask poison(Slot slot) const { return slot < 0 ? 0 : poison_[slot]; }
  void set_poison(Slot slot, LaneMask active, LaneMask poisoned) {
    poison_[slot] = (poison_[slot] & ~active) | (poisoned & active);
  }
  LaneMask predicate(PredicateSlot slot) const {
    return predicates_[slot >> 1].bits ^ (slot & 1 ? kAllLanes : 0);
  }
  LaneMask predicate_poison(PredicateSlot slot) const { return predicates_[slot >> 1].poison; }
  void set_predicate(PredicateSlot slot, LaneMask active, LaneMask bits, LaneMask poisoned = 0) {
    Predicate& p = predicates_[slot >> 1];
    p.bits = (p.bits & ~active) | (bits & active);
    p.poison = (p.poison & ~active) | (poisoned & active);
  }

  /// The condition code that add.cc and its kin leave for addc: a carry by lane. Nothing wrote it at first.
  struct Carry {
    LaneMask bits = 0, poison = kAllLanes;
  };
  Carry carry;

  // --- who this is
  Block& block() const { return block_; }
  Launch& launch() const;
  const Program& program() const;
  int index() const { return index_; }
  LaneMask existing() const { return existing_; }                ///< lanes that the block has threads for
  LaneMask live() const { return live_; }                        ///< of them, those that have not exited
  int thread(int lane) const { return index_ * kLanes + lane; }  ///< linear in the block
  OpMeter& meter(const Op& op);
  std::byte* local(int lane, uint32_t offset, int64_t bytes);  ///< null outside the thread's local memory
  /// One byte for each byte of local memory, not zero where it was written: behind local memory itself.
  std::byte* local_marks(int lane, uint32_t offset, int64_t bytes) {
    std::byte* at = local(lane, offset, bytes);
    return at ? at + local_.size() / 2 : nullptr;
  }
  uint64_t tick() { return clock_ += 32; }  ///< of %clock and its kin: time goes on when somebody looks
  AsyncState& async();                      ///< made when first wanted

  // --- what memory instructions remember, by a few bits of Op::line
  static constexpr int kRemembered = 8;
  Allocation* last_hit[kRemembered] = {};  ///< the allocation of an op's last access
  struct Poll {
    const Op* op = nullptr;
    uint64_t seen = 0;  ///< a hash of addresses and values
  };
  Poll polls[kRemembered];  ///< what a load that others' stores may end saw last

  /// barrier.cluster: lanes that arrived in the running phase, and in a phase that has ended; a wait takes them back.
  struct {
    LaneMask arrived = 0, passed = 0;
  } cluster;
  BarrierVotes votes;  ///< of the barrier phase that this warp waited for last
  int registers = 0;   ///< that setmaxnreg gave to each thread; 0: not said
  struct {
    const Op* op = nullptr;
    ptx::Space space = ptx::Space::kNone;
    uint64_t address = 0;
  } unwritten;                   ///< the last read of bytes that nothing wrote, for reports
  const Op* wgmma = nullptr;     ///< the last wgmma.mma_async, for reports
  bool wgmma_in_flight = false;  ///< registers may still be written or read by one

  // --- control, for handlers
  int32_t pc() const { return groups_[current_].pc; }
  LaneGroup& group() {
    return groups_[current_];
  }  ///< the running one; its lanes include those that the guard put aside
  /// Sends `taken` of the running group to `target`, the rest to the next op.
  Outcome branch(LaneMask taken, int32_t target) {
    if (taken != group().lanes) return split(taken, target);
    group().pc = target;
    return Outcome::kMoved;
  }
  Outcome exit(LaneMask lanes);
  Outcome call(LaneMask lanes, int32_t target);
  Outcome return_from_call(LaneMask lanes);  ///< where nothing was called: an exit
  /// For collectives: true when all of `members` that have not exited are in `active`. Otherwise the handler does nothing
  /// and returns kRetry: the group is parked until the others come. When no other group of the warp can come, since each
  /// is at a collective of its own, that is a finding, and true is returned so that execution goes on. For matrix
  /// instructions (kMatrix), which PTX calls .aligned, exited members are a finding too. In one-lane mode the lanes
  /// gather here and scatter afterwards.
  bool converge(const Op& op, LaneMask active, LaneMask members) {
    LaneMask absent = members & ~active & (op.kind == OpClass::kMatrix ? kAllLanes : live_);
    return absent == 0 || gather(op, active, members);
  }
  /// Says what the running group waits for; the handler then returns kRetry or kYield. `describe` is a callable that
  /// gives a string, asked only when a deadlock is reported: "barrier 1, where 96 of 128 threads have arrived".
  template <class Describe>
  void waits_for(const Describe& describe) {
    if (explaining_) group().waits = describe();
  }

 private:
  friend class Block;
  friend class Scheduler;
  struct Predicate {
    LaneMask bits = 0, poison = 0;
  };

  void start();  // a thread block begins: all lanes at op 0, nothing in the registers
  // --- groups (warp.cpp says how they are chosen)
  bool pick();                                   // the group that runs next; false: none
  void unpark();                                 // a new turn
  void put_aside(LaneMask waiting, Parked why);  // of the running group; its other lanes go on to the next op
  void scatter();                                // one-lane mode: groups that gathered
  Outcome split(LaneMask taken, int32_t target);
  bool gather(const Op& op, LaneMask active, LaneMask members);
  bool runs_before(const LaneGroup& a, const LaneGroup& b) const;

  Block& block_;
  int index_ = 0;
  std::byte* file_ = nullptr;        // register_units units, aligned to 128 bytes
  const std::byte* pool_ = nullptr;  // the launch's copy of the program's constants
  LaneMask* poison_ = nullptr;       // by unit
  Predicate* predicates_ = nullptr;
  LaneMask existing_ = 0, live_ = 0;
  std::vector<LaneGroup> groups_;  // never more than 32: reserved, so that elements stay where they are
  int current_ = 0;
  int32_t join_ = 0;           // where the running group meets another
  bool again_ = false;         // a collective has gathered: its handler is to be called again
  bool explaining_ = false;    // a deadlock is being reported
  uint64_t seen_version_ = 0;  // of the residency, when all groups waited last
  uint64_t clock_ = 0;
  std::unique_ptr<AsyncState> async_;
  std::vector<std::byte> local_;    // kLanes * program.local_bytes, when first wanted; then its marks
  std::vector<std::byte> storage_;  // what file_, poison_ and predicates_ point into
};

}  // namespace tenon::emulator
