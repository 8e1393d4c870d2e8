// deadlock.cpp: the report of a deadlock: who waits for what.
#include "runtime/emulator/machine/access.h"
#include "runtime/emulator/machine/scheduler.h"

namespace tenon::emulator {
namespace {

constexpr size_t kMostNotes = 32;

std::string index_text(const Block& block) {
  return "(" + std::to_string(block.index(0)) + "," + std::to_string(block.index(1)) + "," +
         std::to_string(block.index(2)) + ")";
}

/// A group that polled stands behind the instruction that said no.
const Op& waits_at(const Warp& warp, const LaneGroup& group) {
  const bool behind = group.parked == Parked::kYielded && group.pc > 0;
  return warp.program().ops[group.pc - behind];
}

std::string wait_text(const Warp& warp, const LaneGroup& group) {
  const Op& op = waits_at(warp, group);
  std::string text = "PTX line " + std::to_string(op.line) + ": " + warp.program().text(op).str();
  if (!group.waits.empty())
    text += " waits for " + group.waits;
  else
    text += group.parked == Parked::kYielded ? " polls in vain" : " waits";
  if (!warp.program().module) return text;
  const std::vector<std::string> chain = source_chain(*warp.program().module, op.place);
  for (size_t i = 0; i < chain.size(); ++i) text += (i == 0 ? "\n    at " : "\n      from ") + chain[i];
  return text;
}

/// Warps of a block that wait alike: one line.
struct Line {
  const Block* block;
  std::vector<int> warps;
  std::string text;

  std::string note() const {
    std::string who = warps.size() == 1 ? " warp " : " warps ";
    for (size_t i = 0; i < warps.size(); ++i) {
      size_t last = i;
      while (last + 1 < warps.size() && warps[last + 1] == warps[last] + 1) ++last;
      who += (i ? "," : "") + std::to_string(warps[i]);
      if (last > i) who += "-" + std::to_string(warps[last]);
      i = last;
    }
    return "block " + index_text(*block) + who + ": " + text;
  }
};

}  // namespace

void Scheduler::report_deadlock() {
  for (Warp* warp : live_) warp->explaining_ = true;
  round(true);
  if (launch_.stopped.exchange(true)) return;
  std::vector<Line> lines;
  const Warp* first = nullptr;
  size_t waiting = 0;
  for (const auto& block : residency_.blocks_) {
    const size_t of_block = lines.size();
    for (const auto& warp : block->warps) {
      if (warp->groups_.empty()) continue;
      if (!first) first = warp.get();
      ++waiting;
      std::string text;
      for (const LaneGroup& group : warp->groups_)
        text += (text.empty() ? "" : "\n    and ") + wait_text(*warp, group);
      size_t same = of_block;
      while (same < lines.size() && lines[same].text != text) ++same;
      if (same == lines.size()) lines.push_back({block.get(), {}, std::move(text)});
      lines[same].warps.push_back(warp->index());
    }
  }
  if (!first) return;
  std::vector<std::string> notes;
  for (const Line& line : lines) {
    if (notes.size() == kMostNotes) {
      notes.push_back("and " + std::to_string(lines.size() - kMostNotes) + " more such lines");
      break;
    }
    notes.push_back(line.note());
  }
  const LaunchRequest& request = launch_.request;
  const int64_t blocks = int64_t{request.grid[0]} * request.grid[1] * request.grid[2];
  const auto resident = static_cast<int64_t>(residency_.blocks_.size());
  if (polled_ && resident < blocks)
    notes.push_back("only " + std::to_string(resident) + " of " + std::to_string(blocks) +
                    " blocks are resident together: the launch is not cooperative");
  report(*first, waits_at(*first, first->groups_[0]), -1, FindingKind::kDeadlock,
         "no warp can go on, and " + std::to_string(waiting) + (waiting == 1 ? " waits" : " wait"),
         std::move(notes));
}

}  // namespace tenon::emulator
