// async_state.cpp: see async_state.h.
#include "runtime/emulator/instructions/async_state.h"

#include <algorithm>
#include <cstring>

namespace tenon::emulator {
namespace {

// No kernel keeps so many groups to itself; one that never waits must not eat the host's memory.
constexpr size_t kMostGroups = 1024;

}  // namespace

void Delivery::perform() const {
  if (copied != 0) std::memcpy(target, source, copied);
  std::memset(target + copied, 0, bytes - copied);
}

void CopyGroups::commit(LaneMask lanes, VectorClock clock) {
  if (committed_ == kMostGroups) {
    complete(groups_.front(), kAllLanes);
    drop_empty();
  }
  if (committed_ == groups_.size()) groups_.emplace_back();
  Group& group = groups_[committed_++];
  group.lanes = lanes;
  group.copying = lanes & open_;
  group.clock = std::move(clock);
  auto others = std::stable_partition(deliveries_.begin(), deliveries_.end(),
                                      [&](const Delivery& d) { return (lanes >> d.lane & 1) == 0; });
  group.deliveries.assign(others, deliveries_.end());
  deliveries_.erase(others, deliveries_.end());
  open_ &= ~lanes;
}

void CopyGroups::deliver(LaneMask lanes) {
  for (size_t i = 0; i < committed_; ++i) perform(groups_[i].deliveries, lanes);
  perform(deliveries_, lanes);
  open_ &= ~lanes;
}

LaneMask CopyGroups::pending() const {
  LaneMask lanes = 0;
  for (size_t i = 0; i < committed_; ++i) lanes |= groups_[i].lanes & groups_[i].copying;
  return lanes;
}

void CopyGroups::perform(std::vector<Delivery>& deliveries, LaneMask lanes) {
  size_t kept = 0;
  for (const Delivery& delivery : deliveries)
    if (lanes >> delivery.lane & 1)
      delivery.perform();
    else
      deliveries[kept++] = delivery;
  deliveries.resize(kept);
}

void CopyGroups::complete(Group& group, LaneMask lanes) {
  perform(group.deliveries, lanes);
  group.lanes &= ~lanes;
}

void CopyGroups::drop_empty() {
  auto end = groups_.begin() + static_cast<ptrdiff_t>(committed_);
  size_t kept = 0;
  for (auto group = groups_.begin(); group != end; ++group) {
    if (group->lanes == 0) continue;
    if (&*group != &groups_[kept]) std::swap(*group, groups_[kept]);
    ++kept;
  }
  committed_ = kept;
}

}  // namespace tenon::emulator
