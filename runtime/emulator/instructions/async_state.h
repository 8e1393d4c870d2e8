// async_state.h: what a warp has started and not yet waited for: copy groups and wgmma groups.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "runtime/emulator/checks/races.h"
#include "runtime/emulator/instructions/wgmma_state.h"
#include "runtime/emulator/program/op.h"

namespace tenon::emulator {

/// A copy whose bytes are still to be moved: target and source were checked when it was issued. The rest of `bytes` after
/// `copied` becomes zero.
struct Delivery {
  std::byte* target = nullptr;
  const std::byte* source = nullptr;
  uint8_t lane = 0, bytes = 0, copied = 0;
  void perform() const;
};

/// Groups of asynchronous copies. They belong to threads; lanes that commit together share a group, so a converged warp
/// has one where its lanes have 32. Groups that are done are kept for their storage.
class CopyGroups {
 public:
  /// A copy by `lanes` that no group holds yet.
  void issue(LaneMask lanes) { open_ |= lanes; }
  void issue(const Delivery& delivery) { deliveries_.push_back(delivery); }
  /// Makes one group of what `lanes` issued since their last commit; `clock`: what its completion lets a thread see.
  void commit(LaneMask lanes, VectorClock clock);
  /// Completes the groups of `lanes` but the newest `keep` of each; calls acquire(clock) for each group.
  template <class Acquire>
  void wait(LaneMask lanes, int64_t keep, Acquire acquire) {
    uint32_t newer[kLanes] = {};
    for (size_t i = committed_; i-- > 0;) {
      LaneMask done = 0;
      for (LaneMask left = groups_[i].lanes & lanes; left; left &= left - 1) {
        const int lane = __builtin_ctz(left);
        if (newer[lane]++ >= keep) done |= 1u << lane;
      }
      if (done == 0) continue;
      acquire(groups_[i].clock);
      complete(groups_[i], done);
    }
    drop_empty();
  }
  /// Moves all bytes of `lanes` at once, committed or not, since an mbarrier tells of them; the groups stay.
  void deliver(LaneMask lanes);
  LaneMask uncommitted() const { return open_; }
  LaneMask pending() const;  ///< lanes with copies in a committed group that no wait completed

 private:
  struct Group {
    LaneMask lanes = 0, copying = 0;  // copying: lanes for which the group is not empty
    VectorClock clock;
    std::vector<Delivery> deliveries;
  };
  static void perform(std::vector<Delivery>& deliveries, LaneMask lanes);
  static void complete(Group& group, LaneMask lanes);
  void drop_empty();

  LaneMask open_ = 0;
  std::vector<Delivery> deliveries_;  // of what is open
  std::vector<Group> groups_;         // the first `committed_` of them are in use, oldest first
  size_t committed_ = 0;
};

struct AsyncState {
  CopyGroups copies;  ///< cp.async
  CopyGroups bulk;    ///< cp.async.bulk's bulk_group
  WgmmaState wgmma;
};

}  // namespace tenon::emulator
