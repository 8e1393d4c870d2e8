// mutants.cpp: which instructions synchronise, and the texts that stand in their place.
#include "tests/mutation/mutants.h"

#include <map>

#include "llvm/ADT/StringExtras.h"

namespace tenon::mutation {
namespace {

using llvm::StringRef;
using ptx::Instruction;
using ptx::Operand;

/// One kernel's instructions and the text that they come from.
class Kernel {
 public:
  Kernel(const ptx::Module& module, StringRef entry)
      : text_(module.source->text), function_(*module.find(entry)) {}

  std::vector<Mutant> all();

 private:
  void deleted(const Instruction& i);
  void altered(const Instruction& i);
  void altered_barrier(const Instruction& i);
  void shift(const Instruction& i, const char* kind, const char* change, size_t at, int by, const char* how);
  void polling_ends(size_t index);

  /// The statement, from its guard to its semicolon.
  std::pair<size_t, size_t> statement(const Instruction& i) const {
    size_t begin = static_cast<size_t>(i.text.data() - text_.data());
    const size_t end = text_.find(';', begin) + 1;
    if (i.guard >= 0) begin = text_.rfind('@', begin);
    return {begin, end};
  }
  std::string guard(const Instruction& i) const {
    return i.guard < 0 ? "" : (i.guard_negated ? "@!" : "@") + name(i.guard) + " ";
  }
  std::string name(int index) const { return function_.registers[static_cast<size_t>(index)].name.str(); }
  /// The operands as written, by commas outside of brackets and braces.
  std::vector<std::string> operands(const Instruction& i) const;

  /// Adds the kernel with `replacement` where `i` stands; line breaks stay.
  void add(const Instruction& i, Mutant::Way way, const char* kind, std::string change,
           std::string replacement);
  void alter(const Instruction& i, const char* kind, std::string change,
             const std::vector<std::string>& operands, std::string text = "") {
    add(i, Mutant::kAltered, kind, std::move(change),
        guard(i) + (text.empty() ? i.text.str() : text) + " " + llvm::join(operands, ", ") + ";");
  }

  StringRef text_;
  const ptx::Function& function_;
  std::string place_;
  std::map<std::string, int> like_;
  std::vector<Mutant> mutants_;
};

bool has(const Instruction& i, StringRef modifier) { return llvm::is_contained(i.modifiers, modifier); }

/// The row of the table that an instruction belongs to; null where it does not synchronise.
const char* kind_of(const Instruction& i) {
  const StringRef t = i.text;
  if (i.opcode == "bar" || (i.opcode == "barrier" && !has(i, "cluster")))
    return has(i, "warp")     ? "bar.warp.sync"
           : has(i, "arrive") ? "bar.arrive"
           : has(i, "sync")   ? "bar.sync"
                              : nullptr;
  if (i.opcode == "barrier") return has(i, "arrive") ? "barrier.cluster.arrive" : "barrier.cluster.wait";
  if (i.opcode == "mbarrier") {
    if (has(i, "init")) return "mbarrier.init";
    if (has(i, "inval")) return "mbarrier.inval";
    return has(i, "try_wait") || has(i, "test_wait") ? "mbarrier wait" : "mbarrier arrive";
  }
  if (t.startswith("cp.async.mbarrier")) return "mbarrier arrive";
  if (t.startswith("cp.async.bulk.commit_group")) return "bulk commit";
  if (t.startswith("cp.async.bulk.wait_group")) return "bulk wait";
  if (t.startswith("cp.async.commit_group")) return "cp.async commit";
  if (t.startswith("cp.async.wait")) return "cp.async wait";
  if (t.startswith("wgmma.fence")) return "wgmma.fence";
  if (t.startswith("wgmma.commit_group")) return "wgmma commit";
  if (t.startswith("wgmma.wait_group")) return "wgmma wait";
  if (i.opcode == "membar" || i.opcode == "fence") return has(i, "proxy") ? "fence.proxy" : "fence";
  if ((i.opcode == "atom" || i.opcode == "red") && has(i, "global")) return "atomic";
  return nullptr;
}

void Kernel::add(const Instruction& i, Mutant::Way way, const char* kind, std::string change,
                 std::string replacement) {
  const auto [begin, end] = statement(i);
  const auto breaks = text_.slice(begin, end).count('\n');
  Mutant mutant{way, kind, place_, std::move(change), i.line, {}};
  mutant.ptx =
      text_.substr(0, begin).str() + replacement + std::string(breaks, '\n') + text_.substr(end).str();
  mutants_.push_back(std::move(mutant));
}

std::vector<std::string> Kernel::operands(const Instruction& i) const {
  const size_t begin = static_cast<size_t>(i.text.data() - text_.data()) + i.text.size();
  std::vector<std::string> list(1);
  int depth = 0;
  for (char c : text_.slice(begin, text_.find(';', begin))) {
    depth += (c == '[' || c == '{') - (c == ']' || c == '}');
    if (c == ',' && depth == 0)
      list.emplace_back();
    else
      list.back() += c;
  }
  for (std::string& operand : list) operand = StringRef(operand).trim().str();
  return list;
}

void Kernel::deleted(const Instruction& i) {
  const char* kind = kind_of(i);
  const auto defines = [&] { return i.operands[0].kind == Operand::kRegister; };
  if (i.opcode == "atom") {
    const std::vector<std::string> o = operands(i);
    const StringRef type = i.modifiers.back();
    if (!has(i, "add")) return;
    add(i, Mutant::kDeleted, kind, "made a load, an addition and a store",
        guard(i) + "ld.global." + type.str() + " " + o[0] + ", " + o[1] + ";" + "{ .reg .b" +
            type.drop_front().str() + " %sum; add." + type.str() + " %sum, " + o[0] + ", " + o[2] + "; " +
            guard(i) + "st.global." + type.str() + " " + o[1] + ", %sum; }");
  } else if (i.opcode == "mbarrier" && !i.operands.empty() && defines()) {
    const bool wait = has(i, "try_wait") || has(i, "test_wait");
    add(i, Mutant::kDeleted, kind, "deleted",
        guard(i) + (wait ? "setp.eq.u32 " + name(i.operands[0].index) + ", 0, 0;"
                         : "mov.b64 " + name(i.operands[0].index) + ", 0;"));
  } else {
    add(i, Mutant::kDeleted, kind, "deleted", "");
  }
}

/// Operand `at` by some more, or by that bit flipped.
void Kernel::shift(const Instruction& i, const char* kind, const char* change, size_t at, int by,
                   const char* how) {
  std::vector<std::string> o = operands(i);
  const std::string before = o[at];
  o[at] = "%other";
  std::string call = guard(i) + i.text.str() + " " + llvm::join(o, ", ") + ";";
  add(i, Mutant::kAltered, kind, change,
      "{ .reg .b32 %other; " + std::string(how) + " %other, " + before + ", " + std::to_string(by) + "; " +
          call + " }");
}

/// bar.sync's number and its count of threads.
void Kernel::altered_barrier(const Instruction& i) {
  if (operands(i).size() < 2) return;  // all threads: any other number would do as well
  shift(i, "barrier's number", "number changed", 0, 8, "xor.b32");
  shift(i, "barrier's count", "a warp less", 1, -32, "add.s32");
  shift(i, "barrier's count", "a warp more", 1, 32, "add.s32");
}

void Kernel::altered(const Instruction& i) {
  const StringRef kind = kind_of(i);
  std::vector<std::string> o = operands(i);
  int64_t value = 0;
  const auto is_number = [&](size_t at) { return !StringRef(o[at]).getAsInteger(10, value); };
  if (kind == "bar.sync" || kind == "bar.arrive") altered_barrier(i);
  if (kind.endswith(" wait") && has(i, "wait_group") && is_number(0)) {
    o[0] = std::to_string(value + 1);
    alter(i, "a group less waited for", "one group less", o);
  } else if (kind == "mbarrier wait" && has(i, "parity")) {
    shift(i, "parity", "parity flipped", 2, 1, "xor.b32");
  } else if (has(i, "expect_tx")) {
    shift(i, "expected bytes", "16 bytes less", o.size() - 1, -16, "add.s32");
    shift(i, "expected bytes", "16 bytes more", o.size() - 1, 16, "add.s32");
  } else if (kind == "mbarrier.init") {
    shift(i, "expected arrivals", "an arrival less", 1, -1, "add.s32");
    shift(i, "expected arrivals", "an arrival more", 1, 1, "add.s32");
  } else if (i.text == "membar.gl" || has(i, "gpu")) {
    if (i.opcode == "membar") alter(i, "scope", "narrowed to the block", {}, "membar.cta");
    if (i.opcode == "fence") alter(i, "scope", "narrowed to the block", {}, "fence.acq_rel.cta");
  }
}

/// A branch back over a few instructions with a load that others' stores may change.
void Kernel::polling_ends(size_t index) {
  const Instruction& branch = function_.body[index];
  constexpr size_t kLongest = 12;
  if (branch.opcode != "bra" || branch.guard < 0 || branch.operands[0].kind != Operand::kLabel) return;
  const auto target = static_cast<size_t>(branch.operands[0].index);
  if (target >= index || index - target > kLongest) return;
  for (size_t i = target; i < index; ++i) {
    const Instruction& load = function_.body[i];
    if (load.opcode == "ld" && (has(load, "volatile") || has(load, "acquire") || has(load, "relaxed")))
      return add(branch, Mutant::kDeleted, "polling loop", "leaves its loop at once", "");
  }
}

std::vector<Mutant> Kernel::all() {
  for (size_t index = 0; index < function_.body.size(); ++index) {
    const Instruction& i = function_.body[index];
    const std::string text = i.text.str();
    place_ = text + "#" + std::to_string(++like_[text]);
    polling_ends(index);
    if ((i.opcode == "ld" || i.opcode == "red" || i.opcode == "atom") &&
        (has(i, "acquire") || has(i, "release"))) {
      std::string relaxed = text;
      const StringRef order = has(i, "acquire") ? ".acquire" : ".release";
      relaxed.replace(relaxed.find(order), order.size(), ".relaxed");
      alter(i, "order of an access", "relaxed", operands(i), relaxed);
    }
    if (!kind_of(i)) continue;
    deleted(i);
    altered(i);
  }
  return std::move(mutants_);
}

}  // namespace

std::vector<Mutant> mutants(const ptx::Module& module, StringRef entry) {
  return Kernel(module, entry).all();
}

}  // namespace tenon::mutation
