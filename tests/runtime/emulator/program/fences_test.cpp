// The rule of wgmma.fence on hand-made control flow.
#include "runtime/emulator/program/fences.h"

#include <doctest/doctest.h>

namespace tenon::emulator {
namespace {

/// Ops in a row, each a letter: w writes register 0, v register 1; m is a wgmma of register 0, n one of both; f a fence,
/// . anything else; e ends the path. Branches are added by hand.
FunctionCode code_of(const std::string& ops) {
  FunctionCode code;
  code.op_count = static_cast<int>(ops.size());
  code.units = {1, 1};
  for (int op = 0; op <= code.op_count; ++op) code.op_of_body.push_back(op);
  const auto mention = [&](int op, int r, bool read) {
    Mention made;
    made.op = op;
    made.register_ = r;
    made.read = read;
    made.written = made.certain = true;
    code.mentions.push_back(made);
  };
  for (int op = 0; op < code.op_count; ++op) {
    if (ops[op] == 'w') mention(op, 0, false);
    if (ops[op] == 'v') mention(op, 1, false);
    if (ops[op] == 'f') code.fences.push_back(op);
    if (ops[op] == 'e') code.ends.push_back(op);
    if (ops[op] != 'm' && ops[op] != 'n') continue;
    for (int r = 0; r <= (ops[op] == 'n'); ++r) {
      mention(op, r, true);
      code.in_flight.push_back({op, r});
    }
  }
  return code;
}

/// "wgmma<write" of each, in order.
std::string found(const FunctionCode& code) {
  std::string text;
  for (const UnfencedWrite& write : unfenced_writes(code, flow(code)))
    text += std::to_string(write.wgmma) + "<" + std::to_string(write.write) + " ";
  return text;
}
std::string found(const std::string& ops) { return found(code_of(ops)); }

TEST_CASE("emulator: fences: a write needs a fence before the wgmma that uses its register") {
  CHECK(found("w.m") == "2<0 ");
  CHECK(found("wfm") == "");
  CHECK(found("fwm") == "2<1 ");
  CHECK(found("v.m") == "");      // of another register
  CHECK(found("wvn") == "2<0 ");  // one a wgmma: the first of the text
  CHECK(found("wfvn") == "3<2 ");
}

TEST_CASE("emulator: fences: wgmmas on the same accumulators follow one another without fences") {
  CHECK(found("wfmmm") == "");
  CHECK(found("wmmm") == "1<0 ");  // told once, not for all behind
  CHECK(found("wfmwm") == "4<3 ");
}

TEST_CASE("emulator: fences: all paths count") {
  FunctionCode around = code_of("w.fm");  // op 1 jumps over the fence, or not
  around.branches.push_back({1, 3});
  CHECK(found(around) == "3<0 ");
  FunctionCode both = code_of("w.fefm");
  both.branches.push_back({1, 4});
  CHECK(found(both) == "");
  FunctionCode loop = code_of("fmw.");  // back to the fence
  loop.branches.push_back({3, 0});
  CHECK(found(loop) == "");
  FunctionCode past = code_of("fmw.");  // back behind it
  past.branches.push_back({3, 1});
  CHECK(found(past) == "1<2 ");
  CHECK(found("wem") == "");  // not reached
}

}  // namespace
}  // namespace tenon::emulator
