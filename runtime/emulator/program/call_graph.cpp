// call_graph.cpp: a walk over the calls, depth first.
#include "runtime/emulator/program/call_graph.h"

#include <algorithm>

#include "runtime/emulator/program/failure.h"

namespace tenon::emulator {
namespace {

constexpr size_t kDeepestCall = 64;

class Walk {
 public:
  explicit Walk(const ptx::Module& module) : module_(module), states_(module.functions.size()) {}

  void visit(int index) {
    states_[index] = kOpen;
    chain_.push_back(index);
    for (const ptx::Instruction& instruction : module_.functions[index].body)
      if (instruction.opcode == "call")
        for (const ptx::Operand& operand : instruction.operands)
          if (operand.kind == ptx::Operand::kFunction) follow(index, operand.index, instruction.line);
    chain_.pop_back();
    states_[index] = kDone;
    finished_.push_back(index);
  }

  CallGraph graph() {
    CallGraph graph;
    graph.functions.assign(finished_.rbegin(), finished_.rend());
    std::vector<int> place(module_.functions.size());
    for (size_t i = 0; i < graph.functions.size(); ++i) place[graph.functions[i]] = static_cast<int>(i);
    for (const Call& call : calls_) graph.calls.push_back({place[call.caller], place[call.callee]});
    std::stable_sort(graph.calls.begin(), graph.calls.end(),
                     [](const Call& a, const Call& b) { return a.caller < b.caller; });
    return graph;
  }

 private:
  enum State : uint8_t { kNew, kOpen, kDone };

  void follow(int caller, int callee, int line) {
    if (module_.functions[callee].external) return;
    if (states_[callee] == kOpen) fail_recursion(callee, line);
    if (chain_.size() >= kDeepestCall)
      fail_at_line(module_, line, "calls nest deeper than " + std::to_string(kDeepestCall));
    calls_.push_back({caller, callee});
    if (states_[callee] == kNew) visit(callee);
  }

  [[noreturn]] void fail_recursion(int callee, int line) const {
    std::string chain;
    for (auto at = std::find(chain_.begin(), chain_.end(), callee); at != chain_.end(); ++at)
      chain += module_.functions[*at].name + " calls ";
    chain += module_.functions[callee].name;
    fail_at_line(module_, line, "recursion: " + chain, "the emulator gives each function one frame");
  }

  const ptx::Module& module_;
  std::vector<State> states_;
  std::vector<int> chain_, finished_;
  std::vector<Call> calls_;
};

}  // namespace

CallGraph call_graph(const ptx::Module& module, int entry) {
  Walk walk(module);
  walk.visit(entry);
  return walk.graph();
}

std::vector<int64_t> stacked(const CallGraph& graph, const std::vector<int64_t>& sizes) {
  std::vector<int64_t> begins(graph.functions.size() + 1);
  // Callers stand before callees, so a caller's place is final when its calls are looked at.
  for (const Call& call : graph.calls)
    begins[call.callee] = std::max(begins[call.callee], begins[call.caller] + sizes[call.caller]);
  for (size_t i = 0; i < sizes.size(); ++i) begins.back() = std::max(begins.back(), begins[i] + sizes[i]);
  return begins;
}

}  // namespace tenon::emulator
