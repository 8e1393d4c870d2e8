// control.cpp: branches, calls and ends.
#include <algorithm>
#include <cstring>

#include "runtime/emulator/instructions/printf.h"
#include "runtime/emulator/instructions/tables.h"
#include "runtime/emulator/machine/access.h"

namespace tenon::emulator {
namespace {

using ptx::Operand;
using ptx::Type;

// --- branches

Outcome run_bra(Warp& warp, const Op& op, LaneMask active) { return warp.branch(active, op.target); }

void decode_bra(Decoder& decoder) {
  decoder.accept("uni");
  decoder.expect_operands(1, 1);
  decoder.branch_to(decoder.operand(0));
  decoder.ends_path();
  decoder.emit(run_bra, OpClass::kControl);
}

// brx.idx becomes one op an entry of its list, and one for an index beyond it.
// Words: index, entry.
Outcome run_brx(Warp& warp, const Op& op, LaneMask active) {
  report_poison(warp, op, active & warp.poison(op.words[0]), "an index of a branch");
  const uint32_t* index = warp.lanes<uint32_t>(op.words[0]);
  LaneMask taken = 0;
  for (LaneMask rest = active; rest; rest &= rest - 1) {
    const int lane = __builtin_ctz(rest);
    taken |= static_cast<LaneMask>(index[lane] == static_cast<uint32_t>(op.words[1])) << lane;
  }
  return taken ? warp.branch(taken, op.target) : Outcome::kNext;
}

// Words: index, entries.
Outcome run_brx_beyond(Warp& warp, const Op& op, LaneMask active) {
  const int lane = __builtin_ctz(active);
  report(warp, op, lane, FindingKind::kOutOfBounds,
         "branch to entry " + std::to_string(warp.lanes<uint32_t>(op.words[0])[lane]) + " of a list of " +
             std::to_string(op.words[1]));
  return warp.exit(active);
}

void decode_brx(Decoder& decoder) {
  decoder.expect_any({"idx"});
  decoder.accept("uni");
  decoder.expect_operands(2, 2);
  int32_t entry = 0;
  for (const Operand& target : decoder.operand(1).elements) {
    decoder.read(0, Type::kU32);
    decoder.number(entry++);
    decoder.branch_to(target);
    decoder.emit(run_brx, OpClass::kControl);
  }
  decoder.read(0, Type::kU32);
  decoder.number(entry);
  decoder.ends_path();
  decoder.emit(run_brx_beyond, OpClass::kControl);
}

// --- ends

Outcome run_exit(Warp& warp, const Op&, LaneMask active) { return warp.exit(active); }
Outcome run_return(Warp& warp, const Op&, LaneMask active) { return warp.return_from_call(active); }

void decode_exit(Decoder& decoder) {
  decoder.expect_operands(0, 0);
  decoder.ends_path();
  decoder.emit(run_exit, OpClass::kControl);
}

void decode_ret(Decoder& decoder) {
  decoder.accept("uni");
  decoder.expect_operands(0, 0);
  decoder.ends_path();
  decoder.emit(decoder.function().entry ? run_exit : run_return, OpClass::kControl);
}

Outcome stop(Warp& warp, const Op& op, LaneMask active, std::string message) {
  report(warp, op, __builtin_ctz(active), FindingKind::kTrap, std::move(message));
  warp.launch().stopped = true;
  return warp.exit(active);
}

Outcome run_trap(Warp& warp, const Op& op, LaneMask active) { return stop(warp, op, active, "trap"); }
Outcome run_brkpt(Warp& warp, const Op& op, LaneMask active) { return stop(warp, op, active, "breakpoint"); }

void decode_trap(Decoder& decoder) {
  decoder.expect_operands(0, 0);
  decoder.ends_path();
  decoder.emit(run_trap, OpClass::kControl);
}

void decode_brkpt(Decoder& decoder) {
  decoder.expect_operands(0, 0);
  decoder.ends_path();
  decoder.emit(run_brkpt, OpClass::kControl);
}

// --- calls: arguments and results are copied in local memory, from and to where the function keeps its own

// Words: count, then from, to and bytes of each.
void copy_local(Warp& warp, const Op& op, LaneMask active) {
  const int32_t* word = op.words + 1;
  for (int32_t i = 0; i < op.words[0]; ++i, word += 3)
    for (LaneMask rest = active; rest; rest &= rest - 1) {
      const int lane = __builtin_ctz(rest);
      std::byte* to = warp.local(lane, word[1], word[2]);
      if (!to) continue;
      std::memcpy(to, warp.local(lane, word[0], word[2]), word[2]);
      std::memcpy(warp.local_marks(lane, word[1], word[2]), warp.local_marks(lane, word[0], word[2]),
                  word[2]);
    }
}

Outcome run_call(Warp& warp, const Op& op, LaneMask active) {
  copy_local(warp, op, active);
  return warp.call(active, op.target);
}

Outcome run_take_results(Warp& warp, const Op& op, LaneMask active) {
  copy_local(warp, op, active);
  return Outcome::kNext;
}

struct CallOperands {
  const ptx::Function* function = nullptr;
  int index = 0;
  llvm::ArrayRef<Operand> results, arguments;
};

CallOperands call_operands(const Decoder& decoder) {
  CallOperands call;
  for (const Operand& operand : decoder.instruction().operands) {
    if (operand.kind == Operand::kFunction) {
      call.index = operand.index;
      call.function = &decoder.module().functions[operand.index];
    } else {
      (call.function ? call.arguments : call.results) = operand.elements;
    }
  }
  return call;
}

// The caller's variable that stands in a call's list.
const ptx::Variable& call_variable(const Decoder& decoder, const Operand& operand) {
  if (operand.kind == Operand::kVariable && operand.local && operand.offset == 0) {
    const ptx::Variable& variable = decoder.function().variables[operand.variable];
    if (variable.space == ptx::Space::kParam &&
        decoder.space_of(operand, variable.space) == ptx::Space::kLocal)
      return variable;
  }
  decoder.fail("arguments and results of a call are .param variables",
               "declare one: .param .b32 argument; st.param.b32 [argument], ...");
}

// Appends the copies between the caller's variables and the function's own.
void copies(Decoder& decoder, const CallOperands& call, llvm::ArrayRef<Operand> given,
            const std::vector<int>& formal, const char* what, bool into_function) {
  if (given.size() != formal.size())
    decoder.fail("'" + call.function->name + "' has " + std::to_string(formal.size()) + " " + what +
                 ", not " + std::to_string(given.size()));
  decoder.number(static_cast<int32_t>(given.size()));
  for (size_t i = 0; i < given.size(); ++i) {
    const ptx::Variable& variable = call_variable(decoder, given[i]);
    const ptx::Variable& own = call.function->variables[formal[i]];
    if (variable.bytes != own.bytes)
      decoder.fail("'" + variable.name + "' has " + std::to_string(variable.bytes) + " bytes, '" + own.name +
                   "' of '" + call.function->name + "' has " + std::to_string(own.bytes));
    const auto ours = static_cast<int32_t>(decoder.address_of(given[i]));
    const int32_t theirs = decoder.frame_offset(call.index, formal[i]);
    decoder.number(into_function ? ours : theirs);
    decoder.number(into_function ? theirs : ours);
    decoder.number(static_cast<int32_t>(own.bytes));
  }
}

void decode_defined(Decoder& decoder, const CallOperands& call) {
  copies(decoder, call, call.arguments, call.function->parameters, "parameters", true);
  decoder.call(call.index);
  decoder.emit(run_call, OpClass::kControl);
  if (call.function->results.empty() && call.results.empty()) return;
  copies(decoder, call, call.results, call.function->results, "results", false);
  decoder.emit(run_take_results, OpClass::kControl);
}

// --- functions that the device's run-time system defines

std::string text_at(Warp& warp, uint64_t address) {
  constexpr size_t kLongest = 400;
  std::string text;
  for (; text.size() < kLongest; ++address) {
    Allocation* allocation = warp.launch().memory.find(address, 1);
    const char byte = allocation ? static_cast<char>(*allocation->host(address)) : '\0';
    if (byte == '\0') break;
    text += byte;
  }
  return text;
}

template <class T>
T local_value(Warp& warp, int lane, int32_t offset) {
  T value{};
  if (const std::byte* bytes = warp.local(lane, offset, sizeof(T))) std::memcpy(&value, bytes, sizeof(T));
  return value;
}

// __assertfail(message, file, line, function, size of a character)
Outcome run_assertfail(Warp& warp, const Op& op, LaneMask active) {
  const int lane = __builtin_ctz(active);
  const auto text = [&](int i) { return text_at(warp, local_value<uint64_t>(warp, lane, op.words[i])); };
  return stop(warp, op, active,
              "assertion `" + text(0) + "` failed at " + text(1) + ":" +
                  std::to_string(local_value<uint32_t>(warp, lane, op.words[2])) + " in " + text(3));
}

// Words: the arguments' offsets in local memory, then the result's or -1. `bytes`: of each argument.
void system_call(Decoder& decoder, const CallOperands& call, std::initializer_list<int> bytes,
                 Handler handler) {
  if (call.arguments.size() != bytes.size() || call.results.size() > 1)
    decoder.fail("'" + call.function->name + "' has " + std::to_string(bytes.size()) + " parameters, not " +
                 std::to_string(call.arguments.size()));
  const Operand* argument = call.arguments.begin();
  for (int size : bytes) {
    if (call_variable(decoder, *argument).bytes != size)
      decoder.fail("'" + argument->name.str() + "' must have " + std::to_string(size) + " bytes");
    decoder.number(static_cast<int32_t>(decoder.address_of(*argument++)));
  }
  const bool with_result = !call.results.empty();
  if (with_result && call_variable(decoder, call.results[0]).bytes != 4)
    decoder.fail("'" + call.results[0].name.str() + "' must have 4 bytes");
  decoder.number(with_result ? static_cast<int32_t>(decoder.address_of(call.results[0])) : -1);
  decoder.emit(handler, OpClass::kControl);
}

void decode_call(Decoder& decoder) {
  decoder.accept("uni");
  const CallOperands call = call_operands(decoder);
  if (!call.function->external)
    decode_defined(decoder, call);
  else if (call.function->name == "vprintf") {
    decoder.mark_global_atomics();  // one host thread: what blocks print comes in their order
    system_call(decoder, call, {8, 8}, run_vprintf);
  } else if (call.function->name == "__assertfail")
    system_call(decoder, call, {8, 8, 4, 8, 8}, run_assertfail);
  else
    decoder.fail("'" + call.function->name + "' is defined in no module",
                 "vprintf and __assertfail are known");
}

constexpr OpcodeEntry kOpcodes[] = {
    {"bra", decode_bra},   {"brx", decode_brx},   {"ret", decode_ret},     {"exit", decode_exit},
    {"call", decode_call}, {"trap", decode_trap}, {"brkpt", decode_brkpt},
};

}  // namespace

OpcodeTable control_opcodes() { return kOpcodes; }

}  // namespace tenon::emulator
