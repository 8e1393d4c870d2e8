// fences.cpp: from each write forward to the fences, and to the wgmmas that come before one.
#include "runtime/emulator/program/fences.h"

#include <algorithm>
#include <map>

#include "llvm/ADT/DenseSet.h"

namespace tenon::emulator {
namespace {

constexpr int64_t kMostVisits = 50'000'000;  // a bound for hostile texts, far above real ones

class FenceRule {
 public:
  FenceRule(const FunctionCode& code, const Flow& flow) : code_(code), flow_(flow) {
    for (const InFlight& use : code.in_flight) {
      watched_.insert(use.register_);
      uses_.insert({use.op, use.register_});
      if (events_.empty() || events_.back() != use.op) events_.push_back(use.op);
    }
    matrix_ops_.insert(events_.begin(), events_.end());
    events_.insert(events_.end(), code.fences.begin(), code.fences.end());
    std::sort(events_.begin(), events_.end());
    seen_.assign(flow.blocks.size(), -1);
  }

  std::vector<UnfencedWrite> run() {
    int walk = 0;
    for (const Mention& mention : code_.mentions)
      if (mention.written && watched_.contains(mention.register_) && !matrix_ops_.contains(mention.op))
        follow(mention.op, mention.register_, walk++);
    std::vector<UnfencedWrite> all;
    for (const auto& [wgmma, write] : found_) all.push_back({wgmma, write});
    return all;
  }

 private:
  void follow(int write, int r, int walk) {
    std::vector<int> open;
    scan(write + 1, flow_.block_of[write], write, r, open);
    while (!open.empty() && visits_ < kMostVisits) {
      const int block = open.back();
      open.pop_back();
      if (seen_[block] == walk) continue;
      seen_[block] = walk;
      scan(flow_.blocks[block].begin, block, write, r, open);
    }
  }

  // From `op` to the block's end; on to its successors if nothing on the way settles the matter.
  void scan(int op, int block, int write, int r, std::vector<int>& open) {
    const int end = flow_.blocks[block].end;
    for (auto at = std::lower_bound(events_.begin(), events_.end(), op); at != events_.end() && *at < end;
         ++at) {
      ++visits_;
      if (!matrix_ops_.contains(*at)) return;  // a fence
      if (!uses_.contains({*at, r})) continue;
      const auto [place, added] = found_.try_emplace(*at, write);
      if (!added) place->second = std::min(place->second, write);
      return;
    }
    visits_ += 1 + static_cast<int64_t>(flow_.blocks[block].successors.size());
    open.insert(open.end(), flow_.blocks[block].successors.begin(), flow_.blocks[block].successors.end());
  }

  const FunctionCode& code_;
  const Flow& flow_;
  llvm::DenseSet<int> watched_, matrix_ops_;
  llvm::DenseSet<std::pair<int, int>> uses_;  // op of a wgmma, register
  std::vector<int> events_;                   // wgmmas and fences, ordered
  std::vector<int> seen_;                     // by block: the last walk that came by
  std::map<int, int> found_;
  int64_t visits_ = 0;
};

}  // namespace

std::vector<UnfencedWrite> unfenced_writes(const FunctionCode& code, const Flow& flow) {
  if (code.in_flight.empty()) return {};
  return FenceRule(code, flow).run();
}

}  // namespace tenon::emulator
