// Live ranges on hand-made control flow.
#include "runtime/emulator/program/liveness.h"

#include <doctest/doctest.h>

namespace tenon::emulator {
namespace {

/// Ops in a row, each a string of what it does to one register: "w" writes it, "r" reads it, "rw" both, "c" writes it
/// under a guard, "e" ends the path.
FunctionCode code_of(const std::vector<std::string>& ops) {
  FunctionCode code;
  code.op_count = static_cast<int>(ops.size());
  code.units = {1};
  for (int op = 0; op <= code.op_count; ++op) code.op_of_body.push_back(op);
  for (int op = 0; op < code.op_count; ++op) {
    if (ops[op] == "e") code.ends.push_back(op);
    Mention mention;
    mention.op = op;
    mention.read = ops[op].find('r') != std::string::npos;
    mention.certain = ops[op].find('w') != std::string::npos;
    mention.written = mention.certain || ops[op] == "c";
    if (mention.read || mention.written) code.mentions.push_back(mention);
  }
  return code;
}

std::string range(const FunctionCode& code) {
  const LiveRange range = live_ranges(code, flow(code))[0];
  return std::to_string(range.first) + "-" + std::to_string(range.last);
}

TEST_CASE("emulator: liveness: from the first write to the last read") {
  CHECK(range(code_of({"", "w", "", "r", ""})) == "1-3");
  CHECK(range(code_of({"", "w", "", "", ""})) == "1-1");     // nobody reads it: its own op alone
  CHECK(range(code_of({"", "w", "r", "w", "r"})) == "1-4");  // one range for both values
  CHECK(range(code_of({"", "", ""})) == "3--1");             // nothing mentions it
}

TEST_CASE("emulator: liveness: what may be read before it is written lives from the start") {
  CHECK(range(code_of({"", "", "r", ""})) == "0-2");
  CHECK(range(code_of({"", "c", "r", ""})) == "0-2");
  CHECK(range(code_of({"", "rw", ""})) == "0-1");
}

TEST_CASE("emulator: liveness: round loops") {
  FunctionCode through = code_of({"w", "", "r", "", "", ""});  // written before, read inside
  through.branches.push_back({4, 1});
  CHECK(range(through) == "0-4");
  FunctionCode inside = code_of({"", "w", "r", "", "", ""});  // written and read in each turn
  inside.branches.push_back({4, 1});
  CHECK(range(inside) == "1-2");
  FunctionCode carried = code_of({"w", "", "r", "w", "", "", ""});  // from one turn to the next
  carried.branches.push_back({5, 1});
  CHECK(range(carried) == "0-5");
  FunctionCode after = code_of({"", "w", "", "", "r", ""});  // written inside, read behind
  after.branches.push_back({3, 0});
  CHECK(range(after) == "1-4");
}

TEST_CASE("emulator: liveness: across an arm that does not mention it") {
  FunctionCode arms = code_of({"w", "", "", "e", "", "r"});  // op 1 jumps to 4; op 3 ends
  arms.branches.push_back({1, 4});
  CHECK(range(arms) == "0-5");
}

TEST_CASE("emulator: liveness: what wgmma has in flight lives to the wait, round loops that do not wait") {
  FunctionCode straight = code_of({"w", "r", "", "", ""});
  straight.in_flight.push_back({1, 0});
  straight.full_waits = {3};
  CHECK(range(straight) == "0-3");
  straight.full_waits = {};
  CHECK(range(straight) == "0-4");

  FunctionCode loop = code_of({"", "", "w", "r", "", "", ""});
  loop.branches.push_back({4, 1});
  loop.in_flight.push_back({3, 0});
  loop.full_waits = {5};  // behind the loop: the next turn finds it in flight
  CHECK(range(loop) == "1-5");
  loop.full_waits = {4};  // before the jump back
  CHECK(range(loop) == "2-4");
}

}  // namespace
}  // namespace tenon::emulator
