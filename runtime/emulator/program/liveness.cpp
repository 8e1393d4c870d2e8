// liveness.cpp: register by register, backwards from each block that reads what it did not write.
#include "runtime/emulator/program/liveness.h"

#include <algorithm>

namespace tenon::emulator {
namespace {

// Blocks visited in all, beyond which registers simply live everywhere: a bound for hostile texts, far above real ones.
constexpr int64_t kMostVisits = 50'000'000;

class Liveness {
 public:
  Liveness(const FunctionCode& code, const Flow& flow)
      : code_(code),
        flow_(flow),
        ranges_(code.units.size(), LiveRange{code.op_count, -1}),
        writes_(flow.blocks.size(), -1),
        seen_(flow.blocks.size(), -1) {}

  std::vector<LiveRange> run() {
    sort_mentions();
    for (size_t r = 0; r < ranges_.size(); ++r) follow(static_cast<int>(r));
    keep();
    return std::move(ranges_);
  }

 private:
  // The mentions of each register together, still in the order of the text.
  void sort_mentions() {
    first_.resize(code_.units.size() + 1);
    for (const Mention& mention : code_.mentions) ++first_[mention.register_ + 1];
    for (size_t r = 1; r < first_.size(); ++r) first_[r] += first_[r - 1];
    sorted_.resize(code_.mentions.size());
    std::vector<int> next(first_.begin(), first_.end() - 1);
    for (const Mention& mention : code_.mentions) sorted_[next[mention.register_]++] = &mention;
  }

  void follow(int r) {
    LiveRange& range = ranges_[r];
    for (int i = first_[r]; i < first_[r + 1]; ++i) {
      const Mention& mention = *sorted_[i];
      range.first = std::min(range.first, mention.op);
      range.last = std::max(range.last, mention.op);
      const int block = flow_.block_of[mention.op];
      if (mention.read && writes_[block] != r && seen_[block] != r) {
        seen_[block] = r;
        entered_live_.push_back(block);
      }
      if (mention.written && mention.certain) writes_[block] = r;
    }
    while (!entered_live_.empty()) {
      const FlowBlock& block = flow_.blocks[entered_live_.back()];
      entered_live_.pop_back();
      range.first = std::min(range.first, block.begin);
      for (int predecessor : block.predecessors) leave_live(range, predecessor, r);
      if (visits_ <= kMostVisits) continue;
      range = {0, code_.op_count - 1};
      entered_live_.clear();
    }
  }

  void leave_live(LiveRange& range, int index, int r) {
    const FlowBlock& block = flow_.blocks[index];
    ++visits_;
    range.last = std::max(range.last, block.end - 1);
    if (writes_[index] == r || seen_[index] == r) return;
    seen_[index] = r;
    entered_live_.push_back(index);
  }

  // What an op of wgmma has in flight.
  LiveRange flight_of(int op) {
    const auto wait = std::lower_bound(code_.full_waits.begin(), code_.full_waits.end(), op);
    LiveRange range{op, wait == code_.full_waits.end() ? code_.op_count - 1 : *wait};
    visits_ += static_cast<int64_t>(code_.branches.size());
    if (visits_ > kMostVisits) return {0, code_.op_count - 1};
    for (const Branch& branch : code_.branches) {  // round a loop that has no such wait after the op
      const int target = code_.op_of_body[branch.label];
      if (target <= op && op <= branch.op && branch.op < range.last)
        range.first = std::min(range.first, target);
    }
    return range;
  }

  void keep() {
    LiveRange flight;
    int op = -1;
    for (const InFlight& in_flight : code_.in_flight) {
      if (in_flight.op != op) flight = flight_of(op = in_flight.op);
      LiveRange& range = ranges_[in_flight.register_];
      range.first = std::min(range.first, flight.first);
      range.last = std::max(range.last, flight.last);
    }
  }

  const FunctionCode& code_;
  const Flow& flow_;
  std::vector<LiveRange> ranges_;
  std::vector<const Mention*> sorted_;
  std::vector<int> first_;
  std::vector<int> writes_,
      seen_;  // by block: the register for which it was last found to write or to be live-in
  std::vector<int> entered_live_;
  int64_t visits_ = 0;
};

}  // namespace

std::vector<LiveRange> live_ranges(const FunctionCode& code, const Flow& flow) {
  return Liveness(code, flow).run();
}

}  // namespace tenon::emulator
