// polling.h: does an instruction see just what it saw the last time? Then it waits for others, who should run.
#pragma once
#include "runtime/emulator/machine/warp.h"

namespace tenon::emulator {

/// What one execution of an instruction saw: addresses and values of its lanes.
class Sight {
 public:
  void add(uint64_t value) {
    hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ull;
    hash_ ^= hash_ >> 32;
  }
  /// Remembers this for the next execution; true where the last one in this warp saw the same.
  bool again(Warp& warp, const Op& op) const {
    Warp::Poll& poll = warp.polls[op.line % Warp::kRemembered];
    const bool same = poll.op == &op && poll.seen == hash_;
    poll = {&op, hash_};
    return same;
  }

 private:
  uint64_t hash_ = 1;
};

}  // namespace tenon::emulator
