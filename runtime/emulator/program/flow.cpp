// flow.cpp: see flow.h. Calls do not end a block: a function has registers of its own.
#include "runtime/emulator/program/flow.h"

namespace tenon::emulator {
namespace {

void connect(Flow& flow, int from, int to) {
  flow.blocks[from].successors.push_back(to);
  flow.blocks[to].predecessors.push_back(from);
}

}  // namespace

Flow flow(const FunctionCode& code) {
  std::vector<char> leads(code.op_count + 1);
  leads[0] = 1;
  for (const Branch& branch : code.branches) leads[code.op_of_body[branch.label]] = leads[branch.op + 1] = 1;
  for (int op : code.ends) leads[op + 1] = 1;

  Flow flow;
  flow.block_of.resize(code.op_count);
  for (int op = 0; op < code.op_count; ++op) {
    if (leads[op]) flow.blocks.push_back({op, op, {}, {}});
    flow.blocks.back().end = op + 1;
    flow.block_of[op] = static_cast<int>(flow.blocks.size()) - 1;
  }
  auto end = code.ends.begin();
  for (size_t b = 0; b + 1 < flow.blocks.size(); ++b) {
    const int last = flow.blocks[b].end - 1;
    while (end != code.ends.end() && *end < last) ++end;
    if (end == code.ends.end() || *end != last) connect(flow, static_cast<int>(b), static_cast<int>(b) + 1);
  }
  for (const Branch& branch : code.branches)
    connect(flow, flow.block_of[branch.op], flow.block_of[code.op_of_body[branch.label]]);
  return flow;
}

}  // namespace tenon::emulator
